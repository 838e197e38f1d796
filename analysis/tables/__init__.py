"""Comparison tables: their cells, their layout, and their renderings."""
