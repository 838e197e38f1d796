"""An S3 server on loopback, and in how many ways a request to it can fail."""

from __future__ import annotations

import logging
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import pytest

Fault = Callable[[Any, Any, Any], Any]
"""What a request gets instead of its answer: of the application, its environment, and what begins
the response."""


def refusal(status: str, code: str = "") -> Fault:
    """A status, and the code that S3 gives as the reason where it gives one."""
    xml = "<?xml version='1.0'?><Error><Code>{}</Code><Message>refused</Message></Error>"
    body = xml.format(code).encode() if code else b""

    def fault(application: Any, environ: Any, start_response: Any) -> Any:
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        length = [("Content-Length", str(len(body))), ("Content-Type", "application/xml")]
        start_response(status, length)
        return [body]

    return fault


def cut(application: Any, environ: Any, start_response: Any) -> Any:
    """Do what is asked and break the connection off in the middle of the answer."""
    body = b"".join(application(environ, start_response))

    def half() -> Iterator[bytes]:
        if environ["REQUEST_METHOD"] == "GET":
            yield body[: len(body) // 2]
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        raise ConnectionResetError

    return half()


def done(application: Any, environ: Any, start_response: Any) -> Any:
    """Do what is asked and say that it failed."""
    b"".join(application(environ, lambda *_: None))
    return refusal("500 Internal Server Error", "InternalError")(None, environ, start_response)


def silence(application: Any, environ: Any, start_response: Any) -> Any:
    """Take the request and never answer."""
    time.sleep(30.0)
    raise ConnectionResetError


FAULTS: Final[dict[str, Fault]] = {
    "403 without a word": refusal("403 Forbidden"),
    "403": refusal("403 Forbidden", "AccessDenied"),
    "expired token": refusal("400 Bad Request", "ExpiredToken"),
    "429": refusal("429 Too Many Requests", "TooManyRequests"),
    "500": refusal("500 Internal Server Error", "InternalError"),
    "503": refusal("503 Slow Down", "SlowDown"),
    "connection broken off": cut,
    "done, and said to have failed": done,
}


class Gate:
    """A WSGI application in front of another one; `refused` counts what it lets fail."""

    def __init__(self, application: Any) -> None:
        self._application, self.refused, self.requests = application, 0, 0

    def fault(self, environ: Any) -> Fault | None:
        """Return what becomes of a request, None where it is served."""
        raise NotImplementedError

    def __call__(self, environ: Any, start_response: Any) -> Any:
        self.requests += 1
        fault = self.fault(environ)
        if fault is None:
            return self._application(environ, start_response)
        self.refused += 1
        return fault(self._application, environ, start_response)


class FlakyGate(Gate):
    """Lets a `share` of all requests fail in ways of `kinds`; both may change at any time."""

    def __init__(self, application: Any) -> None:
        super().__init__(application)
        self.share = 0.0
        self.kinds: tuple[str, ...] = ("403 without a word",)
        self._draw = random.Random(0)

    def fault(self, environ: Any) -> Fault | None:
        if self._draw.random() >= self.share:
            return None
        return FAULTS[self._draw.choice(self.kinds)]


G = TypeVar("G", bound=Gate)


@contextmanager
def s3_server(gate_before: Callable[[Any], G]) -> Iterator[tuple[Callable[[str], str], G]]:
    """An S3 server on loopback; yields the URI of a folder by its name, and the gate before it.

    Within this context the environment holds its keys, also for processes that are started.
    """
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from pyarrow import fs
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else a line for every request
    gate = gate_before(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, gate, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    keys = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    place = {
        "endpoint_override": f"127.0.0.1:{server.port}",
        "scheme": "http",
        "region": "us-east-1",
    }
    options = "&".join(f"{key}={value}" for key, value in place.items())
    with pytest.MonkeyPatch.context() as patch:
        for key, value in keys.items():
            patch.setenv(key, value)
        fs.S3FileSystem(**place, allow_bucket_creation=True).create_dir("outages")
        try:
            yield lambda name: f"s3://outages/{name}?{options}", gate
        finally:
            server.shutdown()
