"""A study folder looked at: plan, status, stages, export. Starts and changes nothing."""
