"""Requests to one provider: polite, patient up to a deadline, and to nobody else."""

import datetime
import json as json_module
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import unquote, urljoin, urlsplit

import requests
import urllib3

from dwlim_ops.contracts import Received, Validators
from dwlim_ops.errors import ConfigError, SourceError
from dwlim_ops.sources.http.body import Wanted, check_body, read_body, start_of_body
from dwlim_ops.sources.http.endpoint import Endpoint
from dwlim_ops.sources.http.failures import (
    RefusedError,
    broken_connection,
    refusal,
    server_message,
)
from dwlim_ops.sources.http.pace import Pace
from dwlim_ops.sources.http.redact import one_line, redact_library_logs
from dwlim_ops.sources.http.retries import persevere, retry_after_s
from dwlim_ops.sources.http.wire import Deadline, Session, patience

Answer = TypeVar("Answer")
_NOTHING: Final = Validators()
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_DONE: Final = frozenset({200, 201, 202, 204})
_MOST_REDIRECTS: Final = 10
_TO_ANY_HOST: Final = frozenset({"accept", "accept-encoding", "range", "user-agent",
                                 "if-none-match", "if-modified-since"})
_RANGE: Final = re.compile(r"bytes=(\d{1,18})-(\d{1,18})")


@dataclass(frozen=True)
class _Request:
    method: str
    url: str
    wanted: Wanted
    headers: Mapping[str, str]
    known: Validators = _NOTHING
    json: Any = field(default=None, repr=False)


class Client:
    """Requests to one endpoint; threads may share it, and all sources of a provider should.

    Parameters
    ----------
    endpoint : Endpoint
        Where, who we are, and how hard we may press.
    user_agent : str
        Project and contact, sent with each request.
    proxies : mapping of str to str, optional
        Proxy per scheme; the environment is not read.
    ca_file : pathlib.Path, optional
        Certificates to trust in place of the usual ones, such as those of a company's proxy.
    clock, sleep : callable
        Seconds of a monotonic clock, and waiting on it.
    """

    def __init__(
        self, endpoint: Endpoint, *, user_agent: str, proxies: Mapping[str, str] | None = None,
        ca_file: Path | None = None, clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if ca_file is not None and not ca_file.is_file():
            raise ConfigError("file of trusted certificates is not there", where=str(ca_file),
                              remedy="give the path of a PEM file")
        redact_library_logs()
        self.endpoint = endpoint
        self._user_agent = user_agent
        self._proxies = dict(proxies or {})
        self._verify: str | bool = str(ca_file) if ca_file is not None else True
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}
        self._paces: dict[str, Pace] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection and forget every cookie."""
        with self._lock:
            sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            session.close()

    def get(
        self, path: str, *, params: Mapping[str, str] | None = None,
        known: Validators = _NOTHING, magic: tuple[bytes, ...] = (),
        expected_bytes: int | None = None, headers: Mapping[str, str] | None = None,
        max_bytes: int | None = None,
    ) -> Received:
        """The file at `path`, whole and of the right kind, or the news that it has not changed.

        Parameters
        ----------
        path : str
            Joined to `base_url`; or an absolute address on its host or an allowed one.
        params : mapping, optional
            Query; values are quoted here.
        known : Validators
            Of the copy that we hold; if it is still good, `content` is None.
        magic : tuple of bytes
            The content must start with one of these.
        expected_bytes : int, optional
            Length after decompression.
        headers : mapping, optional
            Further headers, never credentials. With `Range: bytes=a-b` the answer must be that
            range.
        max_bytes : int, optional
            In place of that of the endpoint.

        Raises
        ------
        NotFoundError, RefusedError, UnavailableError, SourceError
        """
        given = {name.lower(): value for name, value in (headers or {}).items()}
        exact = bool(magic) or expected_bytes is not None or "range" in given
        given.setdefault("accept-encoding", "identity" if exact else "gzip")
        for name, value in (("if-none-match", known.etag),
                            ("if-modified-since", known.last_modified)):
            if value and value.isascii() and value.isprintable():
                given[name] = value
        wanted = self._wanted(max_bytes, magic, expected_bytes)
        return self._perform(_Request("GET", self._url(path, params), wanted, given, known))

    def get_json(
        self, path: str, params: Mapping[str, str] | None = None, *,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The document at `path`, decoded.

        Raises
        ------
        NotFoundError, RefusedError, UnavailableError, SourceError
        """
        accept = {"accept": "application/json", **(headers or {})}
        content = self.get(path, params=params, headers=accept).content or b""
        try:
            return json_module.loads(content)
        except (ValueError, RecursionError):
            pass
        raise SourceError("answer is not JSON", where=self._shown(self._url(path, params)),
                          expected="a JSON document", got=repr(content[:40]),
                          remedy="look whether the path has moved or a login is asked for")

    def post(
        self, path: str, *, json: Any, params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None, max_bytes: int | None = None,
    ) -> Received:
        """What the provider answers to `json`; repeated only if the first was surely not taken.

        Raises
        ------
        NotFoundError, RefusedError, UnavailableError, SourceError
        """
        given = {name.lower(): value for name, value in (headers or {}).items()}
        request = _Request("POST", self._url(path, params), self._wanted(max_bytes), given,
                           json=json)
        return self._perform(request)

    def delete(self, path: str) -> None:
        """Remove what is at `path`, such as a finished job.

        Raises
        ------
        NotFoundError, RefusedError, UnavailableError, SourceError
        """
        self._perform(_Request("DELETE", self._url(path, None), self._wanted(None), {}))

    def server_date(self) -> datetime.datetime | None:
        """Time by the clock of the server, None if it does not say; asked once, anonymously.

        Any answer will do, a refusal too: it shows that the host is reached.

        Raises
        ------
        UnavailableError
            No answer.
        """
        request = _Request("HEAD", self._url("", None), self._wanted(None), {})
        deadline = self._deadline()

        def ask() -> str:
            with self._open(request, request.url, deadline) as response:
                return response.headers.get("Date", "")

        date = self._persevere(ask, request, deadline, attempts=1)
        try:
            return parsedate_to_datetime(date).astimezone(datetime.UTC)
        except (ValueError, TypeError, OverflowError):
            return None

    def _wanted(self, max_bytes: int | None, magic: tuple[bytes, ...] = (),
                expected_bytes: int | None = None) -> Wanted:
        cap = self.endpoint.max_bytes if max_bytes is None else max_bytes
        return Wanted(magic, expected_bytes, cap)

    def _url(self, path: str, params: Mapping[str, str] | None) -> str:
        absolute = path.startswith(("http://", "https://"))
        url = path if absolute else f"{self.endpoint.base_url.rstrip('/')}/{path.lstrip('/')}"
        return self._permitted(url, params)

    def _permitted(self, url: str, params: Mapping[str, str] | None = None, *,
                   after: str = "") -> str:
        """`url`, relative to `after`, in the very spelling that is sent, if we may go there."""
        try:
            url = urljoin(after, url)
            sent = requests.Request("GET", url, params=dict(params or {})).prepare().url or ""
            parts = urlsplit(sent)
            climbs = ".." in unquote(urlsplit(url).path).replace("\\", "/").split("/")
            fair = not climbs and "@" not in parts.netloc and "\\" not in parts.netloc
            allowed = fair and self.endpoint.allows(sent)
        except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError):
            allowed = False
        if not allowed:
            raise SourceError(
                "address leads away from the provider", where=self._shown(url),
                expected=f"a path on {self.endpoint.host} or an allowed host",
                remedy="if the provider has moved, change base_url or allowed_hosts")
        return parts._replace(fragment="").geturl()

    def _perform(self, request: _Request) -> Received:
        deadline = self._deadline()
        return self._persevere(lambda: self._follow(request, deadline), request, deadline,
                               attempts=self.endpoint.attempts)

    def _deadline(self) -> Deadline:
        return Deadline(self._clock, self._clock() + self.endpoint.deadline_s)

    def _persevere(self, attempt: Callable[[], Answer], request: _Request, deadline: Deadline, *,
                   attempts: int) -> Answer:
        where = self._shown(request.url)

        def guarded() -> Answer:
            try:
                return attempt()
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                reason = error
            # Raised out here, the new error has no context: theirs quote whole addresses.
            raise broken_connection(reason, self.endpoint.secrets, where=where)

        return persevere(guarded, where=where, repeatable=request.method != "POST",
                         attempts=attempts, deadline=deadline, sleep=self._sleep)

    def _follow(self, request: _Request, deadline: Deadline) -> Received:
        """Follow redirects by hand, so that credentials and cookies stay with their host."""
        url, seen = request.url, set()
        for _ in range(_MOST_REDIRECTS + 1):
            with self._open(request, url, deadline) as response:
                if response.status_code not in _REDIRECTS:
                    return self._receive(request, response)
                visit = (url, response.request.headers.get("Cookie"))
                if visit in seen:
                    break
                seen.add(visit)
                url = self._redirect(request, response, url)
        kind = RefusedError if self._has_login else SourceError
        raise kind("redirects lead nowhere", where=self._shown(request.url),
                   expected=f"a file after {_MOST_REDIRECTS} redirects at most",
                   got=f"at last {self._shown(url)}",
                   remedy="check the credentials and the approved applications")

    @property
    def _has_login(self) -> bool:
        return self.endpoint.auth != "none" or bool(self.endpoint.login_host)

    @contextmanager
    def _open(self, request: _Request, url: str, deadline: Deadline) -> Iterator[requests.Response]:
        session, pace = self._host(url)
        owned = self.endpoint.owns(url)
        headers = {name: value for name, value in request.headers.items()
                   if owned or name in _TO_ANY_HOST}
        headers = {"accept": "*/*", "accept-encoding": "identity", **headers,
                   "user-agent": self._user_agent}
        if request.method != "HEAD":
            headers |= self.endpoint.credentials_for(url)
        prepared = session.prepare_request(
            requests.Request(request.method, url, headers=headers, json=request.json))
        with pace.turn(deadline), patience(deadline, self.endpoint.read_timeout_s):
            left_s = max(deadline.left_s(), 0.001)
            limits = (min(self.endpoint.connect_timeout_s, left_s),
                      min(self.endpoint.read_timeout_s, left_s))
            response = session.send(prepared, stream=True, timeout=limits, allow_redirects=False,
                                    verify=self._verify, proxies=self._proxies)
            try:
                yield response
            finally:
                response.close()

    def _host(self, url: str) -> tuple[Session, Pace]:
        netloc = urlsplit(url).netloc
        with self._lock:
            if netloc not in self._paces:
                self._paces[netloc] = Pace(
                    requests_per_second=self.endpoint.requests_per_second,
                    concurrency=self.endpoint.concurrency, clock=self._clock, sleep=self._sleep)
            if netloc not in self._sessions:
                self._sessions[netloc] = Session(self.endpoint.concurrency)
            return self._sessions[netloc], self._paces[netloc]

    def _redirect(self, request: _Request, response: requests.Response, url: str) -> str:
        where = self._shown(request.url)
        location = response.headers.get("Location", "")
        if request.method != "GET" or not location:
            raise SourceError(f"unexpected redirect of a {request.method}", where=where,
                              expected="an answer", got=f"status {response.status_code}",
                              remedy="change base_url to where it leads")
        if url.startswith("https:") and location.lower().startswith("http:"):
            raise SourceError("redirect from https to http", where=where,
                              expected="https", got=self._shown(location),
                              remedy="tell the provider; it is not followed")
        target = self._permitted(location, after=url)
        if self.endpoint.is_login(target) and self.endpoint.auth != "basic":
            raise RefusedError(
                "provider asks to log in", where=where,
                expected="the token to be accepted" if self.endpoint.token else "no login",
                got=f"redirect to {self.endpoint.login_host}",
                remedy="make a new token, or give user and password of the login host")
        return target

    def _receive(self, request: _Request, response: requests.Response) -> Received:
        status, where = response.status_code, self._shown(request.url)
        if status == 304 and request.known != _NOTHING:
            return Received(None, request.known)
        span = request.headers.get("range", "") if request.method == "GET" else ""
        good = {206} if span else {200} if request.method == "GET" else _DONE
        if status not in good:
            said = server_message(start_of_body(response), self.endpoint.secrets)
            raise refusal(status, said, where=where, retry_after_s=retry_after_s(response.headers))
        if span:
            _check_range(span, response.headers.get("Content-Range", ""), where)
        content = read_body(response, max_bytes=request.wanted.max_bytes, where=where)
        check_body(content, request.wanted, where=where, has_login=self._has_login)
        found = (response.headers.get(name, "") for name in ("ETag", "Last-Modified"))
        return Received(content, Validators(*found))

    def _shown(self, url: str) -> str:
        return one_line(url, self.endpoint.secrets)


def _check_range(asked: str, got: str, where: str) -> None:
    span = _RANGE.fullmatch(asked)
    if span is None or not got.startswith(f"bytes {span[1]}-{span[2]}/"):
        raise SourceError("another range of the file than asked for", where=where,
                          expected=one_line(asked), got=one_line(got) or "no Content-Range")
