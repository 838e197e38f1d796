"""A proxy on loopback that lets HTTP requests wait, as a store far away does, and counts them."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from contextlib import suppress

_VERBS = (b"GET ", b"PUT ", b"POST ", b"HEAD ", b"DELETE ")


class DelayingProxy:
    """Passes on what comes to `port` to another port of this machine, requests `delay_s` later."""

    def __init__(self, target: int, delay_s: float) -> None:
        self._target, self._delay_s = target, delay_s
        self.requests: Counter[str] = Counter()
        """How many requests of each verb have come."""
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._open: list[socket.socket] = []
        self._pumps: list[threading.Thread] = []
        self._server = threading.Thread(target=self._serve, daemon=True)
        self._server.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._open += [client, server]
                for one, other, asks in ((client, server, True), (server, client, False)):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    pump = threading.Thread(target=self._pump, args=(one, other, asks), daemon=True)
                    self._pumps.append(pump)
                    pump.start()

    def _pump(self, one: socket.socket, other: socket.socket, asks: bool) -> None:
        with suppress(OSError):
            while data := one.recv(1 << 16):
                if asks and data.startswith(_VERBS):
                    self.requests[data.split(b" ", 1)[0].decode()] += 1
                    time.sleep(self._delay_s)
                other.sendall(data)
        _shut(other)

    def close(self) -> None:
        """End it, with all that goes through it."""
        for one in (self._socket, *self._open):
            _shut(one)
        self._server.join()
        for pump in self._pumps:
            pump.join()
        for one in (self._socket, *self._open):
            one.close()


def _shut(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
