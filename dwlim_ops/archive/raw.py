"""The raw store: every granule as received, named by the SHA-256 of its content, immutable."""

import gzip
import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path

from dwlim_ops.errors import StoreError
from dwlim_ops.workspace import write_atomically


@dataclass(frozen=True)
class RawStore:
    """Content-addressed files under `folder`, gzip-compressed."""

    folder: Path

    def _path(self, sha256: str) -> Path:
        return self.folder / sha256[:2] / f"{sha256}.gz"

    def put(self, content: bytes) -> str:
        """Store `content`, return its SHA-256. Storing the same content again does nothing,
        unless the stored copy is damaged: then it is replaced.
        """
        sha256 = hashlib.sha256(content).hexdigest()
        path = self._path(sha256)
        if not self._holds(sha256):
            try:
                write_atomically(path, gzip.compress(content, compresslevel=6, mtime=0))
            except OSError as error:
                raise StoreError(
                    "a granule cannot be stored", where=str(path), got=str(error),
                    remedy="check free space and permissions of the workspace",
                ) from error
        return sha256

    def _holds(self, sha256: str) -> bool:
        if not self._path(sha256).exists():
            return False
        try:
            self.get(sha256)
        except StoreError:
            return False
        return True

    def get(self, sha256: str) -> bytes:
        """Content of that SHA-256, verified.

        Raises
        ------
        StoreError
            The file is missing or does not hold what its name says.
        """
        path = self._path(sha256)
        try:
            content = gzip.decompress(path.read_bytes())
        except (OSError, EOFError, zlib.error) as error:
            raise StoreError(
                "a stored granule cannot be read", where=str(path), got=repr(error),
                remedy="restore the store from backup, or delete the file and fetch again",
            ) from error
        found = hashlib.sha256(content).hexdigest()
        if found != sha256:
            raise StoreError(
                "a stored granule is damaged", where=str(path), expected=sha256, got=found,
                remedy="restore the store from backup, or delete the file and fetch again",
            )
        return content

    def remove(self, sha256: str) -> None:
        """Remove a content for good; nothing happens if it is not there."""
        self._path(sha256).unlink(missing_ok=True)
