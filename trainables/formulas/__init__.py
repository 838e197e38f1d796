"""The method's arithmetic: sparsities, steps, discounts, learning rates. Standard library only."""
