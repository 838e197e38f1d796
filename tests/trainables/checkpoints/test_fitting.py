"""Weights from files: what is taken as it is, what is said of it, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from trainables.checkpoints.files import content_digest, located
from trainables.checkpoints.fitting import fitted
from trainables.networks.models import build, seeded
from trainables.vocabulary.refusal import Refusal

KEY = "dense.weights"


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 2)
        self.norm = nn.BatchNorm1d(2)
        self.head = nn.Linear(2, 4)


def state(seed: int = 1) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    return dict(Net().state_dict())


def saved(folder: Path, content: Any, name: str = "a.pt") -> Path:
    torch.save(content, folder / name)
    return folder / name


def same(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}{name}": value for name, value in tensors.items()}


def test_a_state_is_taken_as_it_is_from_either_kind_of_file(tmp_path: Path) -> None:
    for path in (saved(tmp_path, state()), tmp_path / "a.safetensors"):
        if path.suffix == ".safetensors":
            save_file(state(), path)
        found = fitted(path, Net(), KEY)
        assert same(found.tensors, state())
        assert found.notes == ()


@pytest.mark.parametrize(
    ("wrap", "notes"),
    [
        (lambda s: under("module.", s), ["names in a.pt are read without their prefix module."]),
        (lambda s: under("model.", s), ["names in a.pt are read without their prefix model."]),
        (
            lambda s: {"epoch": 3, "state_dict": under("module._orig_mod.", s)},
            [
                "the weights of a.pt are its entry state_dict",
                "names in a.pt are read without their prefix module._orig_mod.",
            ],
        ),
        (
            lambda s: {"model": {"state_dict": s}, "optimizer": {}},
            ["the weights of a.pt are its entry model", "the weights of a.pt are its entry state"],
        ),
    ],
)
def test_what_scripts_put_around_a_state_is_recognised_and_said(
    tmp_path: Path, wrap: Any, notes: list[str]
) -> None:
    found = fitted(saved(tmp_path, wrap(state())), Net(), KEY)
    assert same(found.tensors, state())
    assert len(found.notes) == len(notes)
    for note, words in zip(found.notes, notes, strict=True):
        assert note.startswith(f"dense.weights: {words}")


class Wrapped(nn.Module):
    """A network whose own names begin like a wrapper's."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Linear(3, 2)


def test_a_prefix_that_is_the_networks_own_stays(tmp_path: Path) -> None:
    own = dict(Wrapped().state_dict())
    assert same(fitted(saved(tmp_path, own), Wrapped(), KEY).tensors, own)


def changed(**over: Tensor | None) -> dict[str, Tensor]:
    both = {**state(), **{name.replace("__", "."): value for name, value in over.items()}}
    return {name: value for name, value in both.items() if value is not None}


WRONG: list[tuple[str, Any, str]] = [
    ("shape", changed(head__weight=torch.ones(5, 2), head__bias=torch.ones(5)),
     r"dense\.weights must fit the network: head\.weight has the shape \[4, 2\], got \[5, 2\] in"
     r" a\.pt"),
    ("missing", changed(norm__weight=None, head__bias=None),
     r"dense\.weights must fit the network: it has norm\.weight, got no such tensor in a\.pt"),
    ("unknown", changed(tail__weight=torch.ones(1)),
     r"dense\.weights must fit the network: it has no tail\.weight, got one in a\.pt"),
    ("not finite", changed(first__bias=torch.tensor([1.0, float("nan")])),
     r"dense\.weights must fit the network: first\.bias must be finite, got NaN or infinity"),
    ("integers", changed(head__bias=torch.ones(4, dtype=torch.int64)),
     r"dense\.weights must fit the network: head\.bias is torch\.float32, got torch\.int64"),
    ("a whole module", Net(),
     r"dense\.weights must hold tensors and plain values alone, so that reading it runs no code,"
     r" got objects in a\.pt; save the network's state_dict\(\)"),
    ("no tensors", {"epoch": 3, "loss": 0.5},
     r"dense\.weights must hold tensors by name, .* got a\.pt: a mapping of epoch, loss"),
    ("a list", [torch.ones(2)], r"dense\.weights must hold tensors by name, .* a\.pt: a list"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "message"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_a_wrong_checkpoint_is_refused_in_one_sentence(
    tmp_path: Path, content: Any, message: str
) -> None:
    path = saved(tmp_path, content)
    with pytest.raises(Refusal, match=message) as refusal:
        fitted(path, Net(), KEY)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.pt", b"not weights"), ("a.pt", b""), ("a.safetensors", b"\x10\0\0\0\0\0\0\0{}"),
     ("a.safetensors", b""), ("a.pt", b"PK\x03\x04 cut short")],
)  # fmt: skip
def test_a_file_that_is_no_such_file_is_refused_in_one_sentence(
    tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    rule = rf"dense\.weights must be a whole safetensors or torch file, got {name}: "
    with pytest.raises(Refusal, match=rule) as refusal:
        fitted(tmp_path / name, Net(), KEY)
    assert "\n" not in str(refusal.value)


def test_a_new_head_is_left_out_by_name_and_nothing_else_is(tmp_path: Path) -> None:
    path = saved(tmp_path, changed(head__weight=torch.ones(9, 2), head__bias=torch.ones(9)))
    found = fitted(path, Net(), "dense.start", ["head.*"])
    assert set(found.tensors) == {name for name in state() if not name.startswith("head.")}
    with pytest.raises(Refusal, match=r"dense\.start must fit the network: head\.bias has the sh"):
        fitted(path, Net(), "dense.start", ["head.weight"])
    rule = r"dense\.leave_out must fit a tensor of the network or of the file, such as first\.wei"
    with pytest.raises(Refusal, match=rule):
        fitted(path, Net(), "dense.start", ["head.*", "classifier.*"])


def test_tensors_of_the_file_alone_may_be_left_out(tmp_path: Path) -> None:
    path = saved(tmp_path, changed(aux__weight=torch.ones(9)))
    assert same(fitted(path, Net(), "dense.start", ["aux.*"]).tensors, state())


def test_counts_that_older_files_lack_are_not_missed(tmp_path: Path) -> None:
    path = saved(tmp_path, changed(norm__num_batches_tracked=None))
    assert "norm.num_batches_tracked" not in fitted(path, Net(), KEY).tensors


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table, self.out = nn.Embedding(3, 2), nn.Linear(2, 3, bias=False)
        self.out.weight = self.table.weight


def test_tied_weights_may_stand_once_in_a_file(tmp_path: Path) -> None:
    path = saved(tmp_path, {"out.weight": torch.ones(3, 2)})
    found = fitted(path, Tied(), KEY)
    assert found.tensors.keys() == {"table.weight", "out.weight"}


def test_the_state_of_torchvisions_resnet18_fits(tmp_path: Path) -> None:
    from torchvision.models import resnet18

    theirs = seeded(resnet18, 3).state_dict()
    path = saved(tmp_path, {"model": under("module.", theirs)})
    model = build("torchvision/resnet18", (3, 224, 224), 1000, {})
    assert same(fitted(path, model, KEY).tensors, dict(theirs))


def test_a_file_is_found_below_the_study_files_folder_first(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.pt").write_bytes(folder.encode())
    folders = [tmp_path / "one", tmp_path / "two"]
    assert located("a.pt", folders, KEY) == tmp_path / "one" / "a.pt"
    assert located(str(tmp_path / "two" / "a.pt"), folders, KEY) == tmp_path / "two" / "a.pt"
    with pytest.raises(Refusal, match=r"dense\.weights must be a file that is there, got 'b\.pt'"):
        located("b.pt", folders, KEY)


def test_weights_of_torchvision_are_those_in_torchs_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    name = "torchvision/ResNet18_Weights.IMAGENET1K_V1"
    rule = (
        r"dense\.weights must be in torch's hub cache \(download https://\S*/resnet18-\S*\.pth to"
    )
    with pytest.raises(Refusal, match=rule):
        located(name, [], KEY)
    place = tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"weights")
    assert located(name, [], KEY) == place
    with pytest.raises(Refusal, match=r"must name weights of torchvision, such as .* got 'torchvi"):
        located("torchvision/ResNet18_Weights.MINE", [], KEY)


def test_a_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "b").write_bytes(b"abd")
    assert content_digest(tmp_path / "a", KEY) == "ba7816bf8f01cfea"
    assert content_digest(tmp_path / "b", KEY) != "ba7816bf8f01cfea"
    with pytest.raises(Refusal, match=r"dense\.weights must be a file that can be read"):
        content_digest(tmp_path, KEY)
