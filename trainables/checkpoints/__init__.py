"""Trained weights from files: where they lie, how they are read, how they fit a network."""
