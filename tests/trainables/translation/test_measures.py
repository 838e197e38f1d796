"""Losses by hand, and chrF and BLEU against sacrebleu's own command."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.trainables.translation.texts import parallel, texts
from trainables.translation.measures import points, signatures
from trainables.translation.on_disk import ParallelText
from trainables.translation.pairs import PairBatch, padded
from trainables.translation.tokenizer import END, PAD, START
from trainables.vocabulary.refusal import Refusal

REFERENCES = ["Das Haus ist rot.", "Wo steht das Auto?", "Die Tür ist „offen“.", "100 % sicher"]
WRITTEN = ["Das Haus ist blau.", "Wo ist das Auto?", "Die Tür ist offen.", ""]


@pytest.mark.slow
def test_points_are_those_of_sacrebleus_command(tmp_path: Path) -> None:
    for name, lines in (("references", REFERENCES), ("written", WRITTEN)):
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    files = [str(tmp_path / "references"), "-i", str(tmp_path / "written")]
    wanted = ["-m", "chrf", "bleu", "-w", "12", "-f", "json"]
    command = [sys.executable, "-m", "sacrebleu", *files, *wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told = {row["name"].lower().rstrip("2"): row for row in json.loads(done.stdout)}
    ours = points(WRITTEN, REFERENCES)
    assert {name: told[name]["score"] for name in ours} == pytest.approx(ours, abs=1e-11)
    for name, signature in signatures().items():
        assert signature == told[name]["signature"]


def test_points_at_the_ends() -> None:
    assert points(REFERENCES, REFERENCES) == pytest.approx({"chrf": 100.0, "bleu": 100.0})
    assert points([""] * 4, REFERENCES) == {"chrf": 0.0, "bleu": 0.0}
    with pytest.raises(ValueError, match="must be one or more, each with a reference, got 1 and 2"):
        points(["a"], ["a", "b"])


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> ParallelText:
    return parallel(texts(tmp_path_factory.mktemp("data")))


SHARES = torch.tensor([[0.5, 0.25, 0.125, 0.125], [0.25, 0.5, 0.125, 0.125]])
"""Probabilities of four tokens at two places."""


def fixed(source: Tensor, target: Tensor) -> Tensor:
    """A network that says `SHARES` at the first two places, and is sure of token 1 at others."""
    sure = torch.tensor([1.0, 97.0, 1.0, 1.0]) / 100
    rows = (
        torch.stack([*SHARES, *[sure] * (target.shape[1] - 2)])
        if target.shape[1] > 1
        else SHARES[:1]
    )
    return rows.log().expand(len(target), -1, -1)


BATCH = PairBatch(
    torch.tensor([[END], [END]]), torch.tensor([[3, 2, PAD], [2, PAD, PAD]]), ["", ""]
)


def test_the_loss_is_a_mean_over_tokens_without_padding(task: ParallelText) -> None:
    assert int(task.weight(BATCH)) == 3
    # tokens 3 and 2 of the first row, 2 of the second: each has an eighth
    assert float(task.loss(fixed, BATCH)) == pytest.approx(math.log(8))
    scores = task.score(fixed, BATCH)
    assert float(scores["loss"]) == pytest.approx(3 * math.log(8))
    assert int(scores["hits"]) == 0


def test_smoothing_is_in_the_loss_alone(task: ParallelText) -> None:
    task.smoothing = 0.4
    try:
        # .6 on the token and .1 on each of four: places 1, 2 and 1 of the two rows
        mean_of_all = (math.log(2) + math.log(4) + 2 * math.log(8)) / 4
        assert float(task.loss(fixed, BATCH)) == pytest.approx(
            0.6 * math.log(8) + 0.4 * mean_of_all
        )
        assert float(task.score(fixed, BATCH)["loss"]) == pytest.approx(3 * math.log(8))
    finally:
        task.smoothing = 0.0


def test_hits_count_no_padding(task: ParallelText) -> None:
    batch = PairBatch(BATCH.source, torch.tensor([[0, 1, PAD], [2, 1, 1]]), ["", ""])
    # row one: token 0 is PAD and counts nowhere, 1 is a hit; row two: a miss and two hits
    assert int(task.score(fixed, batch)["hits"]) == 3


def test_what_is_learnt_is_the_next_token(task: ParallelText) -> None:
    pairs = [task.splits().val[n] for n in (0, 1)]  # type: ignore[index]
    batch = padded(pairs)
    assert batch.before[:, 0].tolist() == [START, START]
    assert torch.equal(batch.before[:, 1:], batch.target[:, :-1])
    assert [int(row[row != PAD][-1]) for row in batch.target] == [END, END]
    assert batch.references == ["das rote Haus", "ein Auto ist hier"]


def test_what_is_declared(task: ParallelText) -> None:
    declared = task.declarations()
    assert (declared.deciding, declared.counts, declared.loss_unit) == ("chrf", "tokens", "nat")
    assert declared.metrics["chrf"].unit == declared.metrics["bleu"].unit == "points"
    plain = declared.plain()
    assert plain["metrics"]["bleu"]["signature"].startswith("nrefs:1|case:mixed|eff:no|tok:13a|")
    assert "signature" not in plain["metrics"]["token_accuracy"]
    assert type(declared).of(plain) == declared


def test_a_penalty_that_nothing_reads_is_refused(task: ParallelText, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"^task\.penalty must be absent unless task\.beam is above"):
        parallel(tmp_path, beam=1, penalty=1.0)
