"""Keeping child processes alive: start, restart with growing pauses, stop in order."""

import logging
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

_log = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
#: A child that lived this long had started well: its next pause is the first one again.
WELL_AFTER_S: Final = 120.0
_LOOK_EVERY_S: Final = 0.1


@dataclass
class Child:
    """One process that must run.

    `ready` tells whether the next child may start; `stop_timeout_s` is how long it may take to
    end after SIGTERM before it is killed, and `idle_timeout_s` how long if it is not `busy`.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    stop_timeout_s: float
    ready: Callable[[], bool] = lambda: True
    busy: Callable[[], bool] = lambda: True
    idle_timeout_s: float = 30.0
    n_restarts: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _started_at_s: float = 0.0
    _not_before_s: float = 0.0
    _pause_s: float = FIRST_PAUSE_S

    @property
    def alive(self) -> bool:
        """It runs."""
        return self._process is not None and self._process.poll() is None

    def keep(self, now_s: float) -> None:
        """Start it, or start it again once its pause is over."""
        if self.alive:
            if now_s - self._started_at_s > WELL_AFTER_S:
                self._pause_s, self.n_restarts = FIRST_PAUSE_S, 0
            return
        if self._process is not None:
            _log.error("%s ended with code %d; it is started again in %.0f s", self.name,
                       self._process.returncode, self._pause_s)
            self._process, self._not_before_s = None, now_s + self._pause_s
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
            self.n_restarts += 1
        if now_s >= self._not_before_s:
            self._started_at_s = now_s
            self._process = subprocess.Popen(  # noqa: S603
                [*_dying_with_parent(), *self.command], env=dict(self.environment),
                start_new_session=True)
            _log.info("%s runs as process %d", self.name, self._process.pid)

    def stop(self) -> None:
        """Ask it to end, wait, and kill it and its descendants if it does not."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        asked_s = idle_since_s = time.monotonic()
        while self._process.poll() is None:
            now_s = time.monotonic()
            idle_since_s = now_s if self.busy() else idle_since_s
            if now_s - asked_s > self.stop_timeout_s or now_s - idle_since_s > self.idle_timeout_s:
                _log.error("%s has not ended after %.0f s and is killed", self.name,
                           now_s - asked_s)
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
                return
            time.sleep(_LOOK_EVERY_S)


class TooManyRestartsError(Exception):
    """A child does not stay alive."""


def supervise(children: Sequence[Child], *, stopping: Callable[[], bool],
              beat: Callable[[], None], beat_every_s: float = 30.0, most_restarts: int = 20,
              sleep: Callable[[float], None] = time.sleep) -> None:
    """Keep the children running, each after the one before it is ready, until `stopping`.

    They are stopped in the opposite order.

    Raises
    ------
    TooManyRestartsError
        A child ended more than `most_restarts` times without having lived well in between.
    """
    next_beat_s = 0.0
    try:
        while not stopping():
            now_s = time.monotonic()
            for child in children:
                child.keep(now_s)
                if child.n_restarts > most_restarts:
                    raise TooManyRestartsError(child.name)
                if not (child.alive and child.ready()):
                    break
            if now_s >= next_beat_s:
                beat()
                next_beat_s = now_s + beat_every_s
            sleep(0.5)
    finally:
        for child in reversed(children):
            child.stop()


def _dying_with_parent() -> list[str]:
    """Prefix of a command that has the kernel end it if the supervisor is killed (util-linux)."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
