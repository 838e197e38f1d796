"""Studies on an object store: a real S3-protocol server on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.trainables.files.delaying_proxy import DelayingProxy
from tests.trainables.trials.plain import cache, job_for, run_job, run_trial, timeless, tiny
from trainables.files import manifests
from trainables.files.leases import BEAT_EVERY_S, LEASE_TIMEOUT_S, beat_every_s
from trainables.files.manifests import Manifest
from trainables.files.records import StudyFolder
from trainables.files.storage import RemoteFolder, open_folder
from trainables.trials.stage_store import StageStore

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """The URI of an empty bucket, as pyarrow reads it."""
    server_module = pytest.importorskip("moto.server")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    keys = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    with pytest.MonkeyPatch.context() as patch:
        for key, value in keys.items():
            patch.setenv(key, value)
        options = f"endpoint_override={host}:{port}&scheme=http&region=us-east-1"
        from pyarrow import fs

        s3 = fs.S3FileSystem(
            endpoint_override=f"{host}:{port}", scheme="http", region="us-east-1",
            allow_bucket_creation=True,
        )  # fmt: skip
        s3.create_dir("studies")
        yield f"s3://studies/one?{options}"
        server.stop()


def test_a_folder_holds_whole_files_and_lists_them(bucket: str) -> None:
    folder = open_folder(bucket)
    assert isinstance(folder, RemoteFolder)
    below = folder.child("some").child("place")
    below.write("a.json", b"one")
    below.write("a.json", b"two")
    assert below.read("a.json") == b"two"
    assert open_folder(below.location).read("a.json") == b"two"
    assert folder.names("some/place") == ["a.json"]
    assert below.exists("a.json")
    assert not below.exists("b.json")
    assert folder.names("nowhere") == []
    with pytest.raises(FileNotFoundError):
        below.read("b.json")
    below.delete("a.json")
    below.delete("a.json")
    assert not below.exists("a.json")


@pytest.fixture
def counted(bucket: str) -> Iterator[tuple[str, DelayingProxy]]:
    """The same bucket seen through a proxy that counts requests."""
    port = int(bucket.partition("endpoint_override=127.0.0.1:")[2].partition("&")[0])
    proxy = DelayingProxy(port, 0.0)
    yield bucket.replace(f":{port}&", f":{proxy.port}&").replace("/one?", "/counted?"), proxy
    proxy.close()


def test_a_write_is_one_request_and_a_listing_takes_none_per_stage(
    counted: tuple[str, DelayingProxy],
) -> None:
    location, proxy = counted
    store = open_folder(location).child("stages")
    assert store.sizes() == {} and manifests.finished(store) == set()
    proxy.requests.clear()
    for number in range(40):
        manifests.write(store, Manifest(f"{number:016x}", "dense", "done"))
    assert proxy.requests == {"PUT": 40}
    store.write(f"{40:016x}/partial-p1.safetensors", b"12345")
    proxy.requests.clear()
    assert manifests.finished(store) == {f"{number:016x}" for number in range(40)}
    assert sum(proxy.requests.values()) <= 3
    assert store.sizes(f"{40:016x}") == {"partial-p1.safetensors": 5}
    assert len(list(manifests.every(store))) == 40


def test_a_store_that_bills_gets_fewer_heartbeats(bucket: str, tmp_path: Path) -> None:
    assert beat_every_s(str(tmp_path)) == BEAT_EVERY_S
    assert BEAT_EVERY_S < beat_every_s(bucket) <= LEASE_TIMEOUT_S / 4


def test_a_trial_on_an_object_store_is_the_one_on_a_disk(bucket: str, tmp_path: Path) -> None:
    config = tiny(prune={"cycles": 2}, retrain={"schedule": "allr", "epochs": 2})
    local = run_trial(config, tmp_path)
    remote = open_folder(bucket)
    job = job_for(config, tmp_path)
    place = replace(job.context, folder=remote.location, store=remote.child("stages").location)
    assert run_job(replace(job, context=place), cache()).outcome == "done"
    folder = StudyFolder(remote.location)
    record = folder.read_record(job.fingerprint)
    assert record is not None
    assert timeless(record) == timeless(local)
    folder.compact()
    assert [r.fingerprint for r in folder.records().records] == [job.fingerprint]
    stage = StageStore(remote.child("stages"), "test").load(record.stages[-1])
    assert stage is not None
    assert stage.metrics["test_accuracy"] == record.metrics["test_accuracy"]


def test_analysis_reads_an_object_store(bucket: str) -> None:
    from analysis import frames

    study = frames.read(bucket)
    assert len(study.trials) == 1
    assert len(study.epochs) == 4
