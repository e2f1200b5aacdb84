"""Which faults the soak meets, on which days: drawn at random, the whole catalogue in turn."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import numpy as np

from tests.replicas.faults import (
    CdsFault,
    CsrFault,
    EarthdataFault,
    EcmwfOpenFault,
    EsmgfzFault,
    Fault,
    General,
    NglFault,
)

#: Replicas by name, as of `Internet.replicas`.
REPLICAS: Final = ("ngl", "cds", "earthdata", "earthdata_login", "ecmwf_open", "esmgfz",
                   "esmgfz_second", "csr")
#: Which replica has which faults of its own.
OWN_FAULTS: Final[dict[str, type[Enum]]] = {
    "ngl": NglFault, "cds": CdsFault, "earthdata": EarthdataFault, "esmgfz": EsmgfzFault,
    "ecmwf_open": EcmwfOpenFault, "csr": CsrFault}
#: Endpoints of the product that can be given a name that no name server knows.
ENDPOINTS: Final = ("ngl", "cds", "cmr", "opendap", "podaac", "ecmwf_open", "esmgfz", "csr")


class Outage(Enum):
    """What a service cannot do by itself."""

    STOPPED = "the host is dead: nothing listens"
    UNRESOLVABLE = "the name of the host is not known"


class Ours(Enum):
    """Faults of our own side."""

    KILLED = "SIGKILL of the worker at a random moment of a tick, one to three times"
    CLOCK_BACK = "the clock is behind the ledger by less than a day, for one tick"
    CLOCK_FAR_BACK = "the clock is behind the ledger by days, for one tick"
    DISK_FULL = "writes beyond a size fail, for one tick"
    INBOX_RUBBISH = "rubbish in the inbox and in the store"
    CACHE_DAMAGED = "a file of the cache is cut, another is gone"
    RECEIVER_DOWN = "the webhook receiver does not listen"
    RECEIVER_ERRORS = "the webhook receiver answers 500"
    RECEIVER_MUTE = "the webhook receiver takes the message and breaks off before the answer"
    TOKEN_LATE = "the Earthdata token is renewed two days after its end"  # noqa: S105


Kind = Fault | Outage | Ours
#: Of one tick, whatever was drawn.
SHORT: Final = frozenset({Ours.KILLED, Ours.CLOCK_BACK, Ours.CLOCK_FAR_BACK, Ours.DISK_FULL,
                          Ours.INBOX_RUBBISH, Ours.CACHE_DAMAGED})
KILL_SPACING_DAYS: Final = 14
N_NEW: Final = (0.3, 0.4, 0.2, 0.1)
DURATIONS: Final = (0.4, 0.25, 0.15, 0.12, 0.08)
OURS_A_DAY: Final = 0.22
#: Days from the start through which the first Earthdata token is good, and how late a new one is.
TOKEN_DAYS, TOKEN_LATE_DAYS = 60, 2


@dataclass(frozen=True)
class Incident:
    """A fault of a replica, an endpoint or ourselves ("us"), from a day of the soak on."""

    kind: Kind
    target: str
    first: int
    n_days: int
    number: int

    def is_on(self, day: int) -> bool:
        """Whether it is there at the tick of a day."""
        return self.first <= day < self.first + self.n_days

    @property
    def name(self) -> str:
        """In words of the catalogue."""
        group = type(self.kind).__name__.removesuffix("Fault")
        return f"{self.target}: {group} {self.kind.name}"


def catalogue() -> tuple[tuple[str, Kind], ...]:
    """Every fault of a service once: (replica or endpoint, "" for any replica; kind)."""
    return (*(("", fault) for fault in General),
            *((name, fault) for name, faults in OWN_FAULTS.items() for fault in faults),
            *((name, Outage.STOPPED) for name in REPLICAS if name != "earthdata_login"),
            *((name, Outage.UNRESOLVABLE) for name in ENDPOINTS))


def draw(n_days: int, seed: int, *, quiet_days: int = 60) -> tuple[Incident, ...]:
    """Incidents of days 1 to `n_days`, none of which outlasts day `n_days`.

    Services get 0 to 3 new faults a day, each for 1 to 5 days; no fault comes again before all
    have come. Kills are at least a fortnight apart, and one stretch of `quiet_days` has none.
    """
    random = np.random.default_rng(seed)
    cards, ours = _in_turn(random, catalogue()), _in_turn(random, [
        one for one in Ours if one not in (Ours.KILLED, Ours.TOKEN_LATE)])
    kills = _kill_days(random, n_days, quiet_days)
    found: list[Incident] = []

    def add(kind: Kind, target: str, day: int, length: int) -> None:
        length = 1 if kind in SHORT else min(length, n_days + 1 - day)
        found.append(Incident(kind, target, day, length, len(found)))

    for day in range(1, n_days + 1):
        for _ in range(int(random.choice(4, p=N_NEW))):
            target, kind = next(cards)
            any_one = str(random.choice(REPLICAS))
            add(kind, target or any_one, day, 1 + int(random.choice(5, p=DURATIONS)))
        length = 1 + int(random.integers(3))
        if random.random() < OURS_A_DAY:
            add(next(ours), "us", day, length)
        if day in kills:
            add(Ours.KILLED, "us", day, 1)
    if n_days >= TOKEN_DAYS + TOKEN_LATE_DAYS:
        add(Ours.TOKEN_LATE, "us", TOKEN_DAYS, TOKEN_LATE_DAYS)
    return tuple(found)


def _in_turn(random: np.random.Generator, cards: Sequence[Any]) -> Iterator[Any]:
    while True:
        for place in random.permutation(len(cards)):
            yield cards[place]


def _kill_days(random: np.random.Generator, n_days: int, quiet_days: int) -> frozenset[int]:
    quiet_from = max(2, (n_days - quiet_days) // 2)
    quiet = range(quiet_from, quiet_from + quiet_days + 1)
    days, day = [], int(random.integers(4, 10))
    while day <= n_days:
        if day not in quiet:
            days.append(day)
        day += KILL_SPACING_DAYS + int(random.integers(5))
    return frozenset(days)
