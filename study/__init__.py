"""Run studies: the space, the plan, the search on Ray Tune, the launch and the command."""
