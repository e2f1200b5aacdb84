"""Which bundle a region serves: `<store>/<region>/current.toml`.

    bundle = "meemd-0123456789abcdef"       # what "current" means

    [bundles]                               # roles
    meemd = "meemd-0123456789abcdef"
    causal = "causal-fedcba9876543210"

    [[history]]                             # every change, newest last, the last 50
    bundle = "meemd-0123456789abcdef"       # in force from then on
    role = ""                               # empty for "current"
    previous = "meemd-00112233445566ff"     # empty: there was none
    rolled_back = false
    promoted_at = 2017-06-26T18:00:00Z      # absent if the caller did not say

A roll-back undoes the newest promotion that is not undone yet, so that two of them go back two
steps. It is recorded like a promotion; what it undid stays in the history.
"""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import tomli_w

from dwlim_ops.errors import BundleError
from dwlim_ops.simulate.bundle import MANIFEST, Bundle, read_bundle
from dwlim_ops.workspace import write_atomically

CURRENT: Final = "current"
POINTER: Final = "current.toml"
HISTORY_LENGTH: Final = 50

#: Refuses a bundle by raising BundleError, for instance because it does not fit a region's cells.
Accept = Callable[[Bundle], object]


@dataclass(frozen=True)
class Change:
    """One entry of the history; `role` is empty for "current", `previous` if there was none."""

    bundle: str
    role: str
    previous: str
    promoted_at: datetime | None = None
    rolled_back: bool = False


def resolve(store: Path, region: str, name: str) -> Path:
    """Folder of the bundle that `name` means: "current", a role, or an id.

    Raises
    ------
    BundleError
        No such name, or it points to a bundle that is not there; lists what exists.
    """
    there = existing(store / region)
    current, roles = pointer(store / region)
    bundle_id = current if name == CURRENT else roles.get(name, name)
    if bundle_id not in there:
        raise BundleError(
            "no such bundle", where=f"{store / region}: {name}",
            expected=f"'{CURRENT}', a role of {sorted(roles)} or an id of {there}",
            got=f"'{bundle_id}'" if bundle_id else f"no '{CURRENT}' in {POINTER}",
            remedy="train a bundle and promote it, or name one that exists",
        )
    return store / region / bundle_id


def promote(store: Path, region: str, bundle_id: str, *, role: str | None = None,
            at: datetime | None = None, accept: Accept | None = None) -> None:
    """Make a bundle the region's current one, or the one of a role, in one atomic step.

    The bundle is read and proven first. One that is in force already changes nothing.

    Parameters
    ----------
    role : str, optional
        Default: "current".
    at : datetime, optional
        Aware time of the promotion, for the history.
    accept : callable, optional
        Called with the bundle; raises BundleError to refuse it.

    Raises
    ------
    BundleError
        The bundle does not exist, does not read or is refused; the pointer is then unchanged.
    """
    if role == CURRENT:
        raise BundleError("reserved name", where=f"{store / region}: role", got=CURRENT,
                          expected="any other name", remedy="leave the role out")
    _prove(store / region, bundle_id, accept)
    in_force = _in_force(store / region, role)
    if bundle_id != in_force:
        _put_in_force(store / region, Change(bundle_id, role or "", in_force, at))


def roll_back(store: Path, region: str, *, role: str | None = None, at: datetime,
              accept: Accept | None = None) -> str:
    """Undo the newest promotion that is not undone yet; returns the id that is now in force.

    Parameters
    ----------
    role, at, accept
        As for `promote`.

    Raises
    ------
    BundleError
        Nothing to go back to, or the earlier bundle is gone, damaged or refused; the pointer is
        then unchanged.
    """
    folder = store / region
    changes = [change for change in history(folder) if change.role == (role or "")]
    in_force, earlier = _in_force(folder, role), _not_undone(changes)
    where = f"{folder / POINTER}: {role or CURRENT}"
    by_id = f"promote by id, one of {existing(folder)}"
    if changes and changes[-1].bundle != in_force:
        raise BundleError("the history does not lead to the bundle in force", where=where,
                          expected=changes[-1].bundle, got=in_force or "none", remedy=by_id)
    if not earlier or not earlier[-1]:
        raise BundleError("nothing to go back to", where=where, remedy=by_id,
                          expected="an earlier promotion in the history",
                          got=f"{len(changes)} changes, none with an earlier bundle left")
    _prove(folder, earlier[-1], accept)
    _put_in_force(folder, Change(earlier[-1], role or "", in_force, at, rolled_back=True))
    return earlier[-1]


def history(folder: Path) -> tuple[Change, ...]:
    """Every recorded change of a region's pointer, newest last; empty in a file without them.

    Raises
    ------
    BundleError
        The pointer is not readable.
    """
    try:
        return tuple(Change(**entry) for entry in _content(folder).get("history", []))
    except TypeError as error:
        raise _unreadable(folder, error) from error


def _not_undone(changes: list[Change]) -> list[str]:
    """What was in force before each promotion that no roll-back has undone, oldest first."""
    before: list[str] = []
    for change in changes:
        if change.rolled_back:
            del before[-1:]
        else:
            before.append(change.previous)
    return before


def _prove(folder: Path, bundle_id: str, accept: Accept | None) -> None:
    if bundle_id not in existing(folder):
        raise BundleError("no such bundle", where=str(folder), got=bundle_id,
                          expected=f"an id of {existing(folder)}",
                          remedy="copy it into the store, or name one that exists")
    bundle = read_bundle(folder / bundle_id)
    if accept is not None:
        accept(bundle)


def _in_force(folder: Path, role: str | None) -> str:
    current, roles = pointer(folder)
    return current if role is None else roles.get(role, "")


def _put_in_force(folder: Path, change: Change) -> None:
    current, roles = pointer(folder)
    if change.role:
        roles = {**roles, change.role: change.bundle}
    else:
        current = change.bundle
    changes = (*history(folder), change)[-HISTORY_LENGTH:]
    content = {**({"bundle": current} if current else {}), "bundles": dict(sorted(roles.items())),
               "history": [_entry(one) for one in changes]}
    write_atomically(folder / POINTER, tomli_w.dumps(content).encode())


def _entry(change: Change) -> dict[str, Any]:
    entry = {name: value for name, value in vars(change).items() if value is not None}
    if change.promoted_at is not None:
        if change.promoted_at.tzinfo is None:
            raise ValueError(f"promoted_at: expected an aware time, got {change.promoted_at}")
        entry["promoted_at"] = change.promoted_at.astimezone(UTC).replace(microsecond=0)
    return entry


def existing(folder: Path) -> list[str]:
    """Ids of the bundles in a region's folder."""
    return sorted(path.parent.name for path in folder.glob(f"[!.]*/{MANIFEST}"))


def pointer(folder: Path) -> tuple[str, dict[str, str]]:
    """The current bundle, empty if there is none, and the bundle of each role.

    Raises
    ------
    BundleError
        The pointer is not readable.
    """
    content = _content(folder)
    try:
        return str(content.get("bundle", "")), dict(content.get("bundles", {}))
    except (ValueError, TypeError) as error:
        raise _unreadable(folder, error) from error


def _content(folder: Path) -> dict[str, Any]:
    path = folder / POINTER
    if not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise _unreadable(folder, error) from error


def _unreadable(folder: Path, error: Exception) -> BundleError:
    return BundleError("pointer is not readable", where=str(folder / POINTER), got=repr(error),
                       expected='bundle = "ID", a table [bundles] of roles, a list [[history]]',
                       remedy="mend the file, or delete it and promote again")
