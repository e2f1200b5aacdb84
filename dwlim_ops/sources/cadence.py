"""How often a stream gives a new epoch, how late that is, and how many epochs are missing now."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, Literal

from dwlim_ops.sources.latency import last_released_day


@dataclass(frozen=True)
class Cadence:
    """One value a day, or whole months at once; `latency_days` counts from the epoch's last day."""

    latency_days: float
    epoch: Literal["day", "month"] = "day"


#: Usual delay of the services' streams in 2026, by source and stream.
OF_SERVICES: Final[dict[tuple[str, str], Cadence]] = {
    ("gnss", "rapid"): Cadence(2.0),
    ("gnss", "final"): Cadence(14.0),
    ("weather", "ifs"): Cadence(0.5),
    ("weather", "era5t"): Cadence(5.0),
    ("weather", "era5"): Cadence(90.0, "month"),
    ("weather", "gldas_ep"): Cadence(45.0, "month"),
    ("weather", "gldas_da"): Cadence(120.0, "month"),
    ("loading", "forecast"): Cadence(0.0),
    ("loading", "analysis"): Cadence(2.0),
}


def missed_epochs(newest: date, as_of: datetime, cadence: Cadence) -> int:
    """Whole epochs after `newest` that should be there at `as_of` and are not.

    >>> from datetime import UTC
    >>> missed_epochs(date(2017, 6, 1), datetime(2017, 6, 6, 12, tzinfo=UTC), Cadence(2.0))
    3
    >>> missed_epochs(date(2017, 1, 31), datetime(2017, 6, 6, 12, tzinfo=UTC), Cadence(45, "month"))
    2
    """
    due = last_released_day(as_of, cadence.latency_days)
    if cadence.epoch == "day":
        return max(0, (due - newest).days)
    return max(0, _whole_months(due) - _whole_months(newest))


def _whole_months(day: date) -> int:
    """Months since year 0 that are over at the end of a day."""
    tomorrow = day + timedelta(days=1)
    return 12 * tomorrow.year + tomorrow.month - 1
