"""The climatology as a netCDF file: what consumers read, and what later ticks go by."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dwlim_ops.errors import MalformedInputError
from dwlim_ops.geometry import Basins, Grid
from dwlim_ops.products.attributes import CONVENTIONS, SYNTHETIC
from dwlim_ops.products.climatology import Climatology
from dwlim_ops.products.daily import crs_variable, horizontal_coordinates
from dwlim_ops.products.encode import FILL
from dwlim_ops.products.standing import distribution_in_words

Array = NDArray[np.float64]
_MM: Final = {"units": "kg m-2"}
#: Variables by field of `Climatology`: dimensions beside place, attributes.
_FIELDS: Final[dict[str, tuple[tuple[str, ...], dict[str, str]]]] = {
    "normal_terms": (("normal_term",), _MM | {
        "long_name": "normal water storage anomaly: mean, then cosine and sine of each harmonic"}),
    "variance_terms": (("variance_term",), {
        "long_name": "variance of single days about the normal: mean, cosine and sine of the year",
        "units": "kg2 m-4"}),
    "trend_mm_per_year": ((), {
        "long_name": "trend within the period; not part of the normal", "units": "kg m-2 year-1"}),
    "trend_sigma_mm_per_year": ((), {
        "long_name": "standard error of the trend", "units": "kg m-2 year-1"}),
}


@dataclass(frozen=True, eq=False)
class Normals:
    """Climatology of one estimate: of the cells of the grid's domain, NaN off the published land,
    and of the basins."""

    method: str
    cells: Climatology
    basins: Climatology


def climatology_to_bytes(normals: Normals, grid: Grid, basins: Basins, *, region_title: str,
                         synthetic: bool, data: str) -> bytes:
    """Content of the file; equal climatologies give equal bytes. `data` says whose it is."""
    cells = normals.cells
    label = SYNTHETIC if synthetic else ""
    attributes: dict[str, Any] = {
        "Conventions": CONVENTIONS,
        "title": f"{label}Climatology of terrestrial water storage, {region_title}",
        "summary": f"{label}normal = sum of normal_terms times (1, cos a, sin a, cos 2a, ...), "
                   "spread = square root of the sum of variance_terms times (1, cos a, sin a), "
                   "a = 2 pi (d + 0.5) / 366 with d the place of the day in a leap year from 0",
        "history": f"computed by dwlim_ops from {normals.method}, {data}, of {cells.first} to "
                   f"{cells.last}",
        "method": normals.method, "method_data": data,
        "climatology_first": cells.first.isoformat(), "climatology_last": cells.last.isoformat(),
        "n_independent": cells.n_independent,
        "percentile_distribution": distribution_in_words(cells),
        "synthetic": "true" if synthetic else "false",
    }
    variables: dict[str, Any] = {"crs": crs_variable()}
    for name, (dims, about) in _FIELDS.items():
        on_grid = grid.on_grid(np.where(grid.land, getattr(cells, name), np.nan))
        variables[name] = ((*dims, "lat", "lon"), on_grid.astype(np.float32),
                           about | {"grid_mapping": "crs"})
        variables[f"basin_{name}"] = ((*dims, "basin"), getattr(normals.basins, name), about)
    for dim, name, words, meaning in (
        ("basin", "basin_id", basins.identifier, "identifier of the basin"),
        ("basin", "basin_name", basins.name, "name of the basin"),
        ("normal_term", "normal_factor", _factors(cells.n_harmonics), "factor of a term"),
        ("variance_term", "variance_factor", _factors(1), "factor of a term"),
    ):
        variables[name] = (dim,), np.array(words, object), {"long_name": meaning}
    return _to_bytes(xr.Dataset(variables, horizontal_coordinates(grid), attributes))


def read_climatology(content: bytes, grid: Grid, basins: Basins) -> Normals:
    """The climatology of a file's content.

    Raises
    ------
    MalformedInputError
        It is not such a file, or of another grid or other basins.
    """
    try:
        with TemporaryDirectory(prefix="dwlim-climatology-") as folder:
            path = Path(folder) / "climatology.nc"
            path.write_bytes(content)
            with xr.open_dataset(path, engine="netcdf4") as opened:
                dataset = opened.load()
        first, last = (date.fromisoformat(str(dataset.attrs[f"climatology_{end}"]))
                       for end in ("first", "last"))
        n_independent = float(dataset.attrs["n_independent"])
        cells = {name: dataset[name].values[..., grid.domain].astype(float) for name in _FIELDS}
        if tuple(dataset["basin_id"].values) != basins.identifier:
            raise ValueError("other basins")
        of_basins = {name: dataset[f"basin_{name}"].values for name in _FIELDS}
        return Normals(str(dataset.attrs["method"]),
                       Climatology(first, last, n_independent=n_independent, **cells),
                       Climatology(first, last, n_independent=n_independent, **of_basins))
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise MalformedInputError(
            "not a climatology of this region", where="climatology.nc", got=repr(error),
            expected="a file that this code wrote", remedy="the next day that is made writes it "
            "anew") from error


def _factors(n_harmonics: int) -> list[str]:
    return ["1", *(f"{function}({harmonic}a)" for harmonic in range(1, n_harmonics + 1)
                   for function in ("cos", "sin"))]


def _to_bytes(dataset: xr.Dataset) -> bytes:
    for name in dataset.variables:
        variable = dataset[name]
        kind = variable.dtype
        variable.encoding = {} if variable.ndim == 1 else {"coordinates": None}
        if kind == np.float32:
            variable.encoding |= {"_FillValue": FILL, "zlib": True, "complevel": 4,
                                  "shuffle": True}
        elif kind.kind == "f":
            variable.encoding["_FillValue"] = None
    with TemporaryDirectory(prefix="dwlim-climatology-") as folder:
        path = Path(folder) / "climatology.nc"
        dataset.to_netcdf(path, engine="netcdf4")
        return path.read_bytes()
