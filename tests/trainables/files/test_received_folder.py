"""Links in a study folder of somebody else's lead nowhere out of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainables.files import trust
from trainables.files.storage import Folder
from trainables.files.trust import received

OUT = "a link leads out of the study folder"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A study folder beside somebody's secrets."""
    (tmp_path / "secrets" / "below").mkdir(parents=True)
    (tmp_path / "secrets" / "aa.json").write_bytes(b"secret")
    (tmp_path / "study" / "records").mkdir(parents=True)
    (tmp_path / "study" / "records" / "bb.json").write_bytes(b"mine")
    return tmp_path / "study"


def refuses(folder: Folder, name: str) -> None:
    with pytest.raises(OSError, match=OUT):
        folder.read(name)
    assert not folder.exists(name)


def test_a_file_elsewhere_is_not_read(place: Path) -> None:
    (place / "records" / "aa.json").symlink_to(place.parent / "secrets" / "aa.json")
    (place / "records" / "cc.json").symlink_to("../../secrets/aa.json")
    for name in ("records/aa.json", "records/cc.json"):
        refuses(received(str(place)), name)
    assert received(str(place)).read("records/bb.json") == b"mine"


@pytest.mark.parametrize("name", ["curves", "stages"])
def test_a_folder_elsewhere_is_neither_listed_nor_read(place: Path, name: str) -> None:
    (place / name).symlink_to(place.parent / "secrets")
    folder = received(str(place))
    refuses(folder, f"{name}/aa.json")
    for listing in (lambda: folder.names(name), lambda: folder.sizes(name)):
        with pytest.raises(OSError, match=OUT):
            listing()
    child = folder.child(name)
    refuses(child, "aa.json")
    for listing in (child.names, child.sizes, lambda: child.names("below")):
        with pytest.raises(OSError, match=OUT):
            listing()


def test_links_within_and_to_the_folder_are_followed(place: Path) -> None:
    (place / "records" / "aa.json").symlink_to("bb.json")
    (place / "again").symlink_to("records")
    (place.parent / "link").symlink_to(place)
    for at in (place, place.parent / "link"):
        folder = received(str(at))
        assert folder.read("records/aa.json") == folder.read("again/bb.json") == b"mine"
        assert folder.child("again").names() == ["aa.json", "bb.json"]


def test_who_trusts_a_folder_follows_its_links(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "records" / "aa.json").symlink_to(place.parent / "secrets" / "aa.json")
    refuses(received(str(place)), "records/aa.json")
    monkeypatch.setattr(trust, "_trusted", True)
    assert received(str(place)).read("records/aa.json") == b"secret"
