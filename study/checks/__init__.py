"""What a run needs of the machine, the data and the folders, looked at before it starts."""
