"""When a failed attempt is made again, and how long to wait before.

Retries are those of `tenacity`: its `sleep`, `wait` and `stop` can be given, so that waits follow
`Retry-After` and the deadline follows the given clock; `stamina` hides all three.
"""

import logging
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar

import tenacity

from dwlim_ops.sources.http.failures import TransientError, UnavailableError
from dwlim_ops.sources.http.wire import Deadline

_LOG: Final = logging.getLogger(__name__)
_LONGEST_WAIT_S: Final = 60.0
Answer = TypeVar("Answer")


def persevere(
    attempt: Callable[[], Answer], *, where: str, repeatable: bool, attempts: int,
    deadline: Deadline, sleep: Callable[[float], None],
) -> Answer:
    """What `attempt` returns, at the first time that it does not raise `TransientError`.

    Parameters
    ----------
    attempt : callable
        Makes one attempt.
    where : str
        Address for messages, without secrets.
    repeatable : bool
        Whether a second attempt does no harm if the first was taken after all; if not, only an
        attempt that was surely not taken is made again.
    attempts : int
        Most attempts.
    deadline : Deadline
        No attempt starts after it.
    sleep : callable
        Waits the given seconds.

    Raises
    ------
    UnavailableError
        The last attempt failed too, or the next would come after `deadline`.
    """
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(
            lambda e: isinstance(e, TransientError) and (repeatable or e.untaken)),
        wait=_Backoff(), sleep=sleep, reraise=True,
        stop=lambda state: (state.attempt_number >= attempts
                            or state.upcoming_sleep >= deadline.left_s()),
        before_sleep=lambda state: _LOG.info(
            "%s: attempt %d of %d failed, the next in %.1f s", where, state.attempt_number,
            attempts, state.upcoming_sleep))
    try:
        return retrying(attempt)
    except TransientError as error:
        last = error
    n_attempts = retrying.statistics["attempt_number"]
    asked = f"; it asks to wait {last.retry_after_s:.0f} s" if last.retry_after_s else ""
    raise UnavailableError(
        f"{last.what} (after attempt {n_attempts} of {attempts}, "
        f"{deadline.left_s():.0f} s before the deadline)",
        where=where, expected=last.expected, got=last.got + asked,
        remedy="the next tick tries again; if it lasts, look whether the service is down")


def retry_after_s(headers: Mapping[str, str]) -> float:
    """Seconds; a date counts from the server's own `Date`, whatever our clock says; 0 if absent."""
    asked = headers.get("Retry-After", "").strip()
    if asked.isascii() and asked.isdigit():
        return float(asked[:9])
    try:
        until = parsedate_to_datetime(asked)
        now = parsedate_to_datetime(headers.get("Date", ""))
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return 0.0


class _Backoff(tenacity.wait.wait_base):
    """Up to 1, 2, 4 ... 60 s at random; after `Retry-After`, that and up to a second more."""

    def __init__(self) -> None:
        self._spread = tenacity.wait_random_exponential(multiplier=1, max=_LONGEST_WAIT_S)
        self._more = tenacity.wait_random(0, 1)

    def __call__(self, retry_state: tenacity.RetryCallState) -> float:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        if isinstance(error, TransientError) and error.retry_after_s:
            return error.retry_after_s + self._more(retry_state)
        return self._spread(retry_state)
