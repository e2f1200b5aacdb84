"""The datasets that stages hand to each other, declared once and checked at every hand-over.

Conventions: `time` is the UTC day (00:00 of the day, the value is the mean of the day);
up is positive for uplift; more water pushes the ground down; absent values are NaN;
longitudes lie in [-180, 180).
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, runtime_checkable

import numpy as np
import xarray as xr

from dwlim_ops.errors import ContractError


@dataclass(frozen=True)
class Variable:
    """One variable: dimensions, units in words of UDUNITS, meaning, possible range."""

    dims: tuple[str, ...]
    units: str
    meaning: str
    minimum: float = -np.inf
    maximum: float = np.inf
    kind: str = "f"


@dataclass(frozen=True)
class Contract:
    """What a dataset between two stages must hold."""

    name: str
    variables: dict[str, Variable]
    coordinates: dict[str, Variable] = field(default_factory=dict)


TIME: Final = Variable(("time",), "", "UTC day", kind="M")


def _place(dim: str) -> dict[str, Variable]:
    return {
        "longitude_deg": Variable((dim,), "degrees_east", "longitude", -180.0, 180.0),
        "latitude_deg": Variable((dim,), "degrees_north", "latitude", -90.0, 90.0),
    }


STATION: Final = {
    "time": TIME,
    "station": Variable(("station",), "", "four-character identifier", kind="U"),
    **_place("station"),
    "height_m": Variable(("station",), "m", "ellipsoidal height", -500.0, 9000.0),
}
CELL: Final = {
    "time": TIME,
    "cell": Variable(("cell",), "", "index of the cell in the region", kind="iu"),
    **_place("cell"),
}

GNSS: Final = Contract(
    "gnss",
    {
        "up_mm": Variable(("time", "station"), "mm", "vertical displacement", -1000.0, 1000.0),
        "up_sigma_mm": Variable(("time", "station"), "mm", "formal error", 0.0, 1000.0),
    },
    STATION,
)

#: Bits of `flag` in `GNSS_CHECKED`. Zero is a value that the inversion uses.
GNSS_FLAGS: Final = {
    "absent": 1,
    "outlier": 2,
    "formal_sigma_too_large": 4,
    "duplicated_epoch": 8,
    "near_step": 16,
    "station_excluded": 32,
}

GNSS_CHECKED: Final = Contract(
    "gnss_checked",
    {
        "up_mm": Variable(("time", "station"), "mm", "displacement from reference", -1000, 1000),
        "up_sigma_mm": Variable(("time", "station"), "mm", "formal error", 0.0, 1000.0),
        "flag": Variable(("time", "station"), "1", "bit mask of GNSS_FLAGS", kind="u"),
        "exclusion": Variable(("station",), "", "reason, empty if the station is used", kind="U"),
        "scatter_mm": Variable(("station",), "mm", "robust scatter about the running median", 0),
    },
    STATION,
)

WEATHER: Final = Contract(
    "weather",
    {
        "temperature_k": Variable(("time", "site"), "K", "daily mean air temperature", 180, 340),
        "pressure_pa": Variable(("time", "site"), "Pa", "daily mean pressure", 45e3, 110e3),
    },
    {"time": TIME, "site": Variable(("site",), "", "identifier", kind="U"), **_place("site")},
)

#: Weather of the region's cells from gridded providers; a provider gives some of the variables.
GRIDDED_WEATHER: Final = Contract(
    "gridded_weather",
    {
        "pressure_pa": Variable(("time", "cell"), "Pa", "daily mean pressure", 45e3, 110e3),
        "temperature_k": Variable(("time", "cell"), "K", "daily mean temperature", 180, 340),
        "skin_temperature_k": Variable(
            ("time", "cell"), "K", "daily mean skin temperature", 180, 340),
    },
    CELL,
)

#: Bits of `flag` in `FORCING`.
FORCING_FLAGS: Final = {"temperature_absent": 1, "pressure_absent": 2, "far_from_any_site": 4}

FORCING: Final = Contract(
    "forcing",
    {
        "temperature_k": Variable(("time", "cell"), "K", "daily mean air temperature", 180, 340),
        "pressure_pa": Variable(("time", "cell"), "Pa", "daily mean pressure", 45e3, 110e3),
        "flag": Variable(("time", "cell"), "1", "bit mask of FORCING_FLAGS", kind="u"),
    },
    CELL,
)

LOADING: Final = Contract(
    "loading",
    {
        "ntal_up_mm": Variable(("time", "station"), "mm", "atmospheric loading, up", -100, 100),
        "ntol_up_mm": Variable(("time", "station"), "mm", "ocean loading, up", -100, 100),
    },
    {"time": TIME, "station": STATION["station"]},
)

GRACE: Final = Contract(
    "grace",
    {"twsa_mm": Variable(("time", "lat", "lon"), "mm", "water storage anomaly", -3000, 3000)},
    {"time": TIME},
)


def check(dataset: xr.Dataset, contract: Contract, *, where: str) -> xr.Dataset:
    """Return `dataset` unchanged if it keeps `contract`.

    Raises
    ------
    ContractError
        A variable is missing, has other dimensions or another type, lies outside its range
        (NaN is allowed), or a coordinate is unsorted or repeated in time.
    """
    declared = {**contract.variables, **contract.coordinates}
    for name, variable in declared.items():
        place = f"{where}: {contract.name}.{name}"
        if name not in dataset.variables:
            raise ContractError(
                "variable is missing", where=place, expected=variable.meaning,
                got=f"only {sorted(map(str, dataset.variables))}",
            )
        array = dataset[name]
        if array.dims != variable.dims:
            raise ContractError(
                "wrong dimensions", where=place, expected=str(variable.dims), got=str(array.dims)
            )
        if array.dtype.kind not in variable.kind:
            raise ContractError(
                "wrong type", where=place, expected=f"kind {variable.kind!r}", got=str(array.dtype)
            )
        if variable.kind == "f" and array.size:
            _check_range(array.values, variable, place)
    if "time" in contract.coordinates and dataset.sizes.get("time", 0) > 1:
        steps = np.diff(dataset["time"].values)
        if not (steps > np.timedelta64(0)).all():
            raise ContractError(
                "days are repeated or unsorted", where=f"{where}: {contract.name}.time",
                expected="strictly increasing days",
            )
    return dataset


def _check_range(values: np.ndarray, variable: Variable, place: str) -> None:
    finite = values[np.isfinite(values)]
    if np.isinf(values).any():
        raise ContractError("infinite value", where=place, expected="finite or NaN")
    if finite.size and (finite.min() < variable.minimum or finite.max() > variable.maximum):
        raise ContractError(
            "value out of range", where=place,
            expected=f"{variable.minimum:g} to {variable.maximum:g} {variable.units}",
            got=f"{finite.min():g} to {finite.max():g}",
            remedy="look for a wrong unit or a wrong fill value upstream",
        )


#: From the first issue of a day to the last; a day is re-issued upward.
TIERS: Final = ("preview", "era5t", "final_gnss", "gldas_ep", "definitive")
Tier = Literal["preview", "era5t", "final_gnss", "gldas_ep", "definitive"]

#: The highest tier that a stream allows, by variable; the streams of a variable from the weakest
#: to the best. A variable that is absent although its source is configured allows `preview` only.
CEILINGS: Final[dict[str, dict[str, Tier]]] = {
    "up_mm": {"rapid": "era5t", "final": "definitive"},
    "pressure_pa": {"preview": "preview", "ifs": "preview", "era5t": "final_gnss",
                    "era5": "definitive", "final": "definitive"},
    "temperature_k": {"preview": "preview", "proxy": "final_gnss", "era5t": "final_gnss",
                      "gldas_ep": "gldas_ep", "gldas_da": "definitive", "final": "definitive"},
    "ntal_up_mm": {"forecast": "preview", "own": "final_gnss", "analysis": "definitive",
                   "final": "definitive"},
}


def tier_of(streams: Mapping[str, str]) -> Tier:
    """Tier of a day from the stream of each configured variable; an absent one is empty.

    >>> tier_of({"up_mm": "rapid", "pressure_pa": "final"}), tier_of({"up_mm": "final"})
    ('era5t', 'definitive')
    """
    allowed = [CEILINGS[name][stream] if stream else "preview"
               for name, stream in streams.items()]
    return min(allowed, key=TIERS.index, default="preview")


@dataclass(frozen=True)
class BasinRow:
    """Mean water storage anomaly of one basin, day and estimate; NaN where it is unknown."""

    day: datetime.date
    basin: str
    method: str
    twsa_mm: float
    sigma_mm: float
    tier: str
    revision: int

    @property
    def key(self) -> tuple[datetime.date, str, str]:
        """What a table holds once."""
        return self.day, self.basin, self.method


@dataclass(frozen=True)
class Offer:
    """One file that a provider has.

    Parameters
    ----------
    source : str
        "gnss", "weather" or "loading".
    stream : str
        Quality of the content, such as "rapid" or "final".
    key : str
        The provider's name of the file, unique within the source.
    valid_from, valid_to : datetime.date
        First and last day that the file covers, both included.
    available_at : datetime.datetime or None
        Aware UTC time from which the file can be had; None: at the moment it is fetched.
    version : str
        Changes when the provider's file changes.
    """

    source: str
    stream: str
    key: str
    valid_from: datetime.date
    valid_to: datetime.date
    available_at: datetime.datetime | None
    version: str


@dataclass(frozen=True)
class Validators:
    """What a provider said of a file's identity, to ask later whether it has changed (HTTP)."""

    etag: str = ""
    last_modified: str = ""


NOT_KNOWN: Final = Validators()


@dataclass(frozen=True)
class Received:
    """What a provider sent; `content` is None if the file has not changed since `Validators`."""

    content: bytes | None
    validators: Validators = NOT_KNOWN


class Memory(Protocol):
    """What a source must not forget when the process ends, such as the name of a queued job."""

    def recall(self, key: str) -> str | None:
        """What was remembered under `key`; None if nothing."""
        ...

    def remember(self, key: str, text: str) -> None:
        """Keep `text` under `key`, in place of what was there."""
        ...

    def forget(self, key: str) -> None:
        """Drop `key`; nothing happens if it is not there."""
        ...


@runtime_checkable
class Warns(Protocol):
    """A source that says what it left out of its offers, and why."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Whole sentences for the operator, of the last call of `offers`."""
        ...


@runtime_checkable
class Remembered(Protocol):
    """A source whose files take long to parse: what was parsed is kept from tick to tick."""

    @property
    def parsed_with(self) -> str:
        """Digest of all that `parse` uses beside content, key and day."""
        ...


class Source(Protocol):
    """One stream of one provider."""

    name: str
    stream: str

    def offers(self, as_of: datetime.datetime) -> list[Offer]:
        """Files that the provider has at `as_of` (aware), oldest day first.

        Raises
        ------
        SourceError, OSError
            The provider cannot be reached or refuses.
        """
        ...

    def fetch(self, offer: Offer, known: Validators = NOT_KNOWN) -> Received:
        """The file as received; `known` are the validators of the copy that we hold.

        Raises
        ------
        SourceError, OSError
            The provider cannot be reached or refuses, or the file is gone or not ready yet.
        """
        ...

    def newest_visible_day(self, as_of: datetime.datetime) -> datetime.date:
        """The newest day whose value may be used at `as_of`, whatever a granule holds."""
        ...

    def parse(self, content: bytes, offer_key: str, *, not_after: datetime.date) -> xr.Dataset:
        """Dataset of contract `GNSS`, `WEATHER`, `GRIDDED_WEATHER` or `LOADING`; no effects.

        `not_after` is the day of the fetch: a later day in the content is malformed.

        Raises
        ------
        MalformedInputError
            The content is not what the provider should have sent.
        """
        ...


#: Classes of a standing from the driest to the wettest, and the percentiles between them (US
#: Drought Monitor and its wet mirror); "N" is near normal.
CATEGORIES: Final = ("D4", "D3", "D2", "D1", "D0", "N", "W0", "W1", "W2", "W3", "W4")
CATEGORY_BOUNDS_PERCENT: Final = (2.0, 5.0, 10.0, 20.0, 30.0, 70.0, 80.0, 90.0, 95.0, 98.0)


@dataclass(frozen=True)
class BasinStanding:
    """How a basin's water storage of a day compares with what is normal for the time of the year.

    `probabilities` of `CATEGORIES` follow from the posterior; `category` is that of the estimate
    itself. `veto` says in words why no alert may come of it; empty if nothing hinders.
    """

    day: datetime.date
    basin: str
    method: str
    twsa_mm: float
    sigma_mm: float
    normal_mm: float
    spread_mm: float
    standardized_anomaly: float
    percentile: float
    category: str
    probabilities: tuple[float, ...]
    tier: str
    revision: int
    veto: str = ""
