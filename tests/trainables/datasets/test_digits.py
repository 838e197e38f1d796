"""Digits are read from scikit-learn's file; both ways give the same images."""

import numpy as np

from trainables.datasets import digits


def test_the_shipped_file_holds_what_sklearn_loads() -> None:
    shipped = digits._shipped()
    assert shipped is not None
    for direct, loaded in zip(shipped, digits._through_sklearn(), strict=True):
        np.testing.assert_array_equal(direct, loaded)
