"""The arrays of the cube: what they hold, and how days are written into them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any, Final

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, Crc32cCodec

from dwlim_ops.contracts import TIERS
from dwlim_ops.errors import MalformedInputError

LAYOUT: Final = 1
#: Days, and cells of each side, of a chunk: a day touches one block of days, and a cell's ten
#: years are 58 chunks.
BLOCK_DAYS, BLOCK_CELLS = 64, 32
MAP: Final = ("time", "lat", "lon")
#: Bit of `quality_flag`, `revision` and `tier` of a day that the cube does not show.
NOT_SHOWN: Final = {"quality_flag": 128, "revision": -1, "tier": -1}
#: One value for each day: type and meaning.
PER_DAY: Final[dict[str, tuple[str, str]]] = {
    "product_id": ("str", "identifier of the daily product; empty where no day is shown"),
    "sha256": ("str", "SHA-256 of the file of the daily product"),
    "published_method": ("str", "estimate that stands in twsa"),
    "revision": ("int16", "revision of the daily product; -1 where no day is shown"),
    "tier": ("int8", "tier of the daily product"),
}
_CODECS: Final = (BloscCodec(cname="zstd", clevel=5, shuffle="shuffle"), Crc32cCodec())
_LONG: Final = 4096
_DAYS: Final = {"units": "days since 1970-01-01", "calendar": "standard"}
#: Attributes of the daily product that hold for the whole record.
_COMMON: Final = (
    "Conventions", "keywords", "keywords_vocabulary", "naming_authority", "product_version",
    "standard_name_vocabulary", "references", "comment", "synthetic", "license", "acknowledgement",
    "region", "region_title", "reference_period", "institution", "project", "creator_name",
    "creator_email", "creator_url", "publisher_name", "publisher_email", "publisher_url",
    "geospatial_lat_min", "geospatial_lat_max", "geospatial_lon_min", "geospatial_lon_max",
    "geospatial_bounds", "geospatial_bounds_crs")


@dataclass(frozen=True)
class Issue:
    """The product of a day that the cube shall hold."""

    day: date
    product_id: str
    tier: str
    revision: int
    sha256: str


#: Gives the grid of a product; raises `MalformedInputError` if its file is lost or damaged.
Load = Callable[[Issue], xr.Dataset]
PerDay = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Held:
    """What a cube holds: its arrays, first day, and `PER_DAY` of each day from there on.

    A day with a digest but no product was left out for good: its product lies on another grid.
    """

    group: zarr.Group
    first: date
    per_day: PerDay

    @property
    def n_days(self) -> int:
        """Length of the axis."""
        return int(self.per_day["sha256"].size)

    def has(self, issue: Issue) -> bool:
        """The cube has dealt with this issue."""
        row = (issue.day - self.first).days
        return 0 <= row < self.n_days and self.per_day["sha256"][row] == issue.sha256

    def suits(self, issues: Mapping[date, Issue]) -> bool:
        """The cube begins with the record or before, and has no day that the record has not."""
        rows = {(day - self.first).days for day in issues}
        return min(rows) >= 0 and set(np.flatnonzero(self.per_day["sha256"] != "")) <= rows

    @property
    def n_left_out(self) -> int:
        """Days whose product lies on another grid."""
        sha256, name = self.per_day["sha256"], self.per_day["product_id"]
        return int(((sha256 != "") & (name == "")).sum())


def read_held(group: zarr.Group, region: str) -> Held | None:
    """What the cube says that it holds; None if it is of another layout or region."""
    if (group.attrs.get("dwlim_layout"), group.attrs.get("region")) != (LAYOUT, region):
        return None
    first = np.datetime64(int(np.asarray(_array(group, "time")[0])), "D").item()
    return Held(group, first, {name: _values(group, name) for name in PER_DAY})


def is_on_grid(held: Held, grid: xr.Dataset) -> bool:
    """The cells of a product are those of the cube."""
    return _same_cells(_cells(held.group), grid)


def write_setting(group: zarr.Group, model: xr.Dataset) -> None:
    """Write what is the same on all days: attributes, coordinates, bounds, share of land."""
    title = str(model.attrs["title"]).rpartition(", ")[0]
    group.attrs.put({
        "title": f"{title}, whole record", "dwlim_layout": LAYOUT,
        "cdm_data_type": "Grid", "time_coverage_resolution": "P1D",
        **{name: plain(model.attrs[name]) for name in _COMMON if name in model.attrs}})
    for name, variable in model.variables.items():
        if "time" not in variable.dims:
            _put(group, str(name), variable.values, variable.dims, plain(variable.attrs))
        elif variable.dims == MAP and str(name) in group:
            _array(group, str(name)).attrs.put(_map_attributes(str(name), variable.attrs))


def write_days(group: zarr.Group, held: Held | None, days: Sequence[date],
               issues: Mapping[date, Issue], load: Load) -> tuple[Held, dict[date, str]]:
    """Write days into the arrays, block by block of the axis.

    Parameters
    ----------
    held : Held or None
        What the arrays hold; None: nothing, the axis begins with the record.
    days : sequence of date
        Sorted; each one of `issues`, the record.

    Returns
    -------
    Held, dict of date to str
        What the arrays hold now, and why days could not be read.
    """
    first = min(issues) if held is None else held.first
    n_days = max((max(issues) - first).days + 1, 0 if held is None else held.n_days)
    per_day = _grown({} if held is None else held.per_day, n_days)
    for _, array in _maps(group):
        array.resize((n_days, *array.shape[1:]))
    cells, skipped = _cells(group), dict[date, str]()
    for block, members in groupby(days, key=lambda day: (day - first).days // BLOCK_DAYS):
        rows: dict[int, xr.Dataset | None] = {}
        for day in members:
            try:
                grid = load(issues[day])
            except MalformedInputError as error:
                skipped[day] = str(error)
                continue
            fits = _same_cells(cells, grid)
            rows[(day - first).days] = grid if fits else None
            _note(per_day, (day - first).days, issues[day], grid if fits else None)
        if rows:
            _write_block(group, block * BLOCK_DAYS, n_days, rows,
                         blank=held is None or block * BLOCK_DAYS >= held.n_days)
    _write_axis(group, first, per_day)
    return Held(group, first, per_day), skipped


def look_at_blocks(held: Held, days: Iterable[date]) -> None:
    """Read the blocks that days lie in, and another one each time: damage raises."""
    n_blocks = -(-held.n_days // BLOCK_DAYS)
    turn = int(held.per_day["revision"].astype(int).sum()) + held.n_days
    blocks = {(day - held.first).days // BLOCK_DAYS for day in days} | {turn % n_blocks}
    for _, array in _maps(held.group):
        for block in sorted(blocks):
            array[block * BLOCK_DAYS:(block + 1) * BLOCK_DAYS]


def in_words(days: Sequence[date]) -> str:
    """Sorted days as spans.

    >>> in_words([date(2017, 6, 1), date(2017, 6, 2), date(2017, 6, 5)])
    '2017-06-01 to 2017-06-02, 2017-06-05'
    """
    spans: list[list[date]] = []
    for day in days:
        if spans and (day - spans[-1][-1]).days == 1:
            spans[-1] = [spans[-1][0], day]
        else:
            spans.append([day])
    return ", ".join(" to ".join(map(str, span)) for span in spans)


def plain(value: Any) -> Any:
    """Attributes as values that JSON knows."""
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value


def _cells(group: zarr.Group) -> tuple[NDArray[Any], NDArray[Any]]:
    return _values(group, "lat"), _values(group, "lon")


def _same_cells(cells: tuple[NDArray[Any], NDArray[Any]], grid: xr.Dataset) -> bool:
    return all(np.array_equal(held, grid[name].values)
               for held, name in zip(cells, ("lat", "lon"), strict=True))


def _note(per_day: PerDay, row: int, issue: Issue, grid: xr.Dataset | None) -> None:
    per_day["sha256"][row] = issue.sha256
    shown = grid is not None
    per_day["product_id"][row] = issue.product_id if shown else ""
    per_day["revision"][row] = issue.revision if shown else NOT_SHOWN["revision"]
    per_day["tier"][row] = TIERS.index(issue.tier) if shown else NOT_SHOWN["tier"]
    per_day["published_method"][row] = str(
        grid.attrs["published_method"]) if grid is not None else ""


def _write_block(group: zarr.Group, start: int, n_days: int,
                 rows: Mapping[int, xr.Dataset | None], *, blank: bool) -> None:
    """Write the days `rows` of the block from `start` on; None clears a day."""
    shown = [grid for grid in rows.values() if grid is not None]
    names = {str(name): grid[name] for grid in shown for name in grid.data_vars
             if grid[name].dims == MAP}
    for name, one in names.items():
        if name not in group:
            _create_map(group, name, n_days, one)
    stop = min(start + BLOCK_DAYS, n_days)
    for name, array in _maps(group):
        shape = (stop - start, *array.shape[1:])
        block = (np.full(shape, array.fill_value, array.dtype) if blank
                 else np.asarray(array[start:stop]))
        for row, grid in rows.items():
            block[row - start] = (array.fill_value if grid is None or name not in grid
                                  else grid[name].values[0])
        array[start:stop] = block


def _create_map(group: zarr.Group, name: str, n_days: int, one: xr.DataArray) -> None:
    group.create_array(
        name, shape=(n_days, *one.shape[1:]), dtype=one.dtype,
        fill_value=NOT_SHOWN.get(name, np.nan),
        chunks=(BLOCK_DAYS, *(min(BLOCK_CELLS, size) for size in one.shape[1:])),
        dimension_names=MAP, compressors=_CODECS, attributes=_map_attributes(name, one.attrs))


def _map_attributes(name: str, of_day: Mapping[str, Any]) -> dict[str, Any]:
    attributes = {**plain(of_day), "coordinates": "height"}
    if name == "twsa":
        attributes["comment"] = (attributes["comment"].partition("; estimate")[0]
                                 + "; published_method names the estimate of each day")
    if name == "quality_flag":
        attributes["flag_masks"] = [*attributes["flag_masks"], NOT_SHOWN[name]]
        attributes["flag_meanings"] += " day_not_published"
    return attributes


def _write_axis(group: zarr.Group, first: date, per_day: PerDay) -> None:
    n_days = per_day["sha256"].size
    time = int(np.datetime64(first).astype("int64")) + np.arange(n_days, dtype=np.int32)
    _put(group, "time", time, ("time",), _DAYS | {
        "standard_name": "time", "long_name": "UTC day", "axis": "T", "bounds": "time_bnds",
        "units_metadata": "leap_seconds: none", "coverage_content_type": "coordinate"})
    _put(group, "time_bnds", np.stack([time, time + 1], axis=1), ("time", "bnds"), {})
    for name, (_, meaning) in PER_DAY.items():
        flags = {"flag_values": list(range(-1, len(TIERS))),
                 "flag_meanings": " ".join(("day_not_published", *TIERS))}
        _put(group, name, per_day[name], ("time",),
             {"long_name": meaning, **(flags if name == "tier" else {})})
    shown = time[per_day["product_id"] != ""]
    first_day, last_day = (str(np.datetime64(int(shown[end]), "D")) for end in (0, -1))
    group.attrs.update({"time_coverage_start": first_day, "time_coverage_end": last_day})


def _grown(per_day: PerDay, n_days: int) -> PerDay:
    grown = {}
    for name, (kind, _) in PER_DAY.items():
        values = (np.full(n_days, "", dtype=object) if kind == "str"
                  else np.full(n_days, NOT_SHOWN[name], dtype=kind))
        if name in per_day:
            values[:per_day[name].size] = per_day[name]
        grown[name] = values
    return grown


def _put(group: zarr.Group, name: str, values: NDArray[Any], dims: Iterable[Any],
         attributes: Mapping[str, Any]) -> None:
    """Write a whole small array; it is left alone if it holds this already."""
    is_text = values.dtype.kind in "OUT"
    if name in group:
        array = _array(group, name)
        same = (array.shape == values.shape and dict(array.attrs) == attributes
                and np.array_equal(_values(group, name), values))
        if same:
            return
        array.resize(values.shape)
        array.attrs.put(dict(attributes))
    else:
        options: dict[str, Any] = {"fill_value": ""} if is_text else {
            "fill_value": np.zeros(1, values.dtype)[0]}
        array = group.create_array(
            name, shape=values.shape, dtype=str if is_text else values.dtype,
            chunks=tuple(_LONG if size > 1 and dim == "time" else max(size, 1)
                         for dim, size in zip(dims, values.shape, strict=True)),
            dimension_names=list(map(str, dims)), compressors=_CODECS,
            attributes=dict(attributes), **options)
    array[...] = values


def _maps(group: zarr.Group) -> list[tuple[str, zarr.Array[Any]]]:
    return [(name, array) for name, array in sorted(group.arrays())
            if array.metadata.to_dict().get("dimension_names") == MAP]


def _array(group: zarr.Group, name: str) -> zarr.Array[Any]:
    array = group[name]
    assert isinstance(array, zarr.Array)  # noqa: S101  the layout has no inner groups
    return array


def _values(group: zarr.Group, name: str) -> NDArray[Any]:
    values = np.asarray(_array(group, name)[...])
    return values.astype(object) if values.dtype.kind in "UT" else values
