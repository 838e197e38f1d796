"""A run on Ray: launch, searcher, progress, and how it ends."""
