"""The one file that we want from a downloaded zip."""

import io
import struct
import zipfile
import zlib
from typing import Final

from dwlim_ops.errors import MalformedInputError

_METHODS: Final = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
#: What `zipfile` raises; RuntimeError for an unknown version or a password.
_DAMAGE: Final = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, OSError,
                  RuntimeError)
_MOST_MEMBERS: Final = 10_000
_ENCRYPTED: Final = 0x1


def safe_zip_member(
    content: bytes, *, endings: tuple[str, ...], max_bytes: int
) -> tuple[str, bytes]:
    """Name and content of the one member whose name ends in one of `endings`.

    Parameters
    ----------
    content : bytes
        The zip file as received; nothing of it is written to disk.
    endings : tuple of str
        Such as (".nc", ".grib"); case does not matter.
    max_bytes : int
        Largest content after decompression.

    Raises
    ------
    MalformedInputError
        Not a whole zip file; a name that leads out of its folder; no such member, or several;
        encrypted, damaged, or larger than `max_bytes`.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            member = _the_one(archive.infolist(), endings)
            with archive.open(member) as stream:
                found = stream.read(max_bytes + 1)
    except _DAMAGE as error:
        raise _unusable("zip file is damaged", got=str(error)[:200]) from error
    if len(found) > max_bytes:
        raise _unusable("member of the zip file is too large", got=f"more than {max_bytes} bytes")
    return member.filename, found


def _the_one(members: list[zipfile.ZipInfo], endings: tuple[str, ...]) -> zipfile.ZipInfo:
    if len(members) > _MOST_MEMBERS:
        raise _unusable("zip file has too many members", got=str(len(members)))
    for member in members:
        if _leads_out(member.filename):
            raise _unusable("zip file names a path outside its folder",
                            got=repr(member.filename[:80]))
    lowered = tuple(ending.lower() for ending in endings)
    found = [m for m in members if m.filename.lower().endswith(lowered) and not m.is_dir()]
    if len(found) != 1:
        names = ", ".join(repr(m.filename[:60]) for m in members[:5])
        raise _unusable(f"{len(found)} members end in {' or '.join(endings)}", got=names)
    if found[0].compress_type not in _METHODS or found[0].flag_bits & _ENCRYPTED:
        raise _unusable("member is encrypted or compressed in an unusual way",
                        got=f"method {found[0].compress_type}")
    return found[0]


def _leads_out(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in name


def _unusable(what: str, *, got: str) -> MalformedInputError:
    return MalformedInputError(what, where="downloaded zip", expected="one harmless member",
                               got=got, remedy="get the file again")
