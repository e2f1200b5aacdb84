"""The server under every replica: recording, faults of transport, a control for other processes."""

import contextlib
import datetime as dt
import gzip
import logging
import os
import re
import socket
import struct
import sys
import threading
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from email.utils import format_datetime
from functools import cached_property
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self

from tests.replicas.faults import Fault, General
from tests.replicas.messages import (
    Reply,
    Request,
    headers_of,
    is_unchanged,
    not_found,
    page,
    partial,
    ranges_of,
    redirect,
)
from tests.replicas.world import World

#: No name server knows it (RFC 6761): an endpoint with a DNS failure.
UNRESOLVABLE_URL: Final = "http://replica.invalid"
CONTROL_PATH: Final = "/_replica"
_SECRETS: Final = ("authorization", "cookie", "private-token", "proxy-authorization")
_STATUS: Final = {
    General.UNAVAILABLE: 503, General.SERVER_ERROR: 500, General.FORBIDDEN: 403,
    General.NOT_FOUND: 404, General.RATE_LIMITED: 429,
}


@dataclass
class _Injected:
    fault: Fault
    times: int | None
    where: str


class Replica(ABC):
    """One service on 127.0.0.1; a context manager that fails when the replica itself broke.

    Parameters
    ----------
    world : World
        What it publishes, and its clock.
    port : int
        0: any free one; kept by `stop` and `start`.
    host : str
        Name in its addresses: "127.0.0.1" and "localhost" count as two hosts.

    Attributes
    ----------
    requests : list of Request
        Everything that was asked, oldest first.
    stall_s, drip_s, clock_error, retry_after
        Settings of the faults of transport.
    """

    #: Enumeration of the service's own faults.
    faults: type[Any] = General
    #: Path at the end of `base_url`.
    root = ""

    def __init__(self, world: World, *, port: int = 0, host: str = "127.0.0.1") -> None:
        self.world, self.host, self._port = world, host, port
        self.requests: list[Request] = []
        self.unexpected: list[BaseException] = []
        self.stall_s, self.drip_s, self.retry_after = 30.0, 0.02, "1"
        self.clock_error = dt.timedelta(days=3)
        self._injected: list[_Injected] = []
        self._lock = threading.RLock()
        self._server: _Server | None = None
        self.released = threading.Event()

    @abstractmethod
    def answer(self, request: Request) -> Reply:
        """The service's answer, its own faults included; called by several threads."""

    # Life.

    def start(self) -> None:
        """Listen; on the same port as before after `stop`."""
        self.released.clear()
        self._server = _Server(("127.0.0.1", self._port), _Handler)
        self._server.replica = self
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True,
                         name=f"replica {type(self).__name__} {self._port}").start()

    def stop(self) -> None:
        """Stop listening and cut every connection: from now on the host is dead."""
        self.released.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.cut_connections()
            self._server.server_close()
            self._server = None
        if "foreign" in vars(self):
            vars(self).pop("foreign").stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self.unexpected:
            raise AssertionError(f"{type(self).__name__} broke") from self.unexpected[0]

    @property
    def is_running(self) -> bool:
        """Whether it listens."""
        return self._server is not None

    @property
    def base_url(self) -> str:
        """Base address for the endpoint table, without a slash at the end."""
        return self.origin + self.root

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"http://{self.host}:{self._port}"

    @cached_property
    def foreign(self) -> "ForeignHost":
        """The host to which `General.FOREIGN_REDIRECT` leads; started when first asked for."""
        other = ForeignHost(self, host="localhost" if self.host == "127.0.0.1" else "127.0.0.1")
        other.start()
        return other

    # Faults.

    @property
    def fault(self) -> Fault | None:
        """The standing fault; assigning replaces everything injected, None clears it."""
        with self._lock:
            return next((i.fault for i in self._injected if i.times is None), None)

    @fault.setter
    def fault(self, fault: Fault | None) -> None:
        with self._lock:
            self._injected.clear()
        if fault is not None:
            self.inject(fault)

    def fail_next(self, fault: Fault, times: int = 1, where: str = "") -> None:
        """Meet the next `times` requests to which the fault applies."""
        self.inject(fault, times=times, where=where)

    def inject(self, fault: Fault, *, times: int | None = None, where: str = "") -> None:
        """Add a fault, for good or `times` times, to requests with `where` in path and query."""
        if not isinstance(fault, (General, self.faults)):
            raise TypeError(f"{fault} is no fault of {type(self).__name__}")
        with self._lock:
            self._injected.append(_Injected(fault, times, where))

    def meets(self, request: Request, *faults: Fault) -> bool:
        """Whether one of the faults is to happen to this request; uses up one of its times."""
        with self._lock:
            for injected in self._injected:
                if injected.fault in faults and injected.where in request.raw_path:
                    request.fault = injected.fault.name
                    if injected.times is not None:
                        injected.times -= 1
                        if injected.times == 0:
                            self._injected.remove(injected)
                    return True
        return False

    # Records.

    def asked(self, where: str = "", method: str = "") -> list[Request]:
        """Requests with `where` in path and query, and that method."""
        return [r for r in list(self.requests)
                if where in r.raw_path and method in ("", r.method)]

    def forget_requests(self) -> None:
        """Empty the record."""
        self.requests.clear()

    def control(self, request: Request) -> Reply:
        """`POST /_replica?fault=NAME&times=2&where=...&now=...`; `fault=none` clears."""
        if moment := request.parameter("now"):
            self.world.now = dt.datetime.fromisoformat(moment).replace(tzinfo=dt.UTC)
        name = request.parameter("fault")
        if name == "none":
            self.fault = None
        elif name:
            known = {**General.__members__, **self.faults.__members__}
            if name not in known:
                return Reply(f"faults: {', '.join(known)}\n".encode(), 404, "text/plain")
            times = request.parameter("times")
            self.inject(known[name], times=int(times) if times else None,
                        where=request.parameter("where"))
        return Reply(b"", 204, "text/plain")


class ForeignHost(Replica):
    """Serves what `copied` serves, to whoever follows a redirect, and notes the secrets."""

    def __init__(self, copied: Replica, *, host: str) -> None:
        super().__init__(copied.world, host=host)
        self._copied = copied

    def answer(self, request: Request) -> Reply:
        return self._copied.answer(request)

    @property
    def secrets(self) -> list[tuple[str, str]]:
        """Name and value of every header with a credential that arrived here."""
        return [(name, request.headers[name]) for request in self.requests
                for name in _SECRETS if name in request.headers]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    replica: Replica

    def __init__(self, *arguments: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def cut_connections(self) -> None:
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        gone = isinstance(error, ConnectionError | TimeoutError) or self.replica.released.is_set()
        if error is not None and not gone:
            self.replica.unexpected.append(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "Apache/2.4", ""
    disable_nagle_algorithm = True
    timeout = 60
    server: _Server
    _date = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)

    def do_GET(self) -> None:
        replica = self.server.replica
        length = int(self.headers.get("Content-Length") or 0)
        names = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, names, self.rfile.read(length))
        if request.path == CONTROL_PATH and request.method == "POST":
            self._send(replica.control(request), request)
            return
        replica.requests.append(request)
        if self._fails_before_the_answer(request):
            return
        reply = self._status_fault(request) or replica.answer(request)
        reply = self._negotiate(reply, request)
        request.status = reply.status
        self._send(reply, request)

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815  # names of the base class

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # as in the base class
        logging.getLogger(__name__).debug(format, *args)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return format_datetime(self._date, usegmt=True)

    def _fails_before_the_answer(self, request: Request) -> bool:
        replica = self.server.replica
        if replica.meets(request, General.HANG):
            replica.released.wait(replica.stall_s)
        elif replica.meets(request, General.RESET):
            self._reset()
        elif not replica.meets(request, General.CLOSED):
            return False
        self.close_connection = True
        return True

    def _status_fault(self, request: Request) -> Reply | None:
        replica = self.server.replica
        for fault, status in _STATUS.items():
            if replica.meets(request, fault):
                headers = {"Retry-After": replica.retry_after} if status == 429 else {}
                text = HTTPStatus(status).phrase
                return replace(page(f"<h1>{text}</h1>", status), headers=headers)
        if replica.meets(request, General.HTML_PAGE):
            return page("<h1>Please log in</h1>")
        if replica.meets(request, General.EMPTY):
            return Reply()
        if replica.meets(request, General.REDIRECT_LOOP):
            return redirect(replica.origin + request.raw_path)
        if replica.meets(request, General.FOREIGN_REDIRECT):
            return redirect(replica.foreign.origin + request.raw_path)
        return None

    def _negotiate(self, reply: Reply, request: Request) -> Reply:
        replica = self.server.replica
        if replica.meets(request, General.NO_VALIDATORS):
            reply = replace(reply, etag="", last_modified=None)
        if is_unchanged(reply, request) and not replica.meets(
                request, General.IGNORES_VALIDATORS):
            return replace(reply, status=304, body=b"")
        ranges = ranges_of(reply, request)
        return reply if ranges is None else partial(reply, ranges)

    def _send(self, reply: Reply, request: Request) -> None:
        replica, body, headers = self.server.replica, reply.body, headers_of(reply)
        wrong_date = replica.meets(request, General.WRONG_DATE)
        self._date = replica.world.now + (replica.clock_error if wrong_date else dt.timedelta())
        if replica.meets(request, General.GZIP):
            body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
        chunked = reply.chunked or replica.meets(
            request, General.CHUNKED, General.CHUNKED_TRUNCATED, General.ENDLESS)
        bodiless = self.command == "HEAD" or reply.status in {204, 304}
        if chunked and not bodiless:
            headers["Transfer-Encoding"] = "chunked"
        elif reply.status not in {204, 304}:
            headers["Content-Length"] = str(len(body))
        self.send_response(reply.status)
        for name, value in headers.items():
            for one in value.split("\n"):
                self.send_header(name, one)
        self.end_headers()
        if not bodiless:
            self._send_body(body, request, chunked=chunked)

    def _send_body(self, body: bytes, request: Request, *, chunked: bool) -> None:
        replica, half = self.server.replica, body[:len(body) // 2]
        if request.fault == General.ENDLESS.name:
            self._send_endless(body)
        elif request.fault == General.CHUNKED_TRUNCATED.name:
            self._write(half, chunked=True)
            self.close_connection = True
        elif replica.meets(request, General.TRUNCATED):
            self._write(half, chunked=chunked)
            self.close_connection = True
        elif replica.meets(request, General.STALL_IN_BODY):
            self._write(half, chunked=chunked)
            replica.released.wait(replica.stall_s)
            self.close_connection = True
        elif replica.meets(request, General.RESET_IN_BODY):
            self._write(half, chunked=chunked)
            time.sleep(0.05)  # else the reset overtakes what was sent
            self._reset()
        else:
            pieces = 20 if replica.meets(request, General.DRIP) else 1
            for piece in re.findall(rb"(?s).{1,%d}" % max(-(-len(body) // pieces), 1), body):
                self._write(piece, chunked=chunked)
                if pieces > 1:
                    replica.released.wait(replica.drip_s)
            if chunked:
                self.wfile.write(b"0\r\n\r\n")

    def _send_endless(self, body: bytes) -> None:
        while not self.server.replica.released.is_set():
            self._write((body or b"0") * (2**16 // max(len(body), 1) + 1), chunked=True)

    def _write(self, piece: bytes, *, chunked: bool) -> None:
        if piece:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)

    def _reset(self) -> None:
        """Close so that the kernel sends RST; `shutdown` in the base class would send FIN."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())
        self.close_connection = True


def unknown(request: Request) -> Reply:
    """404 for a path that the service does not have."""
    return not_found(request.path)
