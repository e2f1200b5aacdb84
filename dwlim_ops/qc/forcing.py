"""Weather of sites to temperature and pressure of cells, by objective analysis."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dwlim_ops.contracts import FORCING, FORCING_FLAGS, WEATHER, Variable, check
from dwlim_ops.geometry import KM_PER_DEGREE, distance_deg
from dwlim_ops.kriging import simple_kriging
from dwlim_ops.qc.trajectory import harmonics

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Period = tuple[date, date]

#: Fewer days than this do not tell the seasons: only their mean is taken.
LEAST_CLIMATOLOGY_DAYS = 300

VARIABLES = {"temperature_k": "temperature_absent", "pressure_pa": "pressure_absent"}


@dataclass(frozen=True, kw_only=True)
class Covariance:
    """Exponential covariance exp(-distance / length) of a field, and its noise.

    `noise_ratio` is the variance of one site's error over the variance of the field.
    """

    length_km: float
    noise_ratio: float


@dataclass(frozen=True, kw_only=True)
class ForcingSettings:
    """How sites become cells.

    Parameters
    ----------
    minimum_reference_days : int
        Least number of values in the reference span; a site with fewer is not used.
    minimum_sites : int
        Least number of sites on a day; with fewer the day is flagged as absent.
    far_km : float
        A cell further than this from every reporting site is flagged.
    temperature, pressure : Covariance
        Of the daily anomalies.
    climatology : Covariance
        Of mean, annual and semi-annual terms about their regression on latitude.
    """

    minimum_reference_days: int = 365
    minimum_sites: int = 3
    far_km: float = 500.0
    temperature: Covariance = Covariance(length_km=1000.0, noise_ratio=0.01)
    pressure: Covariance = Covariance(length_km=2000.0, noise_ratio=0.01)
    climatology: Covariance = Covariance(length_km=2000.0, noise_ratio=0.02)


def grid_forcing(
    weather: xr.Dataset, longitude_deg: Array, latitude_deg: Array, settings: ForcingSettings, *,
    reference: Period,
) -> xr.Dataset:
    """Temperature and pressure of every cell and day.

    value(cell, day) = climatology(cell, day of year) + anomaly(cell, day). The climatology of a
    site is a mean with annual and semi-annual terms; its five coefficients are interpolated as a
    regression on latitude plus kriged residuals. Anomalies are interpolated by simple kriging,
    so that far from every site the value tends to the climatology. A value depends on its own
    day's sites and on the reference span only.

    Parameters
    ----------
    weather : Dataset
        Contract `WEATHER`; values out of its ranges are treated as absent.
    longitude_deg, latitude_deg : ndarray (cell,)
        Centres of the cells.
    settings : ForcingSettings
        Covariances and limits.
    reference : (date, date)
        First and last day of the data that define each site's climatology. Values do not change
        with the date of issue if this span is over by then.

    Returns
    -------
    Dataset
        Contract `FORCING`. `site_exclusion` tells which sites were not used.
    """
    weather = check(screen_ranges(weather), WEATHER, where="grid_forcing")
    sites = weather["longitude_deg"].values, weather["latitude_deg"].values
    between = distance_deg(*sites, *sites) * KM_PER_DEGREE
    to_cells = distance_deg(*sites, longitude_deg, latitude_deg) * KM_PER_DEGREE
    covariance = {"temperature_k": settings.temperature, "pressure_pa": settings.pressure}
    excluded = site_exclusion(weather, settings, reference=reference)
    flag = np.zeros((weather.sizes["time"], longitude_deg.size), dtype=np.uint8)
    fields = {}
    for name, absent in VARIABLES.items():
        used = np.flatnonzero(excluded[name] == "")
        values = weather[name].values[:, used].astype(float)
        reporting = np.isfinite(values)
        enough = reporting.sum(axis=1) >= settings.minimum_sites
        distances = between[np.ix_(used, used)], to_cells[used]
        if enough.any():
            climatology, anomaly = _site_climatology(values, weather, reference)
            background = _cell_climatology(climatology, sites[1][used], latitude_deg, distances,
                                           settings.climatology)
            field = _product(_design(weather), background)
            field += _daily_anomaly(anomaly, reporting & enough[:, None], distances,
                                    covariance[name])
        else:
            field = np.full(flag.shape, np.nan)
        fields[name] = field
        near = reporting.astype(np.int64) @ (distances[1] <= settings.far_km).astype(np.int64)
        flag[near == 0] |= FORCING_FLAGS["far_from_any_site"]
        flag[~enough] |= FORCING_FLAGS[absent]
    return check(_assemble(weather, fields, flag, longitude_deg, latitude_deg), FORCING,
                 where="grid_forcing")


def fill_with_climatology(days: NDArray[np.datetime64], values: Array, *, reference: Period
                          ) -> Array:
    """Absent values at their climatology: mean, annual and semi-annual terms of each cell.

    Parameters
    ----------
    days : ndarray (time,)
    values : ndarray (time, cell)
        NaN where absent.
    reference : (date, date)
        Days that define the climatology; if a cell has fewer than 300 there, all its days do;
        with fewer than 300 in all, their mean is taken.

    Returns
    -------
    ndarray (time, cell)
        A cell without any value stays absent.
    """
    filled = values.copy()
    since_1970 = days.astype("datetime64[D]").astype(float)
    terms = np.column_stack([np.ones(days.size), harmonics(since_1970)])
    inside = (days >= np.datetime64(reference[0])) & (days <= np.datetime64(reference[1]))
    present = np.isfinite(values)
    for cell in np.flatnonzero(~present.all(axis=0) & present.any(axis=0)):
        chosen = present[:, cell] & inside
        if chosen.sum() < LEAST_CLIMATOLOGY_DAYS:
            chosen = present[:, cell]
        n_terms = terms.shape[1] if chosen.sum() >= LEAST_CLIMATOLOGY_DAYS else 1
        fitted, *_ = np.linalg.lstsq(terms[chosen, :n_terms], values[chosen, cell], rcond=None)
        absent = ~present[:, cell]
        filled[absent, cell] = terms[absent, :n_terms] @ fitted
    return filled


def screen_ranges(weather: xr.Dataset) -> xr.Dataset:
    """The same dataset with values out of the ranges of contract `WEATHER` made absent."""
    def within(name: str, limits: Variable) -> xr.DataArray:
        values = weather[name]
        return values.where((values >= limits.minimum) & (values <= limits.maximum))

    return weather.assign(
        {name: within(name, limits) for name, limits in WEATHER.variables.items()})


def site_exclusion(weather: xr.Dataset, settings: ForcingSettings, *, reference: Period
                   ) -> dict[str, NDArray[np.str_]]:
    """Reason for which each site is not used, by variable, (site,); empty if it is used."""
    inside = _in_reference(weather, reference)
    counts = {name: np.isfinite(screen_ranges(weather)[name].values[inside]).sum(axis=0)
              for name in VARIABLES}
    return {
        name: np.array(
            ["" if n >= settings.minimum_reference_days else f"only {n} days in the reference span"
             for n in count.tolist()], dtype=np.str_)
        for name, count in counts.items()
    }


def _in_reference(weather: xr.Dataset, reference: Period) -> Mask:
    time = weather["time"].values.astype("datetime64[D]")
    inside: Mask = ((time >= np.datetime64(reference[0], "D"))
                    & (time <= np.datetime64(reference[1], "D")))
    return inside


def _design(weather: xr.Dataset) -> Array:
    time = weather["time"].values.astype("datetime64[D]")
    day = (time - np.datetime64(0, "D")) / np.timedelta64(1, "D")
    return np.column_stack([np.ones(day.size), harmonics(day)])


def _site_climatology(
    values: Array, weather: xr.Dataset, reference: Period
) -> tuple[Array, Array]:
    """Coefficients (5, site) fitted on the reference span, and anomalies (time, site)."""
    design, inside = _design(weather), _in_reference(weather, reference)
    coefficients = np.empty((design.shape[1], values.shape[1]))
    for site in range(values.shape[1]):
        rows = inside & np.isfinite(values[:, site])
        coefficients[:, site] = np.linalg.lstsq(design[rows], values[rows, site], rcond=None)[0]
    return coefficients, values - _product(design, coefficients)


def _cell_climatology(
    coefficients: Array, site_latitude_deg: Array, cell_latitude_deg: Array,
    distances_km: tuple[Array, Array], covariance: Covariance,
) -> Array:
    """Coefficients of the cells (5, cell): regression on latitude plus kriged residuals."""
    sites, cells = (np.column_stack([np.ones(latitude.size), latitude])
                    for latitude in (site_latitude_deg, cell_latitude_deg))
    slope = np.linalg.lstsq(sites, coefficients.T, rcond=None)[0]
    residual, _ = simple_kriging(
        coefficients - (sites @ slope).T, *distances_km,
        length_km=covariance.length_km, noise_ratio=covariance.noise_ratio)
    return (cells @ slope).T + residual


def _daily_anomaly(
    anomaly: Array, reporting: Mask, distances_km: tuple[Array, Array], covariance: Covariance
) -> Array:
    """Kriged anomalies (time, cell), zero on days without a site."""
    site_distance, cell_distance = distances_km
    field = np.zeros((anomaly.shape[0], cell_distance.shape[1]))
    patterns, pattern_of_day = np.unique(reporting, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        here = np.flatnonzero(pattern)
        if here.size:
            days = np.flatnonzero(pattern_of_day == number)
            weight, _ = simple_kriging(
                np.eye(here.size), site_distance[np.ix_(here, here)], cell_distance[here],
                length_km=covariance.length_km, noise_ratio=covariance.noise_ratio)
            field[days] = _product(anomaly[np.ix_(days, here)], weight)
    return field


def _product(left: Array, right: Array) -> Array:
    """Matrix product whose rows do not depend on the number of rows, as BLAS's may."""
    out = np.zeros((left.shape[0], right.shape[1]))
    for column, row in zip(left.T, right, strict=True):
        out += column[:, None] * row
    return out


def _assemble(weather: xr.Dataset, fields: dict[str, Array], flag: NDArray[np.uint8],
              longitude_deg: Array, latitude_deg: Array) -> xr.Dataset:
    both = ("time", "cell")
    return xr.Dataset(
        {**{name: (both, field) for name, field in fields.items()}, "flag": (both, flag)},
        coords={
            "time": weather["time"].values,
            "cell": np.arange(longitude_deg.size),
            "longitude_deg": ("cell", np.asarray(longitude_deg, dtype=float)),
            "latitude_deg": ("cell", np.asarray(latitude_deg, dtype=float)),
        },
    )
