"""Decoding in a second process: a library that crashes or hangs on a damaged file harms no one.

Of 4,559 files with a few changed bytes, netCDF4 and ecCodes looped for ever on 6 and crashed on 2.
"""

import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Final

import xarray as xr

from dwlim_ops.errors import DwlimError, MalformedInputError, StoreError
from dwlim_ops.sources.formats.grids import decoding

Decoder = Callable[..., xr.Dataset]

LIMIT_S: Final = 300.0
_START_S: Final = 60.0
_REMEDY: Final = "get the file again; if it comes the same, tell the provider"


class IsolatedReader:
    """One child process that decodes files, started at the first file and after each mishap.

    It is a program of its own and not a child of `multiprocessing`, which would import the main
    module again: seconds for a command of Prefect's, and an endless loop for a plain script.

    Parameters
    ----------
    limit_s : float
        Longest time for one file.
    """

    def __init__(self, limit_s: float = LIMIT_S) -> None:
        self._limit_s = limit_s
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None

    def read(self, decode: Decoder, content: bytes, *, where: str) -> xr.Dataset:
        """`decode(content, where=where)`, called in the child; `decode` is a module's function.

        Raises
        ------
        MalformedInputError
            As `decode`; or it crashed, or took longer than the limit.
        StoreError
            The child does not start; nothing is said of the file.
        """
        with self._lock:
            pipe = self._ready()
            try:
                pipe.send((decode, content, where))
                if not pipe.poll(self._limit_s):
                    raise _undecodable("decoding does not end", where,
                                       f"no result after {self._limit_s:g} s")
                answer = pipe.recv()
            except (EOFError, OSError) as error:
                self._stop()
                raise _undecodable("decoding crashes", where, repr(error)) from error
            except BaseException:
                self._stop()
                raise
        if isinstance(answer, DwlimError):
            raise answer
        if not isinstance(answer, xr.Dataset):
            raise _undecodable("decoding fails", where, str(answer))
        return answer

    def close(self) -> None:
        """End the child."""
        with self._lock:
            self._stop()

    def _ready(self) -> Connection:
        if self._pipe is None or self._child is None or self._child.poll() is not None:
            self._stop()
            self._pipe, other = Pipe()
            try:
                with other:
                    self._child = subprocess.Popen(  # noqa: S603  a module of ours
                        [sys.executable, "-P", "-m", decoding.__name__, str(other.fileno())],
                        pass_fds=[other.fileno()], stdin=subprocess.DEVNULL,
                        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))})
                self._ends = weakref.finalize(self, _end, self._child)
                if not self._pipe.poll(_START_S):
                    raise TimeoutError(f"no answer after {_START_S:g} s")
                self._pipe.recv()
            except (EOFError, OSError) as error:
                self._stop()
                raise StoreError("the process that decodes files does not start",
                                 where=__name__, got=repr(error),
                                 remedy="look for what ended it: memory, limits on processes"
                                 ) from error
        return self._pipe

    def _stop(self) -> None:
        if self._pipe is not None:
            self._pipe.close()
        if self._child is not None:
            self._ends()
        self._pipe, self._child = None, None


def _end(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()


def _undecodable(what: str, where: str, got: str) -> MalformedInputError:
    return MalformedInputError(what, where=where, expected="a whole, undamaged file", got=got,
                               remedy=_REMEDY)
