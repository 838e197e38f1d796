"""What a study found, in sentences computed from its frames."""
