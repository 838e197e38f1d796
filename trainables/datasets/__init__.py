"""Data sets: reading files, splitting by class, and augmentation as tensor code."""
