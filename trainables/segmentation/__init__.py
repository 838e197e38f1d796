"""Segmentation: a class for every pixel. Its networks, data on disk and made here, and measures."""
