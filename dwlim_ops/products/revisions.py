"""How much the first issue of a day moved later: the measured error of the newest day."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Final

import numpy as np

from dwlim_ops.contracts import BasinRow

#: Days after the first issue at which the value that was published then is looked up; after the
#: last one the smoother has spoken.
LEADS_DAYS: Final = (0, 6, 16, 30, 80)
_DECIMALS: Final = 3


@dataclass(frozen=True)
class Lead:
    """What stood published `lead_days` after the first issue of a day; NaN where unknown."""

    day: date
    basin: str
    method: str
    lead_days: int
    twsa_mm: float
    sigma_mm: float
    tier: str
    revision: int


@dataclass(frozen=True)
class RevisionStatistics:
    """First issue against the value `lead_days` later, over `n_days` days.

    `bias_mm` and `rms_mm` are of later minus first; `z_deviation` is the standard deviation of
    that change in units of the first issue's sigma, `z_gained` in units of the square root of what
    the variance fell by, sigma_first^2 - sigma_later^2, which is 1 for honest sigmas (the later
    estimate knows all that the first one knew). Days without a sigma are left out, and of the
    latter those without a gain.
    """

    basin: str
    method: str
    lead_days: int
    n_days: int
    bias_mm: float
    rms_mm: float
    z_deviation: float
    z_gained: float


def revision_leads(rows: Iterable[tuple[BasinRow, datetime]], *, as_of: datetime
                   ) -> tuple[Lead, ...]:
    """The value in force at each of `LEADS_DAYS` after the first issue, where it has had its time.

    Parameters
    ----------
    rows : iterable of (BasinRow, datetime)
        Every revision with the `as_of` of its product, ordered by day, basin, method, revision.
    as_of : datetime
        Later leads than this are not known yet.
    """
    rows = list(rows)
    first_issue: dict[date, datetime] = {}
    for row, issued_at in rows:
        first_issue[row.day] = min(issued_at, first_issue.get(row.day, issued_at))
    leads = []
    for (day, basin, method), group in groupby(rows, key=lambda one: one[0].key):
        revisions = list(group)
        for lead in LEADS_DAYS:
            moment = first_issue[day] + timedelta(days=lead)
            issued = [row for row, at in revisions if at <= moment]
            if issued and moment <= as_of:
                row = issued[-1]
                leads.append(Lead(day, basin, method, lead, row.twsa_mm, row.sigma_mm, row.tier,
                                  row.revision))
    return tuple(leads)


def statistics(leads: Sequence[Lead]) -> tuple[RevisionStatistics, ...]:
    """Change from the first issue to each later lead, per basin and estimate."""
    first = {(one.day, one.basin, one.method): one for one in leads if one.lead_days == 0}
    changes: dict[tuple[str, str, int], list[tuple[float, float, float]]] = {}
    for one in leads:
        start = first.get((one.day, one.basin, one.method))
        known = start is not None and start.sigma_mm > 0 and one.twsa_mm - start.twsa_mm < math.inf
        if start is None or one.lead_days == 0 or not known:
            continue
        changes.setdefault((one.basin, one.method, one.lead_days), []).append(
            (one.twsa_mm - start.twsa_mm, start.sigma_mm,
             start.sigma_mm**2 - one.sigma_mm**2))
    table = []
    for (basin, method, lead), known_changes in sorted(changes.items()):
        change, sigma, gain = np.array(known_changes).T
        gained = gain > 0
        table.append(RevisionStatistics(
            basin, method, lead, change.size, float(change.mean()),
            float(np.sqrt((change**2).mean())), float((change / sigma).std()),
            float((change[gained] / np.sqrt(gain[gained])).std()) if gained.any() else math.nan))
    return tuple(table)


def leads_to_csv(leads: Iterable[Lead]) -> str:
    """Content of `revisions.csv`; an unknown value is an empty field."""
    return _csv([field.name for field in fields(Lead)], leads)


def statistics_to_csv(table: Iterable[RevisionStatistics]) -> str:
    """Content of `revision_statistics.csv`."""
    return _csv([field.name for field in fields(RevisionStatistics)], table)


def _csv(header: Sequence[str], rows: Iterable[Lead] | Iterable[RevisionStatistics]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_text(value) for value in astuple(row)] for row in rows)
    return stream.getvalue()


def _text(value: object) -> object:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.{_DECIMALS}f}"
    return value.isoformat() if isinstance(value, date) else value
