"""The body of an answer: whole, of the size and kind that was asked for, within its bounds."""

import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import requests
import urllib3

from dwlim_ops.errors import SourceError
from dwlim_ops.sources.http.failures import (
    RefusedError,
    TransientError,
    asks_to_log_in,
    looks_like_html,
)

_PIECE_BYTES: Final = 2**16
_GZIP: Final = {"gzip", "x-gzip"}
_ENDS: Final = {b"GRIB": b"7777"}


@dataclass(frozen=True)
class Wanted:
    """What a body must be: how it starts, how long it is, how long it may be."""

    magic: tuple[bytes, ...]
    expected_bytes: int | None
    max_bytes: int


def read_body(response: requests.Response, *, max_bytes: int, where: str) -> bytes:
    """The whole body, decompressed.

    Raises
    ------
    SourceError
        It is larger than `max_bytes`, or encoded in a way that was not asked for.
    TransientError
        It is cut off or damaged.
    """
    declared = response.headers.get("Content-Length", "")
    if declared and int(declared[:20]) > max_bytes:
        raise _too_large(where, max_bytes, f"{declared[:20]} bytes announced")
    content = io.BytesIO()
    for piece in _pieces(response, max_bytes=max_bytes, where=where):
        content.write(piece)
        if content.tell() > max_bytes:
            raise _too_large(where, max_bytes, "more")
    told = declared or "Transfer-Encoding" in response.headers or content.tell()
    if response.request.method == "GET" and not told:
        raise TransientError("answer ends with its headers, or within them")
    return content.getvalue()


def start_of_body(response: requests.Response) -> bytes:
    """The first 64 KiB or so of an error page; what cannot be read is left out."""
    start = b""
    try:
        for piece in _pieces(response, max_bytes=_PIECE_BYTES, where=""):
            start += piece
            if len(start) >= _PIECE_BYTES:
                break
    except (TransientError, SourceError, urllib3.exceptions.HTTPError):
        pass
    return start[:_PIECE_BYTES]


def check_body(content: bytes, wanted: Wanted, *, where: str, has_login: bool) -> None:
    """Refuse a body that is not what was wanted.

    Raises
    ------
    RefusedError
        It is a login page.
    SourceError
        It is a web page, or does not start as the file that was asked for.
    TransientError
        It is empty, cut off, or of another length.
    """
    start = next((m for m in wanted.magic if content.startswith(m)), None)
    if wanted.magic and start is None:
        _refuse_other_kind(content, wanted.magic, where=where, has_login=has_login)
    if wanted.expected_bytes is not None and len(content) != wanted.expected_bytes:
        raise TransientError(
            "file of another length than announced",
            expected=f"{wanted.expected_bytes} bytes", got=f"{len(content)} bytes")
    end = _ENDS.get(start or b"", b"")
    if not content.endswith(end):
        raise TransientError("file is cut off", expected=f"{end!r} at its end",
                             got=repr(content[-len(end):]))


def _refuse_other_kind(
    content: bytes, magic: tuple[bytes, ...], *, where: str, has_login: bool
) -> None:
    expected = " or ".join(repr(m) for m in magic) + " at the start"
    if not content:
        raise TransientError("answer is empty", expected=expected, got="0 bytes")
    if not looks_like_html(content):
        raise SourceError("not the kind of file that was asked for", where=where,
                          expected=expected, got=repr(content[:16]),
                          remedy="look whether the provider has changed its format")
    if has_login and asks_to_log_in(content):
        raise RefusedError("a login page instead of the file", where=where, expected=expected,
                           remedy="check the credentials, and approve the provider's "
                                  "applications once in its web form")
    raise SourceError("a web page instead of the file", where=where, expected=expected,
                      got=repr(content[:40]), remedy="look at the page; the path may have moved")


def _pieces(response: requests.Response, *, max_bytes: int, where: str) -> Iterator[bytes]:
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    raw = _bounded(response, max_bytes=max_bytes, where=where)
    if encoding in {"", "identity"}:
        return raw
    if encoding in _GZIP:
        return _gunzipped(raw)
    raise SourceError("answer is encoded in a way that was not asked for", where=where,
                      expected="gzip or none", got=repr(encoding[:40]))


def _bounded(response: requests.Response, *, max_bytes: int, where: str) -> Iterator[bytes]:
    n_bytes = 0
    for piece in response.raw.stream(_PIECE_BYTES, decode_content=False):
        n_bytes += len(piece)
        yield piece
        if n_bytes > max_bytes:
            raise _too_large(where, max_bytes, "more")


def _gunzipped(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Decompressed step by step, so that a bomb meets the cap before it unfolds."""
    decoder = zlib.decompressobj(wbits=31)
    started = False
    try:
        for piece in pieces:
            rest = piece
            while rest:
                if decoder.eof:
                    decoder = zlib.decompressobj(wbits=31)
                started = True
                yield decoder.decompress(rest, _PIECE_BYTES)
                rest = decoder.unused_data.lstrip(b"\0") if decoder.eof else decoder.unconsumed_tail
        while not decoder.eof and (held := decoder.decompress(b"", _PIECE_BYTES)):
            yield held
    except zlib.error as error:
        raise TransientError("compressed answer is damaged", got=str(error)) from None
    if started and not decoder.eof:
        raise TransientError("compressed answer is cut off")


def _too_large(where: str, max_bytes: int, got: str) -> SourceError:
    return SourceError("answer is too large", where=where, expected=f"at most {max_bytes} bytes",
                       got=got, remedy="raise max_bytes of this service if that is right")
