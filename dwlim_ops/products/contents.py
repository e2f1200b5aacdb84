"""What the inversion and the orchestrator hand to a product of one day."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.contracts import Tier
from dwlim_ops.errors import ContractError

Array = NDArray[np.float64]

#: Estimates in words. `tragnss` and `dwlim` are in every file, others when they are computed.
METHODS: Final = {
    "tragnss": "GNSS stations only, independent days",
    "dwlim": "GNSS stations and LSTM-simulated cells, independent days",
    "dwlim_st": "GNSS stations, space-time filter of the newest day, later its smoother",
}
ALWAYS_PRESENT: Final = ("tragnss", "dwlim")


@dataclass(frozen=True)
class MethodResult:
    """One estimate of the day on the cells of the grid's domain, arrays of shape (n_cells,).

    `variance_factor` is the scale of the formal errors (of the filter: the normalised innovation
    squared, per datum), `n_data` the number of observed and simulated displacements used, `beta`
    the weight of the smoothing where there is one, `remark` what data the estimate is from.
    """

    method: str
    twsa_mm: Array
    sigma_mm: Array
    resolution_km: Array
    beta: float | None
    variance_factor: float
    n_data: int
    remark: str = "the day's own data"


@dataclass(frozen=True)
class StationTable:
    """Stations of the day, arrays of shape (n_stations,); `flag` has the bits of GNSS_FLAGS.

    `residual_mm` is observed minus modelled, per method; `exclusion` is empty for a used station.
    """

    identifier: tuple[str, ...]
    longitude_deg: Array
    latitude_deg: Array
    up_mm: Array
    up_sigma_mm: Array
    residual_mm: Mapping[str, Array]
    flag: NDArray[np.unsignedinteger]
    exclusion: tuple[str, ...]

    @property
    def used(self) -> NDArray[np.bool_]:
        """Stations with a value that the inversion uses."""
        named = np.array([bool(reason) for reason in self.exclusion], dtype=bool)
        used: NDArray[np.bool_] = np.isfinite(self.up_mm) & (self.flag == 0) & ~named
        return used


@dataclass(frozen=True)
class SimulatedTable:
    """Simulated cells of the day, arrays of shape (n_simulated,)."""

    longitude_deg: Array
    latitude_deg: Array
    up_mm: Array
    sigma_mm: Array
    spread_mm: Array
    residual_mm: Array


@dataclass(frozen=True)
class InputUsed:
    """The newest day that one stream offered, and its age when the product was made."""

    source: str
    stream: str
    newest_day: date
    age_days: float


@dataclass(frozen=True)
class Creator:
    """Who answers for the product: the operator of the installation."""

    name: str = "operator of this DWLIM-ops installation"
    institution: str = "not stated"
    email: str = "not stated"
    url: str = "not stated"
    naming_authority: str = "local"


@dataclass(frozen=True)
class Provenance:
    """All that is needed to name, date and reproduce a product.

    Raises
    ------
    ContractError
        `as_of` has no time zone, or the product id has a blank.
    """

    product_id: str
    region: str
    region_title: str
    day: date
    tier: Tier
    revision: int
    as_of: datetime
    inputs: tuple[InputUsed, ...]
    bundle_id: str
    config_fingerprint: str
    code_fingerprint: str
    reference_start: date
    reference_end: date
    citations: tuple[str, ...]
    licence: str
    published_method: str
    temperature_bridge: str = ""
    climatology_absence: str = ""
    synthetic: bool = False
    creator: Creator = field(default_factory=Creator)

    def __post_init__(self) -> None:
        if self.as_of.tzinfo is None:
            raise ContractError("time without a zone", where=f"{self.product_id}: as_of",
                                expected="an aware time", got=self.as_of.isoformat())
        if not self.product_id or " " in self.product_id:
            raise ContractError("not a product id", where="provenance", got=repr(self.product_id),
                                expected="a name without blanks")


@dataclass(frozen=True)
class QualityLimits:
    """Beyond these limits a cell, or the whole day, is flagged."""

    resolution_km: float = 1500.0
    sigma_mm: float = 100.0
    station_distance_km: float = 300.0
    n_stations: int = 20
