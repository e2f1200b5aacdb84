"""Basin means: rows of the table `basins.csv` and a document for each basin."""

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from dwlim_ops.contracts import BasinRow, BasinStanding
from dwlim_ops.errors import ContractError
from dwlim_ops.geometry import Basins
from dwlim_ops.products.climatology import Climatology
from dwlim_ops.products.contents import METHODS, Array, MethodResult, Provenance
from dwlim_ops.products.standing import climatology_block, standing_block, standing_value

COLUMNS: Final = ("date", "basin", "method", "twsa_mm", "sigma_mm", "tier", "revision")
SCHEMA_VERSION: Final = 1
_DECIMALS: Final = 3


def basin_rows(
    basins: Basins,
    results: Sequence[MethodResult],
    provenance: Provenance,
    *,
    basin_sigma_mm: Mapping[str, Array] | None = None,
) -> tuple[BasinRow, ...]:
    """Area mean of every basin and estimate, sorted.

    Parameters
    ----------
    basin_sigma_mm : mapping of method to array (n_basins,), optional
        Standard deviation of the basin mean, from the posterior covariance. Errors of cells are
        correlated, so it does not follow from the cells' sigma; without it sigma is NaN.

    Raises
    ------
    ContractError
        `basin_sigma_mm` has not one value for each basin.
    """
    unknown = [math.nan] * len(basins.identifier)
    rows = []
    for result in results:
        sigma = list((basin_sigma_mm or {}).get(result.method, unknown))
        if len(sigma) != len(unknown):
            raise ContractError("wrong length", where=f"basin_sigma_mm of {result.method}",
                                expected=str(len(unknown)), got=str(len(sigma)))
        means = basins.mean(result.twsa_mm)
        rows += [
            BasinRow(provenance.day, basin, result.method, round(float(mean), _DECIMALS),
                     round(float(error), _DECIMALS), provenance.tier, provenance.revision)
            for basin, mean, error in zip(basins.identifier, means, sigma, strict=True)
        ]
    return tuple(sorted(rows, key=lambda row: row.key))


def rows_to_csv(rows: Iterable[BasinRow]) -> str:
    """Content of `basins.csv`; an unknown value is an empty field."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(
        (row.day.isoformat(), row.basin, row.method, _text(row.twsa_mm), _text(row.sigma_mm),
         row.tier, row.revision)
        for row in rows
    )
    return stream.getvalue()


def basin_documents(
    basins: Basins, rows: Iterable[BasinRow], *, region: str, reference_period: str,
    climatology: Climatology | None = None, standings: Iterable[BasinStanding] = (),
) -> dict[str, str]:
    """JSON text of every basin, keyed by its identifier: names, units, one series per estimate.

    `climatology` of the basins, and how the published estimate stands against it, are null where
    there is none.
    """
    of_basin: dict[str, list[BasinStanding]] = {key: [] for key in basins.identifier}
    for standing in standings:
        of_basin[standing.basin].append(standing)
    series: dict[str, dict[str, list[BasinRow]]] = {key: {} for key in basins.identifier}
    for row in rows:
        if row.basin in series:
            series[row.basin].setdefault(row.method, []).append(row)
    return {
        key: json.dumps({
            "schema_version": SCHEMA_VERSION, "region": region, "id": key, "name": name,
            "quantity": "terrestrial water storage anomaly, basin mean",
            "units": {"twsa_mm": "mm of water", "sigma_mm": "mm of water, one standard deviation"},
            "reference_period": reference_period,
            "series": {method: _series(method, of_method)
                       for method, of_method in sorted(series[key].items())},
            "climatology": None if climatology is None else climatology_block(climatology, number),
            "standing": standing_block(of_basin[key]),
        }, ensure_ascii=False, allow_nan=False) + "\n"
        for number, (key, name) in enumerate(zip(basins.identifier, basins.name, strict=True))
    }


def basin_values(basins: Basins, rows: Iterable[BasinRow],
                 standings: Iterable[BasinStanding] = ()) -> tuple[dict[str, Any], ...]:
    """Values of one day for `latest.json`: per basin its id, name, each estimate, its standing."""
    standing_of = {one.basin: standing_value(one) for one in standings}
    values: dict[str, dict[str, Any]] = {key: {} for key in basins.identifier}
    for row in rows:
        values[row.basin][row.method] = {
            "twsa_mm": _number(row.twsa_mm), "sigma_mm": _number(row.sigma_mm)}
    return tuple({"id": key, "name": name, "estimates": values[key],
                  "standing": standing_of.get(key)}
                 for key, name in zip(basins.identifier, basins.name, strict=True))


def _series(method: str, rows: list[BasinRow]) -> dict[str, Any]:
    ordered = sorted(rows, key=lambda row: row.day)
    return {
        "method": METHODS.get(method, method),
        "date": [row.day.isoformat() for row in ordered],
        "twsa_mm": [_number(row.twsa_mm) for row in ordered],
        "sigma_mm": [_number(row.sigma_mm) for row in ordered],
        "tier": [row.tier for row in ordered],
        "revision": [row.revision for row in ordered],
    }


def _text(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.{_DECIMALS}f}"


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, _DECIMALS)
