"""Whether this machine and its accounts can do the work; data only, nothing is shown here."""

import base64
import datetime
import json
import shutil
import stat
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Final, Literal, Protocol

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from dwlim_ops.errors import SourceError
from dwlim_ops.sources.endpoints import NEED_CREDENTIALS
from dwlim_ops.sources.http import Endpoint

State = Literal["ok", "warning", "failed"]
_WARN_BEFORE_EXPIRY: Final = datetime.timedelta(days=7)
_CLOCK_WARNS: Final = datetime.timedelta(minutes=5)
_CLOCK_FAILS: Final = datetime.timedelta(hours=1)
_PATIENCE_S: Final = 8.0


@dataclass(frozen=True)
class Check:
    """One finding.

    Parameters
    ----------
    name : str
        What was looked at, such as "credentials of cds".
    state : {"ok", "warning", "failed"}
        `warning`: works today; `failed`: a product will be weaker or absent.
    found : str
        What was seen; never a secret.
    remedy : str
        What the operator can do; empty if all is well.
    """

    name: str
    state: State
    found: str
    remedy: str = ""


class Probe(Protocol):
    """What asks a host for its time: `Client` of `sources.http`."""

    def server_date(self) -> datetime.datetime | None:
        """Time by the clock of the server; raises `SourceError` without an answer."""
        ...

    def close(self) -> None:
        """Let go of the connections."""
        ...


def checks(
    *, now: datetime.datetime, newest: datetime.datetime | None,
    endpoints: Mapping[str, Sequence[Endpoint]], open_client: Callable[[Endpoint], Probe],
    workspace: Path, folders: Iterable[Path], needed_bytes: int, secret_files: Iterable[Path],
    requirements: Iterable[str], needs_python: str = ">=3.11",
    installed: Callable[[str], str] = metadata.version,
) -> list[Check]:
    """Every check, in a fixed order.

    Parameters
    ----------
    now : datetime.datetime
        Aware time by the clock of this machine.
    newest : datetime.datetime or None
        Aware, the newest time that the ledger knows; None if it is empty.
    endpoints : mapping of str to sequence of Endpoint
        The services that the region uses, each with its addresses.
    open_client : callable
        Makes the client of an endpoint.
    workspace : pathlib.Path
        Its disk must have `needed_bytes` free.
    folders : iterable of pathlib.Path
        In which files have to be written: state, store, published tree.
    secret_files : iterable of pathlib.Path
        Such as `~/.netrc`; those that are there must have mode 600.
    requirements : iterable of str
        As `importlib.metadata.requires` gives them; those with a cap are compared.
    installed : callable
        Version of a package; raises `PackageNotFoundError`.
    """
    reached, dates = _reached(endpoints, open_client)
    return [
        *(check_credentials(name, group, now=now) for name, group in endpoints.items()),
        *reached,
        *([check_clock(now, dates)] if endpoints else []),
        check_ledger_time(now, newest),
        check_disk(workspace, needed_bytes=needed_bytes),
        *(check_private(path) for path in secret_files),
        *(check_writable(path) for path in folders),
        check_python(needs_python),
        *check_versions(requirements, installed),
    ]


def check_credentials(name: str, group: Sequence[Endpoint], *, now: datetime.datetime) -> Check:
    """Whether a service that wants credentials has some, and for how long."""
    title = f"credentials of {name}"
    needed = name in NEED_CREDENTIALS
    if any(e.auth == "none" for e in group) and needed:
        return Check(title, "failed", "none", "set the token in the environment, or put user and "
                                              "password of the login host into netrc")
    held = next((e for e in group if e.auth != "none"), None)
    if held is None:
        return Check(title, "ok", "none needed")
    expiry = token_expiry(held.token) if held.token else None
    if expiry is None:
        return Check(title, "ok", f"{held.auth}, without a date of expiry")
    found = f"{held.auth} token, valid until {expiry:%Y-%m-%d %H:%M} UTC"
    if expiry <= now:
        return Check(title, "failed", found, "make a new token")
    if expiry - now <= _WARN_BEFORE_EXPIRY:
        return Check(title, "warning", found, "make a new token in time")
    return Check(title, "ok", found)


def check_clock(now: datetime.datetime, dates: Iterable[datetime.datetime]) -> Check:
    """The clock of this machine against the median of those of the servers."""
    offsets_s = [(now - date).total_seconds() for date in dates]
    if not offsets_s:
        return Check("clock", "warning", "no server told its time", "see which hosts are reached")
    offset = datetime.timedelta(seconds=statistics.median(offsets_s))
    side = "behind" if offset < datetime.timedelta(0) else "ahead of"
    found = f"{abs(offset).total_seconds():.0f} s {side} the servers"
    if abs(offset) > _CLOCK_FAILS:
        return Check("clock", "failed", found, "set the clock; switch time synchronisation on")
    if abs(offset) > _CLOCK_WARNS:
        return Check("clock", "warning", found, "switch time synchronisation on")
    return Check("clock", "ok", found)


def check_ledger_time(now: datetime.datetime, newest: datetime.datetime | None) -> Check:
    """Whether the clock has gone back since the ledger was last written."""
    title = "clock against the ledger"
    if newest is None or newest <= now:
        return Check(title, "ok", "nothing in the ledger is of the future")
    state: State = "failed" if newest - now > _CLOCK_WARNS else "warning"
    return Check(title, state, f"the ledger knows {newest:%Y-%m-%d %H:%M:%S} UTC, "
                               f"{(newest - now).total_seconds():.0f} s ahead of the clock",
                 "set the clock; ticks as of an earlier time do not see the newest inputs")


def check_disk(folder: Path, *, needed_bytes: int) -> Check:
    """Whether the disk of `folder` has room; warns below twice the need."""
    there = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    free = shutil.disk_usage(there).free
    found = f"{free / 2**30:.1f} GiB free, {needed_bytes / 2**30:.1f} GiB needed"
    state: State = ("failed" if free < needed_bytes
                    else "warning" if free < 2 * needed_bytes else "ok")
    return Check("disk", state, found, "" if state == "ok" else "make room, or move the workspace")


def check_private(path: Path) -> Check:
    """Whether a file of secrets can be opened by its owner alone."""
    title = f"permissions of {path}"
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return Check(title, "ok", "not there")
    except OSError as error:
        return Check(title, "failed", error.strerror or "cannot be looked at", "correct its owner")
    if mode & 0o077:
        return Check(title, "failed", f"mode {mode:o}: others can open it", f"chmod 600 {path}")
    return Check(title, "ok", f"mode {mode:o}")


def check_writable(folder: Path) -> Check:
    """Whether a file can be made in `folder`, or in the nearest folder above that is there."""
    title = f"writing to {folder}"
    there = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        return Check(title, "failed", error.strerror or "refused",
                     "correct owner and mode of the folder, or mount its disk for writing")
    return Check(title, "ok", "can be written" if there == folder.absolute() else "can be made")


def check_python(needs: str, version: tuple[int, ...] = sys.version_info[:3]) -> Check:
    """The version of Python against a specifier such as ">=3.11"."""
    found = ".".join(map(str, version))
    if SpecifierSet(needs).contains(found, prereleases=True):
        return Check("python", "ok", found)
    return Check("python", "failed", f"{found}, not {needs}", "install a newer Python")


def check_versions(
    requirements: Iterable[str], installed: Callable[[str], str]
) -> list[Check]:
    """Packages with an upper limit against what is installed."""
    found = []
    for text in requirements:
        wanted = Requirement(text)
        active = wanted.marker is None or wanted.marker.evaluate({"extra": ""})
        if active and any(s.operator in {"<", "<=", "==", "~="} for s in wanted.specifier):
            found.append(_version(wanted, installed))
    return found


def _version(wanted: Requirement, installed: Callable[[str], str]) -> Check:
    title, remedy = f"package {wanted.name}", f"pip install '{wanted.name}{wanted.specifier}'"
    try:
        version = installed(wanted.name)
    except metadata.PackageNotFoundError:
        return Check(title, "failed", "not installed", remedy)
    if wanted.specifier.contains(version, prereleases=True):
        return Check(title, "ok", version)
    return Check(title, "failed", f"{version}, not {wanted.specifier}", remedy)


def _reached(
    endpoints: Mapping[str, Sequence[Endpoint]], open_client: Callable[[Endpoint], Probe]
) -> tuple[list[Check], list[datetime.datetime]]:
    """A check per service, and the times that the servers told; all are asked at once."""
    flat = [(name, endpoint) for name, group in endpoints.items() for endpoint in group]
    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = list(pool.map(lambda pair: _ask(pair[1], open_client), flat))
    found = []
    for name, group in endpoints.items():
        mine = [a for (owner, _), a in zip(flat, answers, strict=True) if owner == name]
        down = [f"{e.host}: {a}" for e, a in zip(group, mine, strict=True) if isinstance(a, str)]
        state: State = "ok" if not down else "warning" if len(down) < len(group) else "failed"
        hosts = ", ".join(e.host for e in group)
        found.append(Check(f"reaching {name}", state, "; ".join(down) or hosts,
                           "" if state == "ok" else "look at network, proxy and name service; "
                                                    "the provider may be down or have moved"))
    return found, [a for a in answers if isinstance(a, datetime.datetime)]


def _ask(
    endpoint: Endpoint, open_client: Callable[[Endpoint], Probe]
) -> datetime.datetime | str | None:
    """The server's time, None if it does not tell, or why there was no answer."""
    hasty = replace(endpoint, connect_timeout_s=_PATIENCE_S, read_timeout_s=_PATIENCE_S,
                    deadline_s=_PATIENCE_S, attempts=1)
    client = open_client(hasty)
    try:
        return client.server_date()
    except SourceError as error:
        return error.got or error.what
    finally:
        client.close()


def token_expiry(token: str) -> datetime.datetime | None:
    """Claim `exp` of a JSON web token, unverified; None for any other token."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        padded = parts[1] + "=" * (-len(parts[1]) % 4)
        expires_s = json.loads(base64.urlsafe_b64decode(padded))["exp"]
        return datetime.datetime.fromtimestamp(float(expires_s), datetime.UTC)
    except (ValueError, TypeError, KeyError, OverflowError, OSError, RecursionError):
        return None
