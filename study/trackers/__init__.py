"""Trials that ended, written to trackers that people already use, from the records alone."""
