"""Queued jobs of the Climate Data Store, which survive the end of our process.

Requests go through `ecmwf-datastores-client`, in a session that never follows a redirect (the
token is in a header that `requests` would take along) and never waits past the deadline. The file
itself, which needs no token, is fetched by our own client.
"""

import datetime
import logging
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

import requests
import urllib3
from ecmwf import datastores
from ecmwf.datastores.processing import LinkError, ProcessingFailedError

from dwlim_ops.contracts import Memory
from dwlim_ops.errors import SourceError
from dwlim_ops.sources.formats.grids.read import MAGIC
from dwlim_ops.sources.http import Client, NotFoundError, RefusedError, UnavailableError
from dwlim_ops.sources.http.failures import server_message
from dwlim_ops.sources.http.redact import one_line
from dwlim_ops.sources.http.wire import Deadline, Session, patience

Answer = TypeVar("Answer")

_log = logging.getLogger(__name__)

_FIRST_PAUSE_S: Final = 1.0
_LONGEST_WAIT: Final = datetime.timedelta(days=1)
_RUNNING: Final = frozenset({"accepted", "running"})
_OF_CLIENT: Final = (requests.RequestException, urllib3.exceptions.HTTPError, LinkError,
                     ProcessingFailedError, LookupError, AssertionError, AttributeError,
                     TypeError, ValueError)


class CdsJobs:
    """Jobs of one account.

    Parameters
    ----------
    http : Client
        Its endpoint gives the address of the API and the token; `allowed_hosts` must name the
        hosts of the files.
    memory : Memory
        Keeps the identifier of each job that has not been fetched yet.
    patience_s : float
        Longest wait for one job within one call; the job goes on.
    jobs_in_flight : int
        Most jobs waited for at a time.
    retry_after_s, sleep_max_s : float
        Pause between attempts of a request, and longest pause between looks at a job.
    proxies, ca_file
        As of `http`.
    clock, sleep : callable
        Seconds of a monotonic clock, and waiting on it.
    """

    def __init__(
        self, http: Client, memory: Memory, *, patience_s: float = 240.0, jobs_in_flight: int = 2,
        retry_after_s: float = 5.0, sleep_max_s: float = 20.0,
        proxies: Mapping[str, str] | None = None, ca_file: Path | None = None,
        clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._http, self._memory = http, memory
        self._patience_s, self._jobs_in_flight = patience_s, jobs_in_flight
        self._retry_after_s, self._sleep_max_s = retry_after_s, sleep_max_s
        self._proxies, self._ca_file = dict(proxies or {}), ca_file
        self._clock, self._sleep = clock, sleep
        self._waiting: set[str] = set()

    def retrieve(self, dataset: str, request: Mapping[str, Any], *, key: str,
                 today: datetime.date | None = None) -> bytes:
        """The file of a request: of the job remembered under `key`, else of a new one.

        A job that was submitted more than a day before `today` and is still not done is given up.
        Without `today` it is waited for as long as it takes.

        Raises
        ------
        SourceError
            Not ready within `patience_s`, or too many others are waited for: ask again later. Or
            the job was refused or has failed: the next call submits it anew.
        """
        identifier, submitted = self._remembered(key)
        if identifier is None and len(self._waiting - {key}) >= self._jobs_in_flight:
            raise SourceError("waits for its turn", where=key,
                              expected=f"at most {self._jobs_in_flight} jobs in the queue",
                              remedy="none; the next tick asks again")
        deadline = Deadline(self._clock, self._clock() + self._patience_s)
        with self._watched(deadline):
            remote = self._resume(identifier, key)
            overdue = bool(submitted and today and today - submitted > _LONGEST_WAIT)
            if remote is not None and overdue and self._ask(
                    key, lambda job=remote: job.status) in _RUNNING:  # type: ignore[misc]
                _log.warning("%s: the job of %s is given up", key, submitted)
                self._drop(key)
                remote = None
            remote = remote or self._submit(dataset, request, key, today)
            self._waiting.add(key)
            self._wait(remote, key, deadline)
            results = self._ask(key, remote.get_results, forget=True)
            location = self._ask(key, lambda: str(results.location), forget=True)
            size = self._ask(key, lambda: int(results.content_length), forget=True)
        try:
            content = self._http.get(location, magic=MAGIC, expected_bytes=size).content
        finally:
            self._drop(key)
        return content or b""

    @cached_property
    def _client(self) -> datastores.Client:
        session = Session(connections=2)
        session.proxies = dict(self._proxies)
        endpoint = self._http.endpoint
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return datastores.Client(
                url=endpoint.base_url.rstrip("/"), key=endpoint.token, session=session,
                verify=self._ca_file is None or str(self._ca_file),  # type: ignore[arg-type]
                timeout=(endpoint.connect_timeout_s, endpoint.read_timeout_s), progress=False,
                cleanup=False, sleep_max=self._sleep_max_s, retry_after=self._retry_after_s,
                maximum_tries=endpoint.attempts, log_callback=lambda *_: None)

    def _watched(self, deadline: Deadline) -> AbstractContextManager[None]:
        """Reads of the library's session end at the deadline of one request."""
        limit = Deadline(self._clock, deadline.end_s + self._http.endpoint.read_timeout_s)
        return patience(limit, self._http.endpoint.read_timeout_s)

    def _resume(self, identifier: str | None, key: str) -> datastores.Remote | None:
        if identifier is None:
            return None
        try:
            return self._ask(key, lambda: self._client.get_remote(identifier))
        except NotFoundError:
            self._drop(key)
            return None

    def _remembered(self, key: str) -> tuple[str | None, datetime.date | None]:
        """Identifier of the job and the day on which it was submitted."""
        text = self._memory.recall(key)
        if text is None:
            return None, None
        identifier, _, day = text.partition(" ")
        return identifier, datetime.date.fromisoformat(day) if day else None

    def _submit(self, dataset: str, request: Mapping[str, Any], key: str,
                today: datetime.date | None) -> datastores.Remote:
        remote = self._ask(key, lambda: self._client.submit(dataset, dict(request)))
        self._memory.remember(key, f"{remote.request_id} {today or ''}".rstrip())
        return remote

    def _wait(self, remote: datastores.Remote, key: str, deadline: Deadline) -> None:
        pause_s = _FIRST_PAUSE_S
        while (status := self._ask(key, lambda: remote.status)) in _RUNNING:
            if deadline.left_s() <= 0:
                raise SourceError("not ready yet", where=key, got=f"job {status}",
                                  expected=f"a file within {self._patience_s:g} s",
                                  remedy="none; the job goes on and the next tick asks again")
            self._sleep(min(pause_s, deadline.left_s()))
            pause_s = min(1.5 * pause_s, self._sleep_max_s)
        if status != "successful":
            reason = self._reason(remote, status)
            self._drop(key)
            raise SourceError(f"job ends as {status}", where=key, got=reason,
                              remedy="the next tick submits it anew; see the account's requests")

    def _reason(self, remote: datastores.Remote, status: str) -> str:
        try:
            remote.get_results()
        except _OF_CLIENT as error:
            return one_line(_said(error, self._secrets), self._secrets)
        return status

    def _drop(self, key: str) -> None:
        self._memory.forget(key)
        self._waiting.discard(key)

    def _ask(self, key: str, call: Callable[[], Answer], *, forget: bool = False) -> Answer:
        try:
            return call()
        except _OF_CLIENT as error:
            reason = error
        if forget:
            self._drop(key)
        raise self._refusal(reason, key)

    def _refusal(self, error: Exception, key: str) -> SourceError:
        response = error.response if isinstance(error, requests.HTTPError) else None
        got = one_line(_said(error, self._secrets), self._secrets)
        if response is None:
            return UnavailableError("service gives no usable answer", where=key, got=got,
                                    remedy="the next tick tries again")
        got = f"{response.status_code} {got}"
        if response.status_code in {404, 410}:
            return NotFoundError("no such job or data set", where=key, got=got,
                                 remedy="the job has expired, or the data set has moved")
        if response.status_code in {401, 403}:
            return RefusedError(
                "service refuses the request", where=key, got=got,
                remedy="check the token; accept the licence of the data set once in the web form; "
                       "ask for a smaller area")
        if response.status_code in {408, 425, 429} or response.status_code >= 500:
            return UnavailableError("service does not take the request", where=key, got=got,
                                    remedy="the next tick tries again")
        return SourceError("service does not take the request", where=key, got=got,
                           remedy="not available yet, or the request has to be corrected")

    @property
    def _secrets(self) -> tuple[str, ...]:
        return self._http.endpoint.secrets


def _said(error: Exception, secrets: tuple[str, ...]) -> str:
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return server_message(error.response.content[:65536], secrets)
    return str(error)
