"""Where a study's folder and its stage store lie."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISDIR

from study.definition.studyfile import StudyFile, read_yaml
from trainables.files.records import StudyFolder
from trainables.files.storage import Folder, is_remote, open_folder, reason
from trainables.files.trust import distrust, received
from trainables.vocabulary.homes import LocationError, expanded, is_unknown, without_scheme
from trainables.vocabulary.refusal import Refusal


def folder_of(study: StudyFile, out: str | None) -> str:
    """Return the study folder: `out`, or results/<name>; absolute when local."""
    return _absolute(out or f"results/{study.name}", "--out")


def store_of(study: StudyFile, folder: StudyFolder) -> str:
    """Return the stage store: what the study names, or stages/ in its folder."""
    return _absolute(study.stage_store or folder.folder.child("stages").location, "stage_store")


def readable_store_of(study: StudyFile, folder: StudyFolder) -> str:
    """Return the stage store that a reader of a study folder looks into.

    Refusal where the folder names a store of another bucket or endpoint, see `files.trust`, or
    where a link leads to it.
    """
    store = store_of(study, folder)
    if (sentence := distrust(store, folder.location)) is not None:
        raise Refusal(sentence)
    if is_remote(store):
        return store
    try:
        (folder.folder.child("stages") if study.stage_store is None else received(store)).names()
    except PermissionError:  # said by who reads it
        pass
    except (OSError, ValueError) as error:
        rule = "must be a folder of the study"
        raise Refusal(f"stage_store {rule}, got {store} ({reason(error)})") from error
    return store


def lies_in_its_folder(study: StudyFile) -> bool:
    """Whether a study's file is the copy in a study folder, which may be somebody else's."""
    return any((study.origin / name).is_dir() for name in ("records", "tables"))


def existing(location: str) -> tuple[StudyFolder, StudyFile]:
    """Return a study folder that is there and the study that it was last run as.

    Refusal when there is none at the location, or when its study cannot be read.
    """
    try:
        folder = StudyFolder(received(_absolute(location)))
        text = folder.folder.read("study.yaml").decode()
    except (OSError, ValueError) as error:
        why = "" if isinstance(error, FileNotFoundError) else f" ({error})"
        rule = "must be a study folder, one with a study.yaml"
        raise Refusal(f"DIR {rule}, got {location}{why}") from error
    return folder, held_study(text, location, "DIR")


def held_study(text: str, location: str, key: str) -> StudyFile:
    """Return the study of a folder's study.yaml; Refusal, naming the key, where it is none."""
    raw = read_yaml(text, f"{location}/study.yaml")
    try:
        return StudyFile.of(raw)
    except Refusal as error:
        rule = "must be a folder of a study"
        raise Refusal(f"{key} {rule}, got {location}, whose study.yaml: {error}") from None


@contextmanager
def written_into(location: str) -> Iterator[None]:
    """Refuse DIR in a sentence where it, of a study that is there, cannot be written any more."""
    try:
        yield
    except OSError as error:
        rule = "must be a folder that can be written"
        raise Refusal(f"DIR {rule}, got {location} ({reason(error)})") from error


def opened(location: str, key: str) -> Folder:
    """Return the folder at a location; Refusal, naming the key, where there can be none."""
    try:
        folder = open_folder(location)
    except (OSError, ValueError) as error:
        raise Refusal(f"{key} must be a folder or a URI, got {location} ({error})") from error
    if not is_remote(location):
        refuse_file(Path(folder.location), key)
    return folder


def opened_store(study: StudyFile, location: str) -> Folder:
    """Return the stage store; Refusal, naming the key that says where it is, where there is none.

    `location` is what `store_of` gives.
    """
    return opened(location, "stage_store" if study.stage_store else "--out")


def refuse_file(path: Path, key: str) -> None:
    """Refuse a path, naming the key, where something other than a folder is; nothing may be."""
    try:
        if S_ISDIR(path.stat().st_mode):
            return
        why = "a file"
    except FileNotFoundError:
        return
    except OSError as error:
        why = reason(error)
    raise Refusal(f"{key} must be a folder, got {path} ({why})")


def _absolute(location: str, key: str | None = None) -> str:
    """An absolute path; under a key that is written to, Refusal of a home that nobody knows.

    LocationError for what no path can be; a Refusal under a key.
    """
    if is_remote(location):
        return location
    try:
        path = without_scheme(location)
    except LocationError as error:
        raise error if key is None else Refusal(f"{key}: {error}") from None
    if key is not None and is_unknown(path):
        raise Refusal(f"{key} must begin with a home folder that is known, got {location}")
    return str(expanded(path).absolute())
