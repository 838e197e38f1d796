"""Figures of how sure a study is: what matters, where variance lies, and fair comparisons."""
