"""The climatology as a file: what was written is read, anywhere and by anyone."""

from dataclasses import fields, replace
from datetime import date

import numpy as np
import pytest
import xarray as xr
from compliance import failed_checks

from dwlim_ops.errors import MalformedInputError
from dwlim_ops.geometry import Basins
from dwlim_ops.products.climatology import Climatology
from dwlim_ops.products.climatology_file import (
    Normals,
    climatology_to_bytes,
    read_climatology,
)


def climatology(n, seed):
    random = np.random.default_rng(seed)
    return Climatology(
        date(2009, 1, 1), date(2013, 12, 31), random.normal(0, 30, (5, n)),
        np.vstack([np.full(n, 900.0), random.normal(0, 50, (2, n))]), random.normal(size=n),
        random.uniform(1, 2, n), 3.9)


@pytest.fixture(scope="module")
def normals(region):
    return Normals("dwlim_st", climatology(int(region.grid.domain.sum()), 0), climatology(2, 1))


@pytest.fixture(scope="module")
def content(region, normals):
    return written(region, normals)


def written(region, normals):
    return climatology_to_bytes(normals, region.grid, region.basins, region_title="Toyland",
                                synthetic=False, data="the filter")


def test_what_was_written_is_read(region, normals, content):
    found = read_climatology(content, region.grid, region.basins)
    assert (found.method, found.basins.n_independent) == ("dwlim_st", 3.9)
    land = region.grid.land
    for name in ("normal_terms", "variance_terms", "trend_mm_per_year",
                 "trend_sigma_mm_per_year"):
        values = getattr(found.cells, name)
        np.testing.assert_allclose(values[..., land], getattr(normals.cells, name)[..., land],
                                   rtol=1e-6)
        assert np.isnan(values[..., ~land]).all()
    for field in fields(Climatology):
        np.testing.assert_array_equal(getattr(found.basins, field.name),
                                      getattr(normals.basins, field.name))


def test_equal_climatologies_give_equal_bytes(region, normals, content):
    assert written(region, normals) == content
    again = read_climatology(content, region.grid, region.basins)
    assert written(region, again) == content
    assert written(region, replace(normals, method="tragnss")) != content


def test_the_file_says_how_to_use_it(region, normals, content, tmp_path):
    path = tmp_path / "climatology.nc"
    path.write_bytes(content)
    with xr.open_dataset(path) as opened:
        angle = 2 * np.pi * (45 + 0.5) / 366
        factor = {"1": 1.0, **{f"{name}({k}a)": function(k * angle) for k in (1, 2)
                               for name, function in (("cos", np.cos), ("sin", np.sin))}}
        weight = [factor[term] for term in opened["normal_factor"].values]
        normal = np.tensordot(weight, opened["normal_terms"].values, 1)
        assert opened.attrs["method_data"] == "the filter"
    expected = region.grid.on_grid(normals.cells.normal_mm(np.array([45]))[0])
    shown = np.isfinite(normal)
    assert shown.sum() == region.grid.land.sum()
    np.testing.assert_allclose(normal[shown], expected[shown], atol=1e-3)


def test_the_file_keeps_cf(content, tmp_path):
    path = tmp_path / "climatology.nc"
    path.write_bytes(content)
    assert failed_checks("cf:1.11", path, tmp_path) == (True, [])


def test_other_content_is_malformed(region, content):
    for wrong in (b"", b"text", content[:2000]):
        with pytest.raises(MalformedInputError, match="not a climatology"):
            read_climatology(wrong, region.grid, region.basins)
    others = Basins(("7", "13"), ("a", "b"), region.basins.weight)
    with pytest.raises(MalformedInputError, match="other basins"):
        read_climatology(content, region.grid, others)
