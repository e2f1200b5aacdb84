"""What is measured after each tick: sizes on the disk, rows of the ledger."""

import os
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from dwlim_ops.workspace import TEMPORARY, Workspace


def measured(workspace: Workspace) -> dict[str, Any]:
    """Bytes and files of every part of a workspace, rows of its ledger."""
    n_bytes, n_files = sizes(workspace.root)
    return {"bytes": n_bytes, "files": n_files, "rows": rows(workspace.state / "ledger.db")}


def part_of(inside: str) -> str:
    """The part of a workspace that a path in it belongs to.

    >>> part_of("published/daily/2026/11/a.nc"), part_of("store/raw/ab"), part_of("state/x.db")
    ('published/daily', 'store/raw', 'state')
    """
    top, *rest = inside.split("/")
    if top in ("published", "store") and rest:
        return f"{top}/{rest[0]}" if len(rest) > 1 else f"{top}/(files)"
    return top if rest else "(files)"


def sizes(root: Path) -> tuple[dict[str, int], dict[str, int]]:
    """Bytes and number of files, by part."""
    n_bytes, n_files = Counter(), Counter()
    for place, _, names in os.walk(root):
        for name in names:
            path = Path(place) / name
            part = part_of(path.relative_to(root).as_posix())
            try:
                n_bytes[part] += path.lstat().st_size
            except FileNotFoundError:
                continue
            n_files[part] += 1
    return dict(n_bytes), dict(n_files)


def rows(ledger: Path) -> dict[str, int]:
    """Number of rows of each table."""
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as connection:
        there = {name for (name,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'")}
        return {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]  # noqa: S608
                for name in sorted(there) if not name.startswith(("sqlite", "alembic"))}


def old_leftovers(root: Path, before_s: float) -> list[str]:
    """Half-written files that are older than a moment of the machine's clock."""
    found = []
    for place, _, names in os.walk(root):
        for name in names:
            if name.startswith(".") and name.endswith(TEMPORARY):
                path = Path(place) / name
                if path.lstat().st_mtime < before_s:
                    found.append(path.relative_to(root).as_posix())
    return found
