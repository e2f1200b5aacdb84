"""How Prefect runs here: inside the workspace, on loopback, without a word to the internet."""

import ctypes
import os
from pathlib import Path
from typing import Final

#: Of glibc's malloc.h; a block from so many bytes on is given back to the system when it is freed.
_M_MMAP_THRESHOLD: Final = -3
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
    """Freed arrays go back to the system at once.

    By itself glibc raises the size from which they do so with every array that is freed, up to
    32 MiB; what is smaller stays in a heap that small objects keep from shrinking, and a process
    that ticks for months would hold ever more of it. Other C libraries are left as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _BLOCK_BYTES)
