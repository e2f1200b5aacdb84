"""What a product must fulfil before it is published."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from dwlim_ops.geometry import Basins, Grid
from dwlim_ops.products.daily import QUALITY_FLAGS, DayProduct, station_used

MIN_FINITE_SHARE: Final = 0.95
MAX_MEDIAN_MM: Final = 1000.0
MAX_VALUE_MM: Final = 5000.0


def problems(product: DayProduct) -> tuple[str, ...]:
    """Reasons against publishing, in words; an empty tuple means publishable.

    Checked: the share of land cells with a value, the size of the anomalies, the sign of the
    uncertainty, the time stamp against the attributes, that `twsa` is the published estimate, and
    that a percentile lies between 0 and 100 wherever there is a value.
    """
    return (*_time_problems(product), *_value_problems(product), *_method_problems(product),
            *_percentile_problems(product))


def basin_vetoes(product: DayProduct, grid: Grid, basins: Basins, *, most_flagged: float
                 ) -> dict[str, str]:
    """Why no alert may come of a basin's mean, in words; basins without a reason are left out.

    Reasons are too few stations on the day, and more than `most_flagged` of the basin's area
    flagged as of low resolution, or as of large uncertainty. That a region is synthetic is told by
    the product itself and is no reason: its alerts are exercises.
    """
    flag = product.root["quality_flag"].values[0][grid.domain]
    reasons: dict[str, list[str]] = {basin: [] for basin in basins.identifier}
    if (flag[grid.land] & QUALITY_FLAGS["few_stations"]).any():
        n_used = int(station_used(product.stations).sum())
        reasons = {basin: [f"only {n_used} stations"] for basin in reasons}
    for name in ("low_resolution", "large_uncertainty"):
        shares = basins.mean(((flag & QUALITY_FLAGS[name]) > 0).astype(float))
        for basin, share in zip(basins.identifier, shares, strict=True):
            if share > most_flagged:
                reasons[basin].append(f"{name.replace('_', ' ')} in {share:.0%} of the basin")
    return {basin: "; ".join(words) for basin, words in reasons.items() if words}


def summary(product: DayProduct) -> dict[str, float | int]:
    """Quality of the product in a few numbers, shares of the land cells and medians."""
    flag = product.root["quality_flag"].values
    on_land = flag[(flag & QUALITY_FLAGS["outside_land"]) == 0]
    shares = {f"share_{name}": round(float(((on_land & bit) > 0).sum() / max(on_land.size, 1)), 4)
              for name, bit in QUALITY_FLAGS.items() if name != "outside_land"}
    return {
        "n_land_cells": int(on_land.size),
        "n_stations": product.stations.sizes["station"],
        "n_stations_used": int(station_used(product.stations).sum()),
        "n_simulated_cells": product.simulated_cells.sizes["cell"],
        "median_sigma_mm": _median(product.root["twsa_sigma"].values),
        "median_resolution_km": _median(product.root["resolution_km"].values),
        **shares,
    }


def _median(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return round(float(np.median(finite)), 2) if finite.size else float("nan")


def _time_problems(product: DayProduct) -> Iterator[str]:
    days = np.datetime_as_string(product.root["time"].values, unit="D").tolist()
    claimed = str(product.root.attrs["time_coverage_start"])[:10]
    if days != [claimed]:
        yield f"time: {', '.join(days)} is not the day {claimed} of the attributes"


def _value_problems(product: DayProduct) -> Iterator[str]:
    land = (product.root["quality_flag"].values & QUALITY_FLAGS["outside_land"]) == 0
    if not land.any():
        yield "twsa: no land cell in the product"
        return
    twsa, sigma = product.root["twsa"].values, product.root["twsa_sigma"].values
    finite = land & np.isfinite(twsa)
    share = finite.sum() / land.sum()
    if share < MIN_FINITE_SHARE:
        yield f"twsa: only {share:.1%} of land cells have a value, {MIN_FINITE_SHARE:.0%} needed"
    if np.isfinite(twsa[~land]).any():
        yield "twsa: values outside the published land cells"
    size = np.abs(twsa[finite])
    if size.size and np.median(size) >= MAX_MEDIAN_MM:
        yield f"twsa: median size {np.median(size):.0f} mm, below {MAX_MEDIAN_MM:.0f} expected"
    if size.size and size.max() >= MAX_VALUE_MM:
        yield f"twsa: largest size {size.max():.0f} mm, below {MAX_VALUE_MM:.0f} expected"
    if not (sigma[finite] > 0).all():
        yield f"twsa_sigma: not positive in {int((~(sigma[finite] > 0)).sum())} cells with a value"


def _percentile_problems(product: DayProduct) -> Iterator[str]:
    if "twsa_percentile" not in product.root:
        return
    percentile = product.root["twsa_percentile"].values[np.isfinite(product.root["twsa"].values)]
    bad = int((~((percentile >= 0) & (percentile <= 100))).sum())
    if bad:
        yield f"twsa_percentile: not between 0 and 100 in {bad} cells with a value"


def _method_problems(product: DayProduct) -> Iterator[str]:
    name = f"twsa_{product.root.attrs['published_method']}"
    if name not in product.root:
        yield f"twsa: the published estimate {name} is not in the product"
    elif not np.array_equal(product.root["twsa"].values, product.root[name].values, equal_nan=True):
        yield f"twsa: differs from the published estimate {name}"
