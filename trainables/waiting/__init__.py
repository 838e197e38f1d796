"""How what failed is tried again: the standard library alone."""
