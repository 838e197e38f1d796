"""Settled trials written to trackers that people already use, from the records alone."""
