"""What all figures share when they are drawn: colours, axes, notes."""
