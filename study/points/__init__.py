"""Where the points of a study come from, and which runs next."""
