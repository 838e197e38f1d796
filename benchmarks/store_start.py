"""How long a driver takes to start on an object store that is far away.

    python benchmarks/store_start.py [--stages 5000] [--delay 0.03]

A real S3-protocol server on loopback (moto) holds the stages; a proxy lets each request wait.
Prints one JSON line: seconds from the first check to the first assignment, and how many requests of
each kind that took. Ray is not started. The server's own time for a listing is part of it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer
from pyarrow import fs

sys.path.insert(0, str(Path(__file__).parents[1]))

from study.checks.user_code import LookedAt
from study.definition.studyfile import StudyFile
from study.driver.launch import Launch
from study.driver.progress import PlainDisplay
from study.driver.work import Work
from study.machines.slots import fixed
from study.points.resolve import resolve
from tests.trainables.files.delaying_proxy import DelayingProxy
from trainables.files import manifests

FILES = (manifests.NAME, "weights-p1.safetensors", "optimiser-p1.safetensors", "curve-p1.parquet")
STUDY = {
    "name": "small",
    "task": {"dataset": "digits", "model": "mlp"},
    "dense": {"epochs": 2},
    "prune": {"sparsity": {"grid": [0.5, 0.8]}},
    "retrain": {"epochs": 1},
    "seeds": [0, 1],
}
ACCESS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def bucket_of(n_stages: int) -> int:
    """Start a server with a bucket of so many stages, and return its port."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    store = fs.S3FileSystem(
        endpoint_override=f"{host}:{port}", scheme="http", region="us-east-1",
        allow_bucket_creation=True,
    )  # fmt: skip
    store.create_dir("studies")
    backend = s3_backends["123456789012"]["aws"]
    for number in range(n_stages):
        for name in FILES:
            backend.put_object("studies", f"one/stages/{number:016x}/{name}", b"{}")
    return int(port)


def driver_start(location: str) -> float:
    """Return the seconds from a driver's first check to its first assignment."""
    begun = time.perf_counter()
    launch = Launch(resolve(StudyFile.of(STUDY)), location, LookedAt())
    launch.check_before(None)
    screen = PlainDisplay()
    earlier = launch._earlier(screen)
    launch._write_study()
    launch._leave_token(screen)
    work = Work(launch._ground(""), earlier, fixed(2), screen)
    assert work.agenda.next() is not None
    return time.perf_counter() - begun


def main() -> None:
    """Print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--stages", type=int, default=5000)
    parser.add_argument("--delay", type=float, default=0.03, help="seconds each request waits")
    given = parser.parse_args()
    os.environ.update(ACCESS)
    proxy = DelayingProxy(bucket_of(given.stages), given.delay)
    options = f"endpoint_override=127.0.0.1:{proxy.port}&scheme=http&region=us-east-1"
    seconds = driver_start(f"s3://studies/one?{options}")
    figures = {"stages": given.stages, "delay_s": given.delay, "start_s": round(seconds, 2)}
    print(json.dumps({**figures, "requests": dict(proxy.requests)}), flush=True)
    os._exit(0)  # the server's threads would go on


if __name__ == "__main__":
    main()
