"""Data sets: found, read, split, normalised, augmented."""
