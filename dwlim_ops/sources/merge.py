"""Several parsed files as one dataset on a regular daily axis."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dwlim_ops.errors import ContractError

DAY: Final = np.timedelta64(1, "D")
#: Ending of the variable that says which stream a value came from.
STREAM: Final = "_stream"
#: The height of pressure that was brought to that of its cell.
_AT_CELL: Final = "cell"
_PRESSURE: Final = "pressure_pa"
_HALF_MASCON_DEG: Final = 0.3
_QUANTITIES: Final = ("up_mm", "_k", "_pa")


def merge_gnss(datasets: Sequence[xr.Dataset]) -> xr.Dataset:
    """Union of days and stations, every day from the first to the last.

    On equal day and station a later dataset wins, unless its value is NaN; value, sigma, flag and
    stream stay together. `flag` is there if any dataset has it. Stations are sorted by name; the
    later dataset gives their place.

    Raises
    ------
    ContractError
        Nothing to merge.
    """
    places = ("longitude_deg", "latitude_deg", "height_m")
    return _merge(datasets, "station", [("up_mm", "up_sigma_mm", "flag")], places)


def merge_weather(datasets: Sequence[xr.Dataset]) -> xr.Dataset:
    """Union of days and sites, every day from the first to the last.

    On equal day and site a later dataset wins for each variable, unless its value is NaN.

    Raises
    ------
    ContractError
        Nothing to merge.
    """
    groups = [("temperature_k",), ("pressure_pa",)]
    return _merge(datasets, "site", groups, ("longitude_deg", "latitude_deg"))


def merge_gridded_weather(datasets: Sequence[xr.Dataset]) -> xr.Dataset:
    """The same for weather of the region's cells, of which a dataset may lack variables.

    Pressures at different heights never become one series: where the attribute `height` of
    `pressure_pa` differs, only those at the height of the cell are kept.

    Raises
    ------
    ContractError
        Nothing to merge.
    """
    groups = [("temperature_k",), ("pressure_pa",), ("skin_temperature_k",)]
    heights = {_height(dataset) for dataset in datasets if _PRESSURE in dataset}
    height = heights.pop() if len(heights) == 1 else _AT_CELL
    same = [dataset if _height(dataset) == height
            else dataset.drop_vars([_PRESSURE, f"{_PRESSURE}{STREAM}"], errors="ignore")
            for dataset in datasets]
    merged = _merge(same, "cell", groups, ("longitude_deg", "latitude_deg"))
    if height and _PRESSURE in merged:
        merged[_PRESSURE].attrs["height"] = height
    return merged


def merge_grace(datasets: Sequence[xr.Dataset]) -> xr.Dataset:
    """Mean of the solutions that have a month, on the grid and the months of the first.

    Months are matched by their middle, within 10 days; cells by their nearest centre. Where a
    solution tells land from sea, its sea does not count.

    Raises
    ------
    ContractError
        Nothing to merge.
    """
    if not datasets:
        raise ContractError("nothing to merge", where="merge of mascons", expected="a dataset")
    first, *others = [
        one.assign(twsa_mm=one["twsa_mm"].where(one["land"])) if "land" in one else one
        for one in datasets]
    values = [first["twsa_mm"], *(
        other["twsa_mm"].reindex(time=first["time"], method="nearest",
                                 tolerance="10D")
        .reindex(lat=first["lat"], lon=first["lon"], method="nearest", tolerance=_HALF_MASCON_DEG)
        for other in others)]
    stacked = np.stack([value.values for value in values])
    known = np.isfinite(stacked)
    mean = np.divide(np.where(known, stacked, 0.0).sum(axis=0), known.sum(axis=0),
                     out=np.full(stacked.shape[1:], np.nan), where=known.any(axis=0))
    return first.assign(twsa_mm=(("time", "lat", "lon"), mean))


def merge_loading(datasets: Sequence[xr.Dataset]) -> xr.Dataset:
    """Union of days and stations, every day from the first to the last.

    On equal day and station a later dataset wins for each variable, unless its value is NaN.

    Raises
    ------
    ContractError
        Nothing to merge.
    """
    return _merge(datasets, "station", [("ntal_up_mm",), ("ntol_up_mm",)], ())


def of_stream(dataset: xr.Dataset, number: int) -> xr.Dataset:
    """The dataset with `<variable>_stream` beside each quantity: the number of its stream."""
    quantities = [name for name in dataset.data_vars if str(name).endswith(_QUANTITIES)]
    return dataset.assign({f"{name}{STREAM}": (dataset[name].dims, np.full(
        dataset[name].shape, number, np.uint16)) for name in quantities})


def day_streams(dataset: xr.Dataset, quantity: str, streams: Sequence[str]) -> NDArray[np.str_]:
    """Stream that gave most of a day's values of a quantity, (time,); empty on a day without.

    Of two with as many values the weaker one: `streams` are ordered from the weakest to the best.
    """
    present = np.isfinite(dataset[quantity].values)
    number = dataset[f"{quantity}{STREAM}"].values
    counts = np.stack([(present & (number == n)).sum(axis=1) for n in range(len(streams))])
    names = np.array(streams)[counts.argmax(axis=0)]
    return np.where(counts.sum(axis=0) > 0, names, "")


def _merge(
    datasets: Sequence[xr.Dataset], dim: str, groups: Sequence[tuple[str, ...]],
    places: tuple[str, ...],
) -> xr.Dataset:
    """Merge by groups of variables; the first variable of a group decides what is present."""
    if not datasets:
        raise ContractError("nothing to merge", where=f"merge by {dim}", expected="a dataset")
    there = {str(name) for dataset in datasets for name in dataset.data_vars}
    groups = [tuple(name for name in (*group, f"{group[0]}{STREAM}") if name in there)
              for group in groups if group[0] in there]
    days = [dataset["time"].values.astype("datetime64[D]") for dataset in datasets]
    names = [dataset[dim].values for dataset in datasets]
    first, last = min(d.min() for d in days), max(d.max() for d in days)
    axis = np.arange(first, last + DAY, dtype="datetime64[D]")
    union = np.unique(np.concatenate(names))
    shape = (axis.size, union.size)
    merged = {name: np.zeros(shape, np.uint16) if _is_number_of(name) else np.full(shape, np.nan)
              for group in groups for name in group}
    place = {name: np.full(union.size, np.nan) for name in places}
    for dataset, day, name in zip(datasets, days, names, strict=True):
        columns = np.searchsorted(union, name)
        target = np.ix_((day - first).astype(np.int64), columns)
        for key in places:
            place[key][columns] = dataset.variables[key].values
        for group in groups:
            if group[0] not in dataset.variables:
                continue
            present = np.isfinite(dataset.variables[group[0]].values)
            for key in group:
                values = dataset.variables[key].values if key in dataset.variables else np.uint16(0)
                merged[key][target] = np.where(present, values, merged[key][target])
    coordinates = {"time": ("time", axis.astype("datetime64[ns]")), dim: (dim, union),
                   **{key: (dim, values) for key, values in place.items()}}
    return xr.Dataset({key: (("time", dim), values) for key, values in merged.items()}, coordinates)


def _height(dataset: xr.Dataset) -> str:
    """What the pressure's attribute `height` says; empty without."""
    return str(dataset[_PRESSURE].attrs.get("height", "")) if _PRESSURE in dataset else ""


def _is_number_of(name: str) -> bool:
    return name == "flag" or name.endswith(STREAM)
