"""What must hold after every tick, and in the end; each function says in words what does not."""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import icechunk
import numpy as np
import xarray as xr

from dwlim_ops.contracts import TIERS
from dwlim_ops.products import encode
from dwlim_ops.publish import cube
from dwlim_ops.state.alert_ledger import WAITING, AlertLedger
from dwlim_ops.state.ledger import Ledger
from dwlim_ops.state.records import ProductRecord
from dwlim_ops.workspace import Workspace
from tests.soak.receiver import Arrival

#: Rapid solutions come 2 days and 18 hours after their day; ticks are at 21 UTC.
USUAL_AGE_DAYS = 2
Newest = Mapping[date, ProductRecord]
#: What Icechunk, Zarr and xarray raise of a cube that cannot be read.
UNREADABLE = (icechunk.IcechunkError, OSError, LookupError, ValueError, TypeError, RuntimeError,
              AssertionError)


@dataclass(frozen=True)
class Published:
    """What readers find: the newest day of each outlet; None where it cannot be read."""

    latest: date | None
    status: date | None
    cube: date | None


def published(workspace: Workspace) -> tuple[Published, list[str]]:
    """The outlets, read as a consumer does."""
    broken, days = [], {}
    for name, key in (("latest.json", "day"), ("status.json", "newest_published_day")):
        try:
            days[name] = date.fromisoformat(
                json.loads((workspace.published / name).read_text())[key])
        except (OSError, ValueError, KeyError, TypeError) as error:
            broken.append(f"{name}: {error!r}")
    try:
        days["cube"] = newest_of_cube(workspace.published / "cube")
    except UNREADABLE as error:
        broken.append(f"cube: {error!r}")
    return Published(days.get("latest.json"), days.get("status.json"), days.get("cube")), broken


def newest_of_cube(folder: Path) -> date:
    """Newest day of the cube in a folder, that has a value."""
    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(str(folder)))
    with xr.open_zarr(repository.readonly_session(cube.BRANCH).store, consolidated=False) as data:
        last = data["time"].values[-1]
        if not np.isfinite(data["twsa"].sel(time=last).values).any():
            raise AssertionError(f"the cube has no value on {last}")
        return last.astype("datetime64[D]").item()


def outlets_agree(found: Published, newest: Newest, *, failed: bool) -> list[str]:
    """All outlets show the newest day of the ledger; after a failed tick none shows a later one."""
    last = max(newest)
    days = vars(found)
    if failed:
        return [f"{name} shows {day}, the ledger knows {last}" for name, day in days.items()
                if day is not None and day > last]
    return [f"{name} shows {day}, not {last}" for name, day in days.items() if day != last]


def nothing_is_lost(before: Mapping[date, tuple[str, int]], newest: Newest, published_at: Path
                    ) -> list[str]:
    """Days stay published, at no lower tier and no earlier revision, and their files are there."""
    gone = [f"{day} is no longer published" for day in before if day not in newest]
    sunk = [f"{day} sank from {tier}/{revision} to {newest[day].tier}/{newest[day].revision}"
            for day, (tier, revision) in before.items() if day in newest
            and (TIERS.index(newest[day].tier) < TIERS.index(tier)
                 or newest[day].revision < revision)]
    lost = [f"{record.path} is not there" for record in newest.values()
            if not (published_at / record.path).is_file()]
    return [*gone, *sunk, *lost]


def young_enough(newest_day: date, today: date, n_hindered: int) -> list[str]:
    """The newest day is no older than what hindered its station files explains.

    `n_hindered`: consecutive evenings up to this one on which the provider of the displacement
    had a fault, or our own tick had.
    """
    age, allowed = (today - newest_day).days, USUAL_AGE_DAYS + n_hindered
    return [f"the newest day is {age} days old, {allowed} are explained"] if age > allowed else []


def said_once(arrivals: Sequence[Arrival], doubtful_days: Collection[int]) -> list[str]:
    """No recipient accepted a message twice, unless we could not know that he had.

    `doubtful_days`: a worker was killed, perhaps before it had noted the answer.
    """
    wrong = []
    accepted = [one for one in arrivals if one.accepted]
    keys = {(one.recipient, one.identifier, one.key) for one in accepted}
    for (recipient, identifier), number in Counter(key[:2] for key in keys).items():
        if number > 1:
            wrong.append(f"{identifier} came to {recipient} under {number} keys")
    for recipient, identifier, key in keys:
        of_key = [one for one in accepted if (one.recipient, one.key) == (recipient, key)]
        sure = [one for one in of_key if one.answered and one.day not in doubtful_days]
        if len(of_key) > 1 and of_key[0] in sure:
            wrong.append(f"{identifier} came to {recipient} {len(of_key)} times")
    for one in accepted:
        if not one.key:
            wrong.append(f"{one.identifier} came without a key")
    return wrong


def refers_to_what_was_sent(arrivals: Sequence[Arrival]) -> list[str]:
    """An Update or Cancel names only messages that its recipient accepted before.

    Who is told from a severity on comes late to an alert: the messages before his first one he can
    read in the published tree only.
    """
    known: dict[tuple[str, str], set[str]] = {}
    wrong = []
    for one in arrivals:
        if not one.accepted:
            continue
        chain, _, _ = one.identifier.rpartition("-")
        mine = known.setdefault((one.recipient, chain), set())
        missing = {name for name in set(one.references) - mine if mine and name > min(mine)}
        if missing:
            wrong.append(f"{one.identifier} to {one.recipient} refers to {sorted(missing)}")
        if (one.kind == "Alert") == bool(one.references):
            wrong.append(f"{one.identifier} is an {one.kind} with {len(one.references)} references")
        mine.add(one.identifier)
    return wrong


def all_delivered(ledger: Ledger, arrivals: Sequence[Arrival], signer: str) -> list[str]:
    """Nothing waits, nothing expired; who is said to have received a message has."""
    alerts = AlertLedger(ledger)
    arrived = {(one.recipient, one.identifier): one for one in arrivals if one.accepted}
    wrong = [f"{one.identifier} to {one.recipient} is {one.state}"
             for one in alerts.deliveries() if one.state in WAITING or one.state == "expired"]
    wrong += [f"{one.identifier} never came to {one.recipient}" for one in alerts.deliveries()
              if one.state == "delivered" and (one.recipient, one.identifier) not in arrived]
    return wrong + [f"{one.identifier} to {signer} has no good signature"
                    for one in arrivals if one.recipient == signer and not one.signed]


def quarantine_is_explained(ledger: Ledger, faulty_days: Mapping[str, Collection[date]]
                            ) -> list[str]:
    """Whatever is refused now was fetched on a day on which its service had a fault."""
    return [f"{one.source}/{one.stream} {one.key} of {one.retrieved_at:%Y-%m-%d}: "
            f"{one.quarantine_reason}"
            for one in ledger.quarantined_now()
            if not {one.retrieved_at.date(), one.retrieved_at.date() - timedelta(days=1)}
            & set(faulty_days.get(one.source, ()))]


@dataclass(frozen=True)
class Comparison:
    """Days of two workspaces: how many were compared, and the largest differences, mm."""

    n_days: int
    n_equal: int
    largest_mm: dict[date, float]
    other_tier: dict[date, tuple[str, str]]


def compared(one: Workspace, newest: Newest, other: Workspace, others: Newest) -> Comparison:
    """The newest revision of every day that both have."""
    largest, tiers = {}, {}
    days = sorted(set(newest) & set(others))
    for day in days:
        a, b = (encode.read(place.published / record.path).root for place, record in (
            (one, newest[day]), (other, others[day])))
        pairs = [(a[name].values, b[name].values) for name in ("twsa", "twsa_sigma")]
        apart = max(float(np.nanmax(np.abs(x - y))) for x, y in pairs)
        if any((np.isnan(x) != np.isnan(y)).any() for x, y in pairs):
            apart = float("inf")
        if apart > 0:
            largest[day] = apart
        if newest[day].tier != others[day].tier:
            tiers[day] = newest[day].tier, others[day].tier
    return Comparison(len(days), len(days) - len(largest), largest, tiers)
