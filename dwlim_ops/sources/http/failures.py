"""How a request can fail, and what a provider's own words about it look like in a message."""

import json
import re
from collections.abc import Iterable
from typing import Any, Final

import requests
import urllib3

from dwlim_ops.errors import SourceError
from dwlim_ops.sources.http.redact import one_line

_TITLE: Final = re.compile(r"<title[^<>]*>([^<]*)", re.IGNORECASE)
_TAG: Final = re.compile(r"<[^<>]*>")
_LOGIN: Final = re.compile(rb"log\s?in|sign\s?in|password", re.IGNORECASE)
_CERTIFICATE: Final = "certificate verify failed"
_TRANSIENT: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_UNTAKEN: Final = frozenset({425, 429, 503})
_UNREACHED: Final = (urllib3.exceptions.NewConnectionError,
                     urllib3.exceptions.ConnectTimeoutError)


class NotFoundError(SourceError):
    """The provider has no such file, or no longer (404, 410)."""


class RefusedError(SourceError):
    """The provider wants other credentials or a licence to be accepted (401, 403, a login page)."""


class UnavailableError(SourceError):
    """No usable answer in the time and attempts allowed; the next tick tries again."""


class TransientError(Exception):
    """An attempt failed in a way that another may not; never leaves the package.

    `untaken`: the provider has surely not acted on the request.
    """

    def __init__(
        self, what: str, *, expected: str = "", got: str = "", retry_after_s: float = 0.0,
        untaken: bool = False,
    ) -> None:
        super().__init__(what)
        self.what, self.expected, self.got = what, expected, got
        self.retry_after_s, self.untaken = retry_after_s, untaken


def refusal(status: int, said: str, *, where: str, retry_after_s: float) -> Exception:
    """The error that stands for an HTTP status and what the server said with it."""
    got = f"{status} {said}".strip()
    if status in _TRANSIENT:
        return TransientError("service does not answer the request", got=got,
                              retry_after_s=retry_after_s, untaken=status in _UNTAKEN)
    if status in {404, 410}:
        return NotFoundError("no such file at the provider", where=where, got=got,
                             remedy="it may be late, renamed or moved")
    if status in {401, 403, 407}:
        return RefusedError("provider refuses the request", where=where, got=got,
                            remedy="check the credentials, the licences to be accepted and "
                                   "the size of the request")
    if status >= 500:
        return UnavailableError("service has failed", where=where, got=got,
                                remedy="the next tick tries again")
    return SourceError("provider does not take the request", where=where, got=got,
                       remedy="correct what is asked for, or the path")


def broken_connection(
    error: BaseException, secrets: Iterable[str], *, where: str
) -> Exception:
    """The error that stands for one of requests or urllib3."""
    inner = _innermost(error)
    got = one_line(str(inner), secrets)
    if _CERTIFICATE in got.lower():
        return UnavailableError(
            "server cannot prove who it is", where=where, got=got,
            remedy="check the clock and the trusted certificates; never switch the test off")
    if isinstance(error, requests.exceptions.InvalidHeader | requests.exceptions.InvalidURL):
        return SourceError("answer or request breaks the protocol", where=where, got=got,
                           remedy="look at the address, and at the server's headers")
    untaken = isinstance(error, requests.ConnectTimeout) or isinstance(inner, _UNREACHED)
    return TransientError("no whole answer", got=got, untaken=untaken)


def server_message(body: bytes, secrets: Iterable[str]) -> str:
    """What the body of an error page says: fields of a JSON problem, title of a page, or text."""
    text = body.decode("utf-8", "replace")
    try:
        said = _from_json(json.loads(text))
    except (ValueError, RecursionError):
        title = _TITLE.search(text)
        said = title[1] if title else _TAG.sub(" ", text)
    return one_line(said, secrets)


def looks_like_html(content: bytes) -> bool:
    """Whether the content is a web page, or XML."""
    return content.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<"


def asks_to_log_in(content: bytes) -> bool:
    """Whether a web page looks like the form of a login."""
    return bool(_LOGIN.search(content[:65536]))


def _innermost(error: BaseException) -> BaseException:
    for _ in range(8):
        inner = getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((a for a in error.args if isinstance(a, BaseException)), None)
        if inner is None:
            break
        error = inner
    return error


def _from_json(document: Any) -> str:
    if not isinstance(document, dict):
        return str(document)
    parts: list[str] = []
    for key in ("title", "detail", "message", "error_description", "error", "errors"):
        said = document.get(key)
        if isinstance(said, list):
            said = "; ".join(str(item) for item in said)
        if isinstance(said, str) and said and said not in parts:
            parts.append(said)
    return ": ".join(parts) or str(document)
