"""Folder pages of the RAMADDA server: netCDF files and the identifiers of their entries."""

import json
import re
from html.parser import HTMLParser
from typing import Final
from urllib.parse import unquote

from dwlim_ops.errors import MalformedInputError

_UUID: Final = r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
_ENTRY: Final = re.compile(_UUID)
_FILE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,98}\.nc(?![A-Za-z0-9_])")
#: An identifier and the file name that follows it in the raw page, as in scripts and attributes.
_NEARBY: Final = re.compile(
    rf"({_UUID})(?:(?!{_UUID}).){{0,200}}?({_FILE.pattern})", re.DOTALL)
_MAX_BYTES: Final = 16 * 2**20


def parse_listing(content: bytes, *, where: str) -> dict[str, str]:
    """Identifier of every netCDF file that a folder page names.

    The page may be HTML (links whose address or text names the file, or an identifier shortly
    before a file name) or JSON (objects with `id` and `name`). The first mention counts.

    Raises
    ------
    MalformedInputError
        No file with an identifier: an error page, or another folder.
    """
    text = content[:_MAX_BYTES].decode("utf-8", "replace")
    found = _from_json(text) if text.lstrip()[:1] in ("[", "{") else _from_html(text)
    if not found:
        raise MalformedInputError(
            "no netCDF file in the folder page", where=where, got=repr(text.strip()[:60]),
            expected="files with entry identifiers", remedy="check the path of the folder")
    return found


def _from_json(text: str) -> dict[str, str]:
    try:
        waiting = [json.loads(text)]
    except (ValueError, RecursionError):
        return {}
    found: dict[str, str] = {}
    while waiting:
        item = waiting.pop()
        if isinstance(item, list):
            waiting += reversed(item)
        elif isinstance(item, dict):
            waiting += reversed(item.values())
            identifier = str(item.get("id", ""))
            names = [_FILE.fullmatch(str(value)) for value in item.values()]
            if _ENTRY.fullmatch(identifier):
                for name in filter(None, names):
                    found.setdefault(name[0], identifier)
    return found


def _from_html(text: str) -> dict[str, str]:
    links = _Links()
    links.feed(text)
    links.close()
    found = links.found
    for identifier, name in _NEARBY.findall(text):
        found.setdefault(name, identifier)
    return found


class _Links(HTMLParser):
    """Collects file name and identifier of each link."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self._identifier = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember the identifier of a link, and the file name in its address."""
        if tag != "a":
            return
        address = unquote(dict(attrs).get("href") or "")
        match = _ENTRY.search(address)
        self._identifier = match[0] if match else ""
        self._name(address.partition("?")[0].rpartition("/")[2])

    def handle_endtag(self, tag: str) -> None:
        """A link ends."""
        if tag == "a":
            self._identifier = ""

    def handle_data(self, data: str) -> None:
        """The text of a link may be the name of the file."""
        self._name(data.strip())

    def _name(self, text: str) -> None:
        if self._identifier and _FILE.fullmatch(text):
            self.found.setdefault(text, self._identifier)
