"""Names, units and sentences: what numbers are called, and how a refusal is worded."""
