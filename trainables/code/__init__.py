"""The user's code as content: where it lies, what it imports, its digest, and copies of it."""
