"""Results that can be computed again, kept on disk: deletable at any time, never trusted."""

import hashlib
import io
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.workspace import write_atomically

_log = logging.getLogger(__name__)
_DIGEST_BYTES = 32


@dataclass(frozen=True)
class Cache:
    """Arrays under the fingerprint of everything that they were computed from."""

    folder: Path

    def get(self, key: str) -> dict[str, NDArray[Any]] | None:
        """What was kept; None if nothing was, or if the file does not hold what was written."""
        path = self._path(key)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        digest, arrays = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        if hashlib.sha256(arrays).digest() != digest:
            _log.warning("%s is damaged and is computed again", path)
            return None
        with np.load(io.BytesIO(arrays), allow_pickle=False) as kept:
            return {name: kept[name] for name in kept.files}

    def put(self, key: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep the arrays. A cache that cannot be written is no failure: it is said and passed."""
        stream = io.BytesIO()
        np.savez(stream, allow_pickle=False, **dict(arrays))
        content = stream.getvalue()
        try:
            write_atomically(self._path(key), hashlib.sha256(content).digest() + content,
                             durable=False)
        except OSError as error:
            _log.warning("the cache cannot be written: %s", error)

    def keep_newest(self, number: int) -> None:
        """Delete all but the entries written last."""
        try:
            files = sorted((path for path in self.folder.glob("??/*") if path.is_file()),
                           key=lambda path: (path.stat().st_mtime_ns, path.name))
            for path in files[:-number]:
                path.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("the cache cannot be pruned: %s", error)

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / key
