"""Single trials side by side, each trial's siblings, the best ones, and what ran where and when."""
