"""Tests of trainables.removal."""
