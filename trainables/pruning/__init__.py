"""What of a network can be pruned, what goes first, and what that did."""
