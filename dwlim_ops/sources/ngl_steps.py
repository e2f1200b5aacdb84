"""The list of possible steps of the Nevada Geodetic Laboratory, as a source."""

import datetime
from collections.abc import Collection, Sequence

import numpy as np
import xarray as xr

from dwlim_ops.contracts import NOT_KNOWN, Offer, Received, Validators
from dwlim_ops.errors import ContractError, MalformedInputError
from dwlim_ops.sources.formats.gnss.steps import (
    earthquake_steps,
    equipment_steps,
    parse_ngl_steps,
)
from dwlim_ops.sources.http import Client

_FIRST = datetime.date(1994, 1, 1)
_KEY = "steps.txt"


class NglSteps:
    """Steps of the wanted stations; the provider's file is looked at once a day.

    Parameters
    ----------
    client : Client
    stations : collection of str
    earthquake_magnitude : float, optional
        Earthquakes of this magnitude or more, within the distance at which a step is possible,
        count as steps too. By default only work at the site and changes of products do: of a
        hundred possible steps by earthquakes hardly one is real.
    path : str
        Path of the file.
    """

    name, stream = "steps", "ngl"

    def __init__(
        self, client: Client, *, stations: Collection[str],
        earthquake_magnitude: float | None = None, path: str = f"NGLStationPages/{_KEY}",
    ) -> None:
        self._client, self._path = client, path
        self._stations = frozenset(name.upper() for name in stations)
        self._magnitude = earthquake_magnitude

    def offers(self, as_of: datetime.datetime) -> list[Offer]:
        """The one file, under the version of the day."""
        today = as_of.astimezone(datetime.UTC).date()
        return [Offer(self.name, self.stream, _KEY, _FIRST, today, None, today.isoformat())]

    def newest_visible_day(self, as_of: datetime.datetime) -> datetime.date:
        """The day of `as_of`."""
        return as_of.astimezone(datetime.UTC).date()

    def fetch(self, offer: Offer, known: Validators = NOT_KNOWN) -> Received:  # noqa: ARG002
        """The file; None if it has not changed.

        Raises
        ------
        SourceError
            The provider refuses or cannot be reached.
        """
        return self._client.get(self._path, known=known)

    def parse(self, content: bytes, offer_key: str, *, not_after: datetime.date) -> xr.Dataset:
        """`station` (time,): who has a step, by the first day after it, sorted."""
        listed = parse_ngl_steps(content, where=offer_key)
        if listed and min(step.day for step in listed) > not_after:
            raise MalformedInputError("every step lies in the future", where=offer_key,
                                      expected=f"days until {not_after}",
                                      remedy="get the file again")
        steps = list(equipment_steps(listed, stations=self._stations))
        if self._magnitude is not None:
            steps += earthquake_steps(listed, stations=self._stations,
                                      minimum_magnitude=self._magnitude)
        steps = sorted(set(steps))
        days = np.array([day for day, _ in steps], dtype="datetime64[D]").astype("datetime64[ns]")
        return xr.Dataset({"station": ("time", np.array([name for _, name in steps], "U4"))},
                          {"time": days})


def newest_list(datasets: Sequence[xr.Dataset]) -> xr.Dataset:
    """The list that was fetched last.

    Raises
    ------
    ContractError
        There is none.
    """
    if not datasets:
        raise ContractError("nothing to take", where="lists of steps", expected="a dataset")
    return datasets[-1]


def as_given(steps: xr.Dataset | None) -> tuple[tuple[datetime.date, str], ...]:
    """The steps as quality control takes them; none without a list."""
    if steps is None:
        return ()
    days = steps["time"].values.astype("datetime64[D]").tolist()
    return tuple(zip(days, steps["station"].values.tolist(), strict=True))
