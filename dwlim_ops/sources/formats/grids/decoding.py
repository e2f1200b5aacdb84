"""The process that decodes files for another one: `python -m ...grids.decoding DESCRIPTOR`.

It reads (function, content, where) from a socket and answers with what the function gives, the
error that it raises, or words for the failure of a library.
"""

import signal
import sys
from multiprocessing.connection import Connection
from typing import Final

import xarray as xr

from dwlim_ops.errors import DwlimError

_OF_LIBRARIES: Final = (ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError,
                        OSError, RuntimeError, TypeError, ValueError)


def serve(pipe: Connection) -> None:
    """Decode until the other side closes."""
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


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(Connection(int(sys.argv[1])))
