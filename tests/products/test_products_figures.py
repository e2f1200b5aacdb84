import io
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.image import imread

from dwlim_ops.geometry import Basins
from dwlim_ops.products.basins import basin_rows
from dwlim_ops.products.daily import build
from dwlim_ops.products.figures import round_step
from dwlim_ops.products.maps import basin_borders, day_map
from dwlim_ops.products.plots import COLOURS, basin_plot


def _pixels(png: bytes) -> np.ndarray:
    return imread(io.BytesIO(png), format="png")[..., :3]


def _chunks(png: bytes) -> set[bytes]:
    names, at = set(), 8
    while at < len(png):
        names.add(png[at + 4:at + 8])
        at += 12 + int.from_bytes(png[at:at + 4], "big")
    return names


def test_map_is_the_same_bytes_and_carries_no_date(region):
    product = region.product()
    png = day_map(product, region.grid, region.outline, region.basins)
    assert png == day_map(product, region.grid, region.outline, region.basins)
    assert _chunks(png) <= {b"IHDR", b"pHYs", b"IDAT", b"IEND"}


@pytest.mark.parametrize(("twsa_mm", "channel"), [(-60.0, 0), (60.0, 1)])
def test_dry_is_brown_and_wet_is_green(region, twsa_mm, channel):
    lon, _ = region.grid.cells
    sign = np.where(lon < 123.0, 1.0, 0.1)  # two sizes, so that the scale is not one colour
    product = build(region.grid, [region.result("dwlim", twsa_mm * sign)], region.stations, None,
                    region.provenance)
    pixels = _pixels(day_map(product, region.grid, region.outline, region.basins))
    high, wide, _ = pixels.shape
    west = np.median(pixels[int(0.35 * high):int(0.6 * high), int(0.1 * wide):int(0.25 * wide)],
                     axis=(0, 1))
    assert west.argmax() == channel
    assert west[channel] - west[2 - 2 * channel] > 0.15


def test_low_resolution_changes_the_picture(region):
    n_cells = int(region.grid.domain.sum())
    coarse = replace(region.both()[1], resolution_km=np.full(n_cells, 5000.0))
    sharp = region.product()
    blurred = build(region.grid, [region.both()[0], coarse], region.stations, region.simulated,
                    region.provenance)
    one, other = (_pixels(day_map(p, region.grid, region.outline, region.basins))
                  for p in (sharp, blurred))
    assert one.shape == other.shape
    assert (np.abs(one - other).max(axis=2) > 0.05).mean() > 0.15


def test_classes_have_a_map_of_their_own(region):
    dry = replace(region.anomaly(), percentile=np.full(region.grid.land.size, 1.0))
    wet = replace(region.anomaly(), percentile=np.full(region.grid.land.size, 99.0))
    two, brown, green = (_pixels(day_map(
        region.product(anomaly=anomaly), region.grid, region.outline, region.basins))
        for anomaly in (None, dry, wet))
    assert brown.shape == green.shape
    assert brown.shape[1] > 1.3 * two.shape[1]
    changed = np.flatnonzero((np.abs(brown - green).max(axis=2) > 0.1).mean(axis=0) > 0.1)
    assert 0.38 < changed.min() / brown.shape[1] < changed.max() / brown.shape[1] < 0.72
    middle = (slice(int(0.5 * brown.shape[0]), int(0.6 * brown.shape[0])),
              slice(int(0.5 * brown.shape[1]), int(0.6 * brown.shape[1])))
    assert np.median(brown[middle], axis=(0, 1)).argmax() == 0
    assert np.median(green[middle], axis=(0, 1)).argmax() == 1


def test_product_without_values_or_stations_still_draws(region):
    nothing = replace(region.stations, up_mm=np.full(30, np.nan))
    product = build(region.grid, [region.result("dwlim", np.nan)], nothing, None, region.provenance)
    assert day_map(product, region.grid, region.outline, region.basins).startswith(b"\x89PNG")


def test_border_of_two_basins_is_the_meridian_between_them(region):
    edges = basin_borders(region.grid, region.basins)
    assert edges.shape == (10, 2, 2)  # 5 degrees of latitude in cells of half a degree
    assert (edges[..., 0] == 123.0).all()
    assert sorted(edges[:, 0, 1]) == list(np.arange(-30.0, -25.0, 0.5))
    one = Basins(("1",), ("all",), region.basins.weight[:1])
    assert basin_borders(region.grid, one).size == 0


def test_basin_plot_shows_every_estimate_and_is_stable(region):
    rows = [replace(row, day=row.day - timedelta(days=back), twsa_mm=row.twsa_mm + sign * 40.0)
            for row in basin_rows(region.basins, region.both(), region.provenance,
                                  basin_sigma_mm={"dwlim": np.array([5.0, 5.0])})
            for back in range(30) for sign in [1.0 if row.method == "dwlim" else -1.0]]
    months = (np.array(["2017-05-16"], "M8[D]"), np.array([12.0]))
    draw = [basin_plot(rows, region.basins, region_title="Toyland", end_day=region.provenance.day,
                       grace={"7": months}) for _ in range(2)]
    assert draw[0] == draw[1]
    pixels = _pixels(draw[0])[:int(-72 * 1.1)]
    for method in ("tragnss", "dwlim"):
        colour = np.array([int(COLOURS[method][i:i + 2], 16) / 255 for i in (1, 3, 5)])
        assert (np.abs(pixels - colour).max(axis=2) < 0.02).sum() > 20


@pytest.mark.parametrize("n_basins", [1, 10])
def test_basin_plot_without_rows(region, n_basins):
    names = tuple(str(i) for i in range(n_basins))
    basins = Basins(names, names, np.ones((n_basins, 1)))
    png = basin_plot([], basins, region_title="Toyland", end_day=region.provenance.day)
    assert png.startswith(b"\x89PNG")


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.floats(1e-3, 1e5), st.integers(1, 12))
def test_step_is_round_and_just_enough(largest, n_steps):
    step = round_step(largest, n_steps)
    mantissa = step / 10.0 ** np.floor(np.log10(step) + 1e-9)
    assert min(abs(mantissa - m) for m in (1, 1.5, 2, 2.5, 3, 4, 5)) < 1e-6
    assert step * n_steps >= largest * (1 - 1e-6)
    assert step * n_steps <= largest * 2.0 * (1 + 1e-6)
