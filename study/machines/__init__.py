"""The machines of a cluster: how many trials they take, and what each lacks."""
