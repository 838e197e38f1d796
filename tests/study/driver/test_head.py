"""Whether Ray's head answers: silence, and addresses at which there is none."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from study.driver import head
from study.driver.head import ClusterWatch, Silence, answer_of, answers
from study.driver.run_end import ClusterLost, cluster_lost
from trainables.vocabulary.refusal import Refusal


@pytest.fixture
def port() -> Iterator[int]:
    """A port at which something listens that is no Ray; Ray takes localhost for the host's name."""
    with socket.socket() as listener:
        listener.bind(("0.0.0.0", 0))
        listener.listen(8)
        yield listener.getsockname()[1]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_silence_is_too_long_once_it_has_lasted() -> None:
    now = 0.0
    silence = Silence(30, lambda: now)
    assert not silence.too_long(answered=False)
    now = 29.9
    assert not silence.too_long(answered=False)
    assert not silence.too_long(answered=True)
    now = 40.0
    assert not silence.too_long(answered=False)
    now = 70.0
    assert silence.too_long(answered=False)


def test_what_listens_answers(port: int) -> None:
    assert answers(f"127.0.0.1:{port}")
    assert answers(f"[127.0.0.1]:{port}")
    assert not answers(f"127.0.0.1:{free_port()}")
    assert not answers("no port")


def test_a_machine_that_refuses_is_told_from_one_that_is_silent(port: int) -> None:
    assert answer_of(f"127.0.0.1:{port}") == "yes"
    assert answer_of(f"127.0.0.1:{free_port()}") == "refused"
    assert answer_of("no-such-host.invalid:6379") == "no"


def test_a_run_ends_within_moments_of_its_heads_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as head, ClusterWatch() as watch:
        lost = threading.Event()
        watch.look_at(f"127.0.0.1:{head.getsockname()[1]}", lost.set, farewell=lambda: None)
        assert not lost.wait(1.2)
        head.close()
        assert lost.wait(5)


def test_a_head_that_a_run_ends_itself_is_not_lost() -> None:
    with socket.create_server(("127.0.0.1", 0)) as head, ClusterWatch() as watch:
        lost = threading.Event()
        watch.look_at(f"127.0.0.1:{head.getsockname()[1]}", lost.set, farewell=lambda: None)
        with watch.judging(cluster_lost("head")):
            pass
        head.close()
        assert not lost.wait(2)


def test_a_port_at_which_nothing_listens_is_refused_at_once() -> None:
    address, began = f"127.0.0.1:{free_port()}", time.monotonic()
    with pytest.raises(Refusal, match=rf"got {address} \(nothing listens\)"):
        head.require_head(address)
    assert time.monotonic() - began < 5


def test_a_port_of_something_else_is_refused_within_seconds(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(head, "ANSWER_S", 1.0)
    with pytest.raises(Refusal, match="what listens there is no Ray head"):
        head.require_head(f"127.0.0.1:{port}")


def test_a_web_server_is_refused_in_a_sentence_without_rays_dumps(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(head, "ANSWER_S", 5.0)
    server = ThreadingHTTPServer(("0.0.0.0", 0), SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with pytest.raises(Refusal, match="what listens there is no Ray head") as refused:
            head.require_head(f"127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
    assert "\n" not in str(refused.value)
    assert "gcs_client" not in capfd.readouterr().err


def test_what_a_head_answers_with_is_part_of_the_sentence(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a proxy answers for every address, or a token is asked for."""
    monkeypatch.setattr(head, "_ASK", "print('no such method')")
    with pytest.raises(Refusal, match=r"no Ray head; .* told another: no such method\)"):
        head.require_head(f"127.0.0.1:{port}")


@pytest.mark.parametrize("address", ["no-such-host.invalid:6379", f"{'x' * 70}:6379"])
def test_a_host_without_an_address_is_named_as_that(address: str) -> None:
    with pytest.raises(Refusal, match=r"\(no such host\)"):
        head.require_head(address)


def test_an_address_of_the_web_is_no_cluster() -> None:
    with pytest.raises(Refusal, match="must be host:port or auto, got http://head:8265"):
        head.require_head("http://head:8265")


@pytest.mark.parametrize("there", [True, False])
def test_what_is_raised_while_the_head_is_gone_is_its_loss(port: int, there: bool) -> None:
    """As between the start of Ray and the first trial, where Ray raises what it likes."""
    address = f"127.0.0.1:{port if there else free_port()}"
    lost = cluster_lost(address)
    with head.ClusterWatch() as watch:
        watch.look_at(address, on_loss=lambda: None, farewell=lambda: None)
        with pytest.raises(RuntimeError if there else ClusterLost) as raised, watch.judging(lost):
            raise RuntimeError("from Ray")
    assert there or (raised.value.end.status == 3 and address in str(raised.value))


def test_the_grace_ends_before_ray_ends_the_process() -> None:
    """Ray gives up on a head after a minute, and aborts."""
    assert head.PATIENCE_S + head.GRACE_S + 5 < 60


def test_a_process_that_cannot_start_is_a_refusal(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    fault = r"got one that cannot start \(No such file or directory\)"
    with pytest.raises(Refusal, match=rf"--address must be asked by a process .*, {fault}"):
        head.require_head(f"127.0.0.1:{port}")
