"""A study folder from elsewhere cannot make its reader sign requests to a store of its choice."""

from __future__ import annotations

import pytest

from trainables.files import trust
from trainables.files.trust import distrust, trust_stores

HOME = "s3://mine/study?endpoint_override=here:9000"


@pytest.mark.parametrize(
    ("store", "folder"),
    [
        ("/shared/stages", "/shared/study"),
        ("file:///shared/stages", "s3://mine/study"),
        ("s3://mine/stages", "s3://mine/study"),
        ("s3://mine/stages?endpoint_override=here:9000", HOME),
    ],
)
def test_local_paths_and_the_folders_own_bucket_are_read(store: str, folder: str) -> None:
    assert distrust(store, folder) is None


@pytest.mark.parametrize(
    ("store", "folder"),
    [
        ("s3://theirs/stages", "/received/study"),
        ("s3://theirs/stages", "s3://mine/study"),
        ("gs://mine/stages", "s3://mine/study"),
        ("s3://mine/stages?endpoint_override=theirs:9000", "s3://mine/study"),
        ("s3://mine/stages?endpoint_override=theirs:9000", HOME),
        ("s3://mine/stages", HOME),
        ("s3://key:secret@mine/stages", "s3://mine/study"),
        ("S3://theirs/stages", "/received/study"),
        ("s3a://mine/stages", "s3://mine/study"),
        ("s3://a\uff0fb/stages", "s3://mine/study"),
        ("s3://[theirs/stages", "s3://[theirs/study"),
        ("s3://mi\tne/stages", "s3://mine/study"),
        ("s3://mine\n.theirs/stages", "s3://mine.theirs/study"),
        (" s3://mine/stages", "s3://mine/study"),
        ("s3:///stages", "s3:///study"),
        ("s3://mine/stages#?endpoint_override=theirs:9000", "s3://mine/study"),
        ("https://theirs/stages", "/received/study"),
        ("s3://mine/../theirs/stages", "s3://mine/study"),
        ("s3://mine/%2e%2e/theirs/stages", "s3://mine/study"),
    ],
)
def test_any_other_store_takes_a_word(
    store: str, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentence = distrust(store, folder)
    assert sentence is not None
    assert f"got {store}: requests to it would be signed with your key" in sentence
    monkeypatch.setattr(trust, "_trusted", False)  # as it was, at the end of the test
    trust_stores()
    assert distrust(store, folder) is None
