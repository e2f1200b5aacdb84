"""Received bytes to text that a parser may trust: whole, not binary, not a web page."""

import gzip
import io
import zlib

from dwlim_ops.errors import MalformedInputError

MAX_TEXT_BYTES = 256 * 2**20
NUMBER = rb"[+-]?+(?:\d++(?:\.\d*+)?+|\.\d++)(?:[eE][+-]?+\d{1,3}+)?+"
NUMBER_OR_NAN = rb"(?:(?i:nan)|" + NUMBER + rb")"


def open_text(content: bytes, *, where: str) -> bytes:
    r"""Decompressed ASCII text with `\n` line ends and a final newline.

    Parameters
    ----------
    content : bytes
        Plain or gzip-compressed text, as received.
    where : str
        Name of the file, for messages.

    Raises
    ------
    MalformedInputError
        Empty, damaged or oversized, binary, a web page, or cut off within its last line.
    """
    if not content:
        raise _unusable("file is empty", where, "0 bytes")
    text = _decompress(content, where) if content.startswith(b"\x1f\x8b") else content
    text = text.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    if not text.strip():
        raise _unusable("file is empty", where, "white space only")
    if text.lstrip()[:1] == b"<":
        raise _unusable("a web page or XML instead of the table", where, repr(text.lstrip()[:40]))
    if not text.isascii() or b"\0" in text:
        raise _unusable("not a text file", where, f"starts with {text[:16]!r}")
    if not text.endswith(b"\n"):
        _refuse_cut_line(text, where)
        text += b"\n"
    return text


def line_numbers(text: bytes) -> list[int]:
    """Line number (from 1) of every line that is not blank."""
    return [n for n, line in enumerate(text.split(b"\n"), start=1) if line.strip()]


def shown(line: bytes) -> str:
    """A line as it may stand in a message."""
    return repr(line[:60].decode("ascii", "backslashreplace"))


def _decompress(content: bytes, where: str) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
            text = stream.read(MAX_TEXT_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise _unusable("gzip file is truncated or damaged", where, str(error)) from error
    if len(text) > MAX_TEXT_BYTES:
        raise _unusable("file is too large", where, f"more than {MAX_TEXT_BYTES} bytes")
    return text


def _refuse_cut_line(text: bytes, where: str) -> None:
    """A last number without line end counts only with all the decimals of the line before."""
    fractions = [_fraction(line) for line in text.split(b"\n")[-2:]]
    if len(fractions) < 2 or not fractions[1] or len(fractions[1]) < len(fractions[0]):
        raise _unusable("cut off within its last line", where, shown(text[-60:]))


def _fraction(line: bytes) -> bytes:
    return line.rstrip().replace(b",", b" ").rpartition(b" ")[2].partition(b".")[2]


def _unusable(what: str, where: str, got: str) -> MalformedInputError:
    return MalformedInputError(
        what, where=where, expected="a complete text table, each line ended, plain or gzip",
        got=got, remedy="get the file again; if it was written by hand, end its last line",
    )
