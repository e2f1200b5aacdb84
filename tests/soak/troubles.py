"""Makes the incidents of a day happen: to the replicas, to the receiver, to our own files."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from dwlim_ops.workspace import Workspace
from tests.replicas.internet import Internet
from tests.replicas.server import UNRESOLVABLE_URL
from tests.soak.receiver import Receiver
from tests.soak.schedule import TOKEN_DAYS, Incident, Ours, Outage

#: Sizes in bytes beyond which a write fails on a full disk.
FULL_AT: Final = (0, 4096, 65536, 2**20)
STALL_S: Final = 4.0
#: Secrets travel by https only.
NOWHERE: Final = UNRESOLVABLE_URL.replace("http:", "https:")
_RUBBISH: Final = {
    "inbox/gnss/zzzz.up": b"\x00\xff" * 2000, "inbox/gnss/s000.up": b"20261106 nonsense\n",
    "inbox/weather/2027.csv": b"date,site\n;;;;\n", "inbox/README": b"<html>login</html>",
    "store/raw/.x.part": b"half", "published/daily/.y.nc.part": b"half"}
_SOURCES: Final = {
    "ngl": ("gnss", "steps"), "cds": ("weather",), "earthdata": ("weather", "grace"),
    "earthdata_login": ("weather", "grace"), "opendap": ("weather",), "cmr": ("weather", "grace"),
    "podaac": ("grace",), "csr": ("grace",), "ecmwf_open": ("weather", "wide_pressure"),
    "esmgfz": ("loading",), "esmgfz_second": ("loading",)}


def sources_of(incident: Incident) -> tuple[str, ...]:
    """Inputs of the product that an incident hinders; a wrong clock makes any file one of the
    future."""
    if incident.kind is Ours.CLOCK_BACK:
        return tuple({source for of_service in _SOURCES.values() for source in of_service})
    return _SOURCES.get(incident.target, ())


def on_services(net: Internet, active: Sequence[Incident]) -> None:
    """Every replica as the incidents of the day have it, whatever it was before."""
    stopped = {one.target for one in active if one.kind is Outage.STOPPED}
    for name, replica in net.replicas.items():
        replica.fault = None
        replica.stall_s = STALL_S
        for one in active:
            if one.target == name and not isinstance(one.kind, Outage | Ours):
                net.inject(name, one.kind)
        if name in stopped and replica.is_running:
            replica.stop()
        elif name not in stopped and name != "earthdata_login" and not replica.is_running:
            replica.start()
        replica.forget_requests()
    net.cds.polls_until_done = 0


def on_receiver(receiver: Receiver, active: Iterable[Incident]) -> None:
    """The receiver as the incidents of the day have it."""
    kinds = {one.kind for one in active}
    receiver.mood = ("mute" if Ours.RECEIVER_MUTE in kinds
                     else "errors" if Ours.RECEIVER_ERRORS in kinds else "good")
    receiver.stop() if Ours.RECEIVER_DOWN in kinds else receiver.start()


def environment_of(usual: dict[str, str], active: Iterable[Incident], token: str) -> dict[str, str]:
    """Addresses as they are today."""
    lost = {f"DWLIM_{one.target.upper()}_BASE_URL": NOWHERE for one in active
            if one.kind is Outage.UNRESOLVABLE}
    return usual | lost | {"EARTHDATA_TOKEN": token}


def token_of(net: Internet, day: int, active: Iterable[Incident]) -> str:
    """The Earthdata token that whoever keeps the secrets has put in place by today.

    The first is good for 60 days; a new one comes a week before the old one ends, or late.
    """
    late = any(one.kind is Ours.TOKEN_LATE for one in active)
    if day < TOKEN_DAYS or late:
        return net.earthdata.token
    since = day - (day - TOKEN_DAYS) % (TOKEN_DAYS - 7)
    begun = net.world.now - timedelta(days=day - since)
    return net.earthdata.issue_token(begun + timedelta(days=TOKEN_DAYS))


def on_our_files(workspace: Workspace, active: Iterable[Incident], random: np.random.Generator
                 ) -> None:
    """Rubbish and damage in the workspace."""
    kinds = {one.kind for one in active}
    if Ours.INBOX_RUBBISH in kinds:
        for name, content in _RUBBISH.items():
            (workspace.root / name).parent.mkdir(parents=True, exist_ok=True)
            (workspace.root / name).write_bytes(content)
    if Ours.CACHE_DAMAGED in kinds:
        files = sorted(path for path in workspace.cache.rglob("*") if path.is_file())
        for path in _drawn(random, files, 2):
            path.write_bytes(path.read_bytes()[:-7])
        for path in _drawn(random, files, 1):
            path.unlink()


def _drawn(random: np.random.Generator, files: Sequence[Path], number: int) -> list[Path]:
    return [files[place] for place in random.permutation(len(files))[:number]]


def order_of(now: Any, active: Iterable[Incident], random: np.random.Generator) -> dict[str, Any]:
    """What the worker is told: the time on its clock, and how large its files may be."""
    kinds = {one.kind for one in active}
    back = timedelta(0)
    if Ours.CLOCK_BACK in kinds:
        back = timedelta(hours=24 + float(random.uniform(1.0, 20.0)))
    if Ours.CLOCK_FAR_BACK in kinds:
        back = timedelta(days=float(random.uniform(3.0, 9.0)))
    full = int(random.choice(FULL_AT)) if Ours.DISK_FULL in kinds else None
    return {"now": now - back, "largest_file_bytes": full}
