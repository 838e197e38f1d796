"""Fronts: what no configuration beats, over any two measures, one front per level of a third."""
