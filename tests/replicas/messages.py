"""What a replica is asked and what it answers, with conditional requests and byte ranges."""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

HTML: Final = "text/html; charset=utf-8"
BOUNDARY: Final = "3d6b6a416f9b5"


@dataclass
class Request:
    """A request as it came; `status` is what it was answered with, 0 for no answer.

    Names of `headers` are in lower case; `path` is decoded and has no query; `raw_path` is as sent.
    """

    method: str
    raw_path: str
    headers: Mapping[str, str]
    body: bytes = b""
    status: int = 0
    fault: str = ""

    @property
    def path(self) -> str:
        """Decoded, without the query."""
        return unquote(urlsplit(self.raw_path).path)

    @property
    def query(self) -> dict[str, list[str]]:
        """Parameters of the query."""
        return parse_qs(urlsplit(self.raw_path).query, keep_blank_values=True)

    def parameter(self, name: str, default: str = "") -> str:
        """First value of a parameter of the query."""
        return self.query.get(name, [default])[0]

    def json(self) -> Any:
        """Body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """An answer before any fault; `ranged` replies honour Range, `chunked` ones have no length."""

    body: bytes = b""
    status: int = 200
    content_type: str = "application/octet-stream"
    headers: Mapping[str, str] = field(default_factory=dict)
    last_modified: dt.datetime | None = None
    etag: str = ""
    ranged: bool = False
    chunked: bool = False


def page(text: str, status: int = 200) -> Reply:
    """A page for people."""
    return Reply(f"<!DOCTYPE html>\n<html><body>{text}</body></html>\n".encode(), status, HTML)


def not_found(path: str) -> Reply:
    """What Apache says."""
    return page(f"<h1>Not Found</h1><p>The requested URL {path} was not found.</p>", 404)


def redirect(address: str, headers: Mapping[str, str] | None = None) -> Reply:
    """302."""
    return Reply(b"", 302, HTML, {"Location": address, **(headers or {})})


def json_reply(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """JSON."""
    return Reply(json.dumps(value).encode(), status, "application/json", headers or {})


def static_file(body: bytes, modified: dt.datetime, content_type: str = "text/plain") -> Reply:
    """A file as Apache serves it: Last-Modified, an ETag that goes with the content, ranges."""
    etag = f'"{hashlib.sha1(body, usedforsecurity=False).hexdigest()[:16]}"'
    return Reply(body, content_type=content_type, last_modified=modified.replace(microsecond=0),
                 etag=etag, ranged=True)


def headers_of(reply: Reply) -> dict[str, str]:
    """Headers of a reply without those that depend on how the body is sent."""
    headers = {"Content-Type": reply.content_type, **reply.headers}
    if reply.last_modified is not None:
        headers["Last-Modified"] = format_datetime(reply.last_modified, usegmt=True)
    if reply.etag:
        headers["ETag"] = reply.etag
    if reply.ranged:
        headers["Accept-Ranges"] = "bytes"
    return headers


def is_unchanged(reply: Reply, request: Request) -> bool:
    """Whether 304 is right; If-None-Match wins over If-Modified-Since (RFC 9110, 13.1)."""
    if reply.status != 200 or request.method not in {"GET", "HEAD"}:
        return False
    if "if-none-match" in request.headers:
        known = [tag.strip().removeprefix("W/")
                 for tag in request.headers["if-none-match"].split(",")]
        return bool(reply.etag) and (reply.etag in known or known == ["*"])
    if "if-modified-since" in request.headers and reply.last_modified is not None:
        try:
            return reply.last_modified <= parsedate_to_datetime(
                request.headers["if-modified-since"])
        except ValueError:
            return False
    return False


def ranges_of(reply: Reply, request: Request) -> list[tuple[int, int]] | None:
    """First and last byte of each range asked for; None if there is none, empty if impossible."""
    header = request.headers.get("range", "")
    if not (reply.ranged and reply.status == 200 and header.startswith("bytes=")):
        return None
    found, size = [], len(reply.body)
    for part in header.removeprefix("bytes=").split(","):
        first, _, last = part.strip().partition("-")
        if not (first + last).isdigit():
            return None
        start = int(first) if first else max(size - int(last), 0)
        stop = min(int(last), size - 1) if first and last else size - 1
        if start <= stop:
            found.append((start, stop))
    return found


def partial(reply: Reply, ranges: list[tuple[int, int]]) -> Reply:
    """206 with one range or several (RFC 9110, 14.4 to 14.6); 416 for none."""
    size = len(reply.body)
    if not ranges:
        return Reply(b"", 416, reply.content_type, {"Content-Range": f"bytes */{size}"})
    if len(ranges) == 1:
        first, last = ranges[0]
        headers = {**reply.headers, "Content-Range": f"bytes {first}-{last}/{size}"}
        return replace(reply, status=206, body=reply.body[first:last + 1], headers=headers)
    pieces = [
        (f"--{BOUNDARY}\r\nContent-Type: {reply.content_type}\r\n"
         f"Content-Range: bytes {first}-{last}/{size}\r\n\r\n").encode()
        + reply.body[first:last + 1] + b"\r\n" for first, last in ranges]
    return replace(reply, status=206, body=b"".join(pieces) + f"--{BOUNDARY}--\r\n".encode(),
                   content_type=f"multipart/byteranges; boundary={BOUNDARY}")
