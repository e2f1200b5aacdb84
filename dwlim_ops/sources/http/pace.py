"""How many requests a host gets at a time and in a second."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dwlim_ops.sources.http.failures import TransientError
from dwlim_ops.sources.http.wire import Deadline


class Pace:
    """Turns at one host.

    Parameters
    ----------
    requests_per_second : float
        Requests are started at least the inverse of this apart.
    concurrency : int
        Most requests under way at a time.
    clock, sleep : callable
        Seconds of a monotonic clock, and waiting on it.
    """

    def __init__(
        self, *, requests_per_second: float, concurrency: int,
        clock: Callable[[], float], sleep: Callable[[float], None],
    ) -> None:
        self._spacing_s = 1.0 / requests_per_second
        self._places = threading.BoundedSemaphore(concurrency)
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._next_start_s = clock()

    @contextmanager
    def turn(self, deadline: Deadline) -> Iterator[None]:
        """Wait for a place and for the next start, then hold the place.

        Raises
        ------
        TransientError
            The turn would come after `deadline`.
        """
        if not self._places.acquire(timeout=deadline.left_s()):
            raise TransientError("no turn at this host before the deadline", untaken=True)
        try:
            with self._lock:
                wait_s = max(0.0, self._next_start_s - self._clock())
                if wait_s >= deadline.left_s():
                    raise TransientError("no turn at this host before the deadline", untaken=True)
                self._next_start_s = self._clock() + wait_s + self._spacing_s
            if wait_s:
                self._sleep(wait_s)
            yield
        finally:
            self._places.release()
