"""What a study cost, alone and with its dense runs shared."""

from __future__ import annotations

from analysis.findings import spending
from tests.analysis.hand_made import trials


def test_spending_and_sharing() -> None:
    shared = {"dense_stage": "a", "epochs": 12.0, "dense_epochs": 10.0}
    frame = trials(shared, {**shared, "retrain.schedule": "ft"})
    spent = spending.spending(frame)
    assert (spent.epochs_asked, spent.epochs_done, spent.n_dense) == (24, 14, 1)
    assert spending.sharing(frame) == (
        "The trials ask for 24 epochs of training; with their 1 dense run shared they took 14,"
        " 42 % less."
    )
    large = frame.assign(epochs=1_512.4, dense_epochs=10.0)
    assert "ask for 3 025 epochs" in spending.sharing(large)
    assert "they took 3 015" in spending.sharing(large)
    timed = frame.assign(train_s=60.0, dense_train_s=540.0, state=["done", "failed"])
    assert "of training instead of" in spending.sharing(timed)
    assert spending.sharing(timed).endswith("1 failed trial not counted.")
    assert spending.sharing(trials({})) == ""
