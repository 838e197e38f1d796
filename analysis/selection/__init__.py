"""Which trials may be compared with which, and who leads among them."""
