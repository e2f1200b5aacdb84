"""Sessions whose every read from the network ends at a deadline, however slowly bytes drip in.

A time-out of `requests` starts anew with each byte, so that a server which sends one byte a
minute would hold a request for ever, in the headers as well as in the body.
"""

import http.client
import io
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


@dataclass(frozen=True)
class Deadline:
    """A moment of `clock` by which all has to be done."""

    clock: Callable[[], float]
    end_s: float

    def left_s(self) -> float:
        """Seconds until then; never negative."""
        return max(0.0, self.end_s - self.clock())


@dataclass(frozen=True)
class _Patience:
    deadline: Deadline
    read_timeout_s: float


_PATIENCE: ContextVar[_Patience] = ContextVar("patience")


@contextmanager
def patience(deadline: Deadline, read_timeout_s: float) -> Iterator[None]:
    """Within, a read of this thread waits `read_timeout_s` at most, and never past `deadline`."""
    token = _PATIENCE.set(_Patience(deadline, read_timeout_s))
    try:
        yield
    finally:
        _PATIENCE.reset(token)


class _ImpatientReader(io.RawIOBase):
    def __init__(self, connection: socket.socket, stream: io.RawIOBase) -> None:
        self._connection, self._stream = connection, stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        allowed = _PATIENCE.get()
        left_s = allowed.deadline.left_s()
        if left_s <= 0:
            raise TimeoutError("deadline passed while the answer was arriving")
        self._connection.settimeout(min(allowed.read_timeout_s, left_s))
        return self._stream.readinto(buffer)

    def close(self) -> None:
        self._stream.close()
        super().close()


class _ImpatientResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        raw = self.fp.detach()
        self.fp = io.BufferedReader(_ImpatientReader(sock, raw))

    def begin(self) -> None:
        super().begin()
        told = set(self.headers.get_all("Content-Length", []))
        if len(told) > 1 or not all(n.isascii() and n.isdigit() for n in told):
            raise http.client.HTTPException("Content-Length makes no sense")


class _Connection(HTTPConnection):
    response_class = _ImpatientResponse


class _SecureConnection(HTTPSConnection):
    response_class = _ImpatientResponse


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS: Final = {"http": _Pool, "https": _SecurePool}


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **options: Any) -> urllib3.ProxyManager:
        manager = super().proxy_manager_for(*args, **options)
        manager.pool_classes_by_scheme = _POOLS
        return manager


class Session(requests.Session):
    """A session that reads no environment and leaves redirects to its user."""

    def __init__(self, connections: int) -> None:
        super().__init__()
        self.trust_env = False
        for scheme in _POOLS:
            self.mount(f"{scheme}://", _Adapter(pool_maxsize=connections))

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002
        """None: `requests` would read the body of a redirect, of whatever size, to follow it."""
        return None
