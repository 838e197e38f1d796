"""Columns of frames: how they are named, ordered and put into words."""
