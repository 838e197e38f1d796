"""One figure as a file: sized for a page, in a paper's font, safe to print in black and white."""
