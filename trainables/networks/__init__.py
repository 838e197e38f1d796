"""Networks that come with the project."""
