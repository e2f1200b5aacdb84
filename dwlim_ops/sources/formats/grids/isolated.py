"""Decoding in a second process: a library that crashes or hangs on a damaged file harms no one.

Of 4,559 files with a few changed bytes, netCDF4 and ecCodes looped for ever on 6 and crashed on 2.
"""

import multiprocessing
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Final

import xarray as xr

from dwlim_ops.errors import DwlimError, MalformedInputError, StoreError

Decoder = Callable[..., xr.Dataset]

LIMIT_S: Final = 300.0
_START_S: Final = 60.0
_OF_LIBRARIES: Final = (ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError,
                        OSError, RuntimeError, TypeError, ValueError)
_REMEDY: Final = "get the file again; if it comes the same, tell the provider"


class IsolatedReader:
    """One child process that decodes files, started at the first file and after each mishap.

    Parameters
    ----------
    limit_s : float
        Longest time for one file.
    """

    def __init__(self, limit_s: float = LIMIT_S) -> None:
        self._limit_s = limit_s
        self._lock = threading.Lock()
        self._child: BaseProcess | None = None
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
        if self._pipe is None or self._child is None or not self._child.is_alive():
            self._stop()
            context = multiprocessing.get_context("spawn")
            self._pipe, other = context.Pipe()
            self._child = context.Process(target=_serve, args=(other,), daemon=True)
            self._child.start()
            other.close()
            try:
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
            self._child.kill()
            self._child.join()
        self._pipe, self._child = None, None


def _serve(pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipe.send("ready")
    while True:
        try:
            decode, content, where = pipe.recv()
        except EOFError:
            return
        try:
            answer: xr.Dataset | DwlimError | str = decode(content, where=where)
        except DwlimError as error:
            answer = error
        except _OF_LIBRARIES as error:
            answer = repr(error)[:300]
        pipe.send(answer)


def _undecodable(what: str, where: str, got: str) -> MalformedInputError:
    return MalformedInputError(what, where=where, expected="a whole, undamaged file", got=got,
                               remedy=_REMEDY)
