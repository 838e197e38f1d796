"""A trial as a state machine over a chain of stages, each found in the store or trained."""
