"""How Prefect runs here: inside the workspace, on loopback, without a word to the internet."""

import ctypes
import os
from pathlib import Path
from typing import Final

#: Of glibc's malloc.h: from so many bytes on a block goes back to the system when it is freed; and
#: how many arenas there are.
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
_BLOCK_BYTES: Final = 2**20


def configure_prefect(workspace: Path) -> None:
    """Set Prefect's environment; must run before prefect is imported.

    A server that is already configured (PREFECT_API_URL) is used; otherwise one is started for as
    long as the process lives, its database in the workspace. Values already set are kept.
    """
    defaults = {
        "PREFECT_HOME": str((workspace / "state" / "prefect").resolve()),
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "PREFECT_LOGGING_SERVER_LEVEL": "ERROR",
        "PREFECT_CLI_PROMPT": "false",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)


def single_threaded() -> None:
    """One thread for linear algebra and torch: results do not depend on the number of cores, and
    BLAS does not spin against the compiled kernels, which use every core themselves.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    import scipy.linalg  # noqa: F401  brings a BLAS of its own, which the limit must find loaded
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)


def give_memory_back() -> None:
    """Freed memory goes back to the system, or is used again by whichever thread comes next.

    By itself glibc raises the size from which a freed array goes back with every array that is
    freed, up to 32 MiB; what is smaller stays in a heap that small objects keep from shrinking. And
    it gives threads heaps of their own, up to eight for each processor, where what one of them left
    is of no use to another. A process that ticks for months would hold ever more of both. Other C
    libraries are left as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _BLOCK_BYTES)
        mallopt(_M_ARENA_MAX, 1)
