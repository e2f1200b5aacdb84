"""Who receives the alerts: a webhook on loopback that notes all that reaches it."""

import hashlib
import hmac
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Literal, Self

from cap_rules import CAP, checked

Mood = Literal["good", "errors", "mute"]
HEADERS: Final = {"key": "Idempotency-Key", "signature": "X-DWLIM-Signature"}


@dataclass(frozen=True)
class Arrival:
    """One request: who it was for, its key, what it said, whether it was accepted."""

    day: int
    recipient: str
    key: str
    identifier: str
    kind: str
    references: tuple[str, ...]
    signed: bool
    accepted: bool
    #: Accepted, and the sender was told.
    answered: bool


class Receiver:
    """A context manager; `mood` says how it takes what comes, `day` stamps what it notes."""

    def __init__(self, secret: str) -> None:
        self.arrivals: list[Arrival] = []
        self.unexpected: list[str] = []
        self.mood: Mood = "good"
        self.day = 0
        self._secret, self._port = secret, 0
        self._server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def address(self) -> str:
        """Beginning of every recipient's address."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Listen, on the same port as before."""
        if self._server is not None:
            return
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver._take(self)

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _take(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        key = request.headers.get(HEADERS["key"], "")
        wanted = hmac.new(self._secret.encode(), key.encode() + b"." + body, hashlib.sha256)
        alert = checked(body)
        mood = self.mood
        self.arrivals.append(Arrival(
            self.day, request.path.strip("/"), key, alert.findtext(CAP + "identifier"),
            alert.findtext(CAP + "msgType"),
            tuple(one.split(",")[1] for one in (alert.findtext(CAP + "references") or "").split()),
            request.headers.get(HEADERS["signature"]) == f"sha256={wanted.hexdigest()}",
            mood != "errors", mood == "good"))
        if mood == "mute":
            request.close_connection = True
            return
        request.send_response(500 if mood == "errors" else 204)
        request.send_header("Content-Length", "0")
        request.end_headers()
