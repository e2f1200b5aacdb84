"""Fingerprints: one SHA-256 for anything that a product depends on."""

import hashlib
import json
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np


def fingerprint(*parts: Any) -> str:
    """SHA-256 over arrays (type, shape, bytes) and JSON-able values, in order.

    >>> fingerprint("a", 1) == fingerprint("a", 1), fingerprint("a", 1) == fingerprint("a", 2)
    (True, False)
    """
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            values = np.ascontiguousarray(part.astype(str) if part.dtype.kind in "OUM" else part)
            digest.update(f"{values.dtype.str}{values.shape}".encode())
            digest.update(values.tobytes())
        else:
            digest.update(json.dumps(part, sort_keys=True, default=str).encode())
        digest.update(b"\0")
    return digest.hexdigest()


@cache
def code_fingerprint() -> str:
    """SHA-256 over the package's Python sources: a product names the code that made it."""
    digest = hashlib.sha256()
    root = Path(str(resources.files("dwlim_ops")))
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
