"""The data sets that come with the project: where their files are, and how they are read."""
