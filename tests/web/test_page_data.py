"""What the page reads decodes to what the product holds."""

import inspect
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import shapely
import synthetic
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.contracts import GNSS_FLAGS
from dwlim_ops.geometry import make_grid, read_basins
from dwlim_ops.publish import page_data
from dwlim_ops.publish.page_data import (
    LAYERS,
    MISSING,
    BasinFiles,
    PageGrid,
    PageSettings,
    encode_basins,
    encode_geography,
    encode_grid,
    encode_index,
    legend_step,
    to_json,
)
from dwlim_ops.qc import comparison, screening

QUALITY = {"low_resolution": 1, "outside_land": 32}


def product(values: np.ndarray, land: np.ndarray) -> xr.Dataset:
    """A root dataset as `products.daily` makes it, as far as the page reads it."""
    n_lat, n_lon = values.shape
    shown = np.where(land, values, np.nan)[None].astype(np.float32)
    maps = dict.fromkeys(LAYERS, (("time", "lat", "lon"), shown))
    flag = np.where(land, 1, QUALITY["outside_land"])[None].astype(np.uint8)
    attributes = {"flag_masks": np.array([*QUALITY.values()], np.uint8),
                  "flag_meanings": " ".join(QUALITY)}
    return xr.Dataset({**maps, "quality_flag": (("time", "lat", "lon"), flag, attributes)},
                      coords={"lat": 40.25 + 0.5 * np.arange(n_lat),
                              "lon": 10.25 + 0.5 * np.arange(n_lon)},
                      attrs={"published_method": "tragnss"})


def station_table(flag: list[int], exclusion: list[str], up_mm: list[float]) -> xr.Dataset:
    n_stations = len(flag)
    return xr.Dataset({
        "station": ("station", [f"S{number}" for number in range(n_stations)]),
        "longitude": ("station", np.full(n_stations, 11.0)),
        "latitude": ("station", np.full(n_stations, 42.0)),
        "up_mm": ("station", up_mm), "up_sigma_mm": ("station", np.ones(n_stations)),
        "flag": ("station", np.array(flag, np.uint8)),
        "exclusion": ("station", np.array(exclusion, dtype=str))})


NO_STATIONS = station_table([], [], [])
NONE_USED = np.zeros(0, dtype=bool)


def decoded(grid: PageGrid, name: str) -> np.ndarray:
    """A layer on the grid, as the page unpacks it."""
    facts = grid.facts
    layer = next(one for one in facts["layers"] if one["name"] == name)
    steps = np.frombuffer(grid.content, "<i2", facts["n_cells"], layer["offset"]).astype(float)
    values, at = np.full(facts["shape"], np.nan), 0
    for row, first, length in np.reshape(facts["runs"], (-1, 3)):
        values[row, first:first + length] = steps[at:at + length]
        at += length
    return np.where(values == MISSING, np.nan, values * layer["step"])


@given(seed=st.integers(0, 2**31), scale=st.sampled_from([0.0, 1.0, 3000.0, 1e5]),
       share=st.sampled_from([0.0, 0.3, 1.0]))
@settings(derandomize=True, deadline=None, max_examples=30)
def test_a_grid_comes_back_within_half_a_step(seed, scale, share):
    random = np.random.default_rng(seed)
    land = random.uniform(size=(5, 7)) < share
    values = np.where(random.uniform(size=(5, 7)) < 0.2, np.nan,
                      scale * random.standard_normal((5, 7)))
    dataset = product(values, land)
    grid = encode_grid(dataset, NO_STATIONS, NONE_USED)
    n_bytes = grid.facts["n_cells"] * (2 * len(LAYERS) + 1)
    assert len(grid.content) == grid.facts["n_bytes"] == n_bytes
    for layer in grid.facts["layers"]:
        wanted = dataset[layer["name"]].values[0].astype(float)
        found = decoded(grid, layer["name"])
        assert (np.isnan(found) == np.isnan(wanted)).all()
        assert np.nanmax(np.abs(found - wanted), initial=0.0) <= layer["step"] / 2 * (1 + 1e-9)
    flags = np.frombuffer(grid.content, np.uint8, offset=grid.facts["flags_offset"])
    assert (flags == 1).all()
    json.loads(to_json(grid.facts))


def test_steps_are_fine_unless_values_are_huge():
    steps = {}
    for scale in (3000.0, 30_000.0):
        facts = encode_grid(product(np.full((2, 2), scale), np.ones((2, 2), bool)),
                            NO_STATIONS, NONE_USED).facts
        steps[scale] = {one["name"]: one["step"] for one in facts["layers"]}
    assert steps[3000.0]["twsa"] == 0.1
    assert steps[30_000.0]["twsa"] == 1.0


def test_a_layer_that_the_product_has_not_is_left_out():
    dataset = product(np.ones((2, 2)), np.ones((2, 2), bool)).drop_vars(
        ["twsa_percentile", "twsa_standardized_anomaly"])
    facts = encode_grid(dataset, NO_STATIONS, NONE_USED).facts
    assert [one["name"] for one in facts["layers"]] == ["twsa", "twsa_sigma", "resolution_km"]


def test_a_station_has_one_state_and_its_reasons():
    flag = [0, GNSS_FLAGS["absent"], GNSS_FLAGS["outlier"] | GNSS_FLAGS["near_step"],
            GNSS_FLAGS["station_excluded"] | GNSS_FLAGS["absent"], 0]
    table = station_table(flag, ["", "", "", "thermal", ""], [1.234, math.nan, 3.0, math.nan,
                                                             math.nan])
    used = np.array([True, False, False, False, False])
    stations = encode_grid(product(np.ones((2, 2)), np.ones((2, 2), bool)), table,
                           used).facts["stations"]
    assert [one["state"] for one in stations] == ["used", "absent", "excluded", "excluded",
                                                  "absent"]
    assert stations[0]["up_mm"] == 1.23
    assert stations[2]["flags"] == ["outlier", "near_step"]
    assert (stations[3]["reason"], stations[3]["flags"], stations[3]["up_mm"]) == (
        "thermal", [], None)


@pytest.fixture(scope="module")
def geography(tmp_path_factory):
    path = tmp_path_factory.mktemp("region") / "basins.csv"
    path.write_text(synthetic.region_files()["basins.csv"])
    grid = make_grid(synthetic.OUTLINE, synthetic.GRID_DEG, synthetic.WIDEN_DEG)
    return encode_geography(synthetic.OUTLINE, grid, read_basins(path, grid))


def test_basins_are_drawn_where_their_cells_are(geography):
    shapes = {one["id"]: shapely.geometry.shape(one["geometry"]) for one in geography["basins"]}
    assert list(shapes) == list(synthetic.BASINS)
    for key, (_, box) in synthetic.BASINS.items():
        wanted = shapely.box(*box) & synthetic.OUTLINE
        assert (shapes[key] ^ wanted).area < 0.03 * wanted.area
    together = shapely.union_all(list(shapes.values()))
    assert together.area == pytest.approx(sum(one.area for one in shapes.values()), rel=1e-6)


def test_the_outline_is_the_region(geography):
    outline = shapely.geometry.shape(geography["outline"])
    assert (outline ^ synthetic.OUTLINE).area < 1e-6
    assert geography["bounds"] == [10.0, 40.0, 22.0, 50.0]


def test_basins_stand_by_the_days_of_the_slider():
    series = {"method": "words", "date": ["2017-01-01", "2017-01-03"], "twsa_mm": [1.0, 3.0],
              "sigma_mm": [0.5, None], "tier": ["preview"] * 2, "revision": [0, 1]}
    standing = {"method": "tragnss", "date": ["2017-01-03"], "category": ["D1"],
                "percentile": [15.0], "standardized_anomaly": [-1.0],
                "probabilities": [[0.0] * 11], "veto": [""]}
    document = {"id": "7", "name": "West", "series": {"tragnss": series}, "standing": standing}
    encoded = encode_basins([BasinFiles(document, "basins/7.json", None)],
                            ["2017-01-02", "2017-01-03"])
    basin = encoded["basins"][0]
    assert basin["estimates"]["tragnss"]["twsa_mm"] == [None, 3.0]
    assert basin["estimates"]["tragnss"]["sigma_mm"] == [None, None]
    assert basin["standing"]["category"] == [None, "D1"]
    assert encode_basins([BasinFiles(document | {"standing": None}, "p", None)], [])[
        "basins"][0]["standing"] is None


@given(st.lists(st.one_of(st.none(), st.floats(0.01, 1e6)), max_size=9))
@settings(derandomize=True, deadline=None, max_examples=50)
def test_a_legend_holds_the_typical_day_in_round_steps(sizes):
    step, known = legend_step(sizes), [size for size in sizes if size]
    mantissa = step / 10 ** math.floor(math.log10(step) + 1e-9)
    assert min(abs(mantissa - one) for one in (1.0, 2.0, 2.5, 5.0)) < 1e-6
    if known:
        assert np.median(known) <= 6 * step * (1 + 1e-9)
        assert 6 * step <= 2.5 * np.median(known) * (1 + 1e-9)


def test_the_index_counts_lateness_from_the_usual_delay():
    index = encode_index(region={"region": "r"}, days=[], sizes=[], settings=PageSettings(),
                         usual_delay_days=2.0, alerts=None, feed=None)
    assert index["thresholds"]["day_late_days"] == 5.0
    assert index["thresholds"]["day_stale_days"] == 12.0
    assert index["region"] == "r"


def test_the_reasons_are_those_of_the_quality_control():
    """Every wording in the source of the checks has a translation."""
    table = (Path(page_data.__file__).parent / "web/js/zh.js").read_text()
    wordings = set(re.findall(r'^ +"([^"]*\{a\}[^"]*)":', table, re.MULTILINE))
    own = inspect.getsource(screening.screen_stations)
    theirs = "".join(map(inspect.getsource, (comparison.reversed_phase,
                                             comparison.thermal_residual)))
    said = [re.sub(r"\{[^{}]+\}", "{}", text) for text in (
        *re.findall(r'f"([^"]+)"', own),
        *("".join(re.findall(r'f"([^"]+)"', part)) for part in theirs.split("def ")[1:]))]
    assert {re.sub(r"\{.\}", "{}", one) for one in wordings} == set(said)
