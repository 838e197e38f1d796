"""A trained, pruned network as it leaves the study: rebuilt, written, measured."""
