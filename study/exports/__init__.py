"""Networks taken away: which ones, in which form, and what the card beside each says."""
