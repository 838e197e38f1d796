"""The training loop, evaluation, and the random draws of both."""
