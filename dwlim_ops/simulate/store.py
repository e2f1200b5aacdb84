"""Which bundle a region serves: `<store>/<region>/current.toml`.

    bundle = "meemd-0123456789abcdef"       # what "current" means

    [bundles]                               # roles
    meemd = "meemd-0123456789abcdef"
    causal = "causal-fedcba9876543210"
"""

import tomllib
from pathlib import Path
from typing import Final

import tomli_w

from dwlim_ops.errors import BundleError
from dwlim_ops.simulate.bundle import MANIFEST, read_bundle
from dwlim_ops.workspace import write_atomically

CURRENT: Final = "current"
POINTER: Final = "current.toml"


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


def promote(store: Path, region: str, bundle_id: str, *, role: str | None = None) -> None:
    """Make a bundle the region's current one, or the one of a role, in one atomic step.

    The bundle is read and proven first. Promoting an earlier id rolls back.

    Raises
    ------
    BundleError
        The bundle does not exist or does not read; the pointer is then unchanged.
    """
    if role == CURRENT:
        raise BundleError("reserved name", where=f"{store / region}: role", got=CURRENT,
                          expected="any other name", remedy="leave the role out")
    if bundle_id not in existing(store / region):
        raise BundleError("no such bundle", where=str(store / region), got=bundle_id,
                          expected=f"an id of {existing(store / region)}")
    read_bundle(store / region / bundle_id)
    current, roles = pointer(store / region)
    if role is None:
        current = bundle_id
    else:
        roles = {**roles, role: bundle_id}
    content = {**({"bundle": current} if current else {}), "bundles": dict(sorted(roles.items()))}
    write_atomically(store / region / POINTER, tomli_w.dumps(content).encode())


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
    path = folder / POINTER
    if not path.exists():
        return "", {}
    try:
        content = tomllib.loads(path.read_text())
        return str(content.get("bundle", "")), dict(content.get("bundles", {}))
    except (OSError, ValueError, TypeError) as error:
        raise BundleError("pointer is not readable", where=str(path), got=repr(error),
                          expected='bundle = "ID" and a table [bundles] of roles',
                          remedy="mend the file, or delete it and promote again") from error
