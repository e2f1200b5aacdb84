import hashlib
import os
import subprocess
import sys
import time
from dataclasses import replace

import netCDF4
import numpy as np
import pytest
import xarray as xr
from compliance import failed_checks

from dwlim_ops.errors import MalformedInputError
from dwlim_ops.products.contents import Creator
from dwlim_ops.products.daily import build
from dwlim_ops.products.encode import read, to_bytes, write


@pytest.fixture(scope="module")
def files(region, tmp_path_factory):
    folder = tmp_path_factory.mktemp("products")
    creator = Creator("Desk", "Agency", "desk@example.org", "https://example.org", "org.example")
    full = region.product(creator=creator)
    gnss_only = build(region.grid, region.both()[:1], region.stations, None,
                      replace(region.provenance, creator=creator, published_method="tragnss"))
    against_normal = region.product(creator=creator, anomaly=region.anomaly())
    paths = {}
    for name, product in (("full", full), ("gnss_only", gnss_only),
                          ("against_normal", against_normal)):
        paths[name] = folder / f"{name}.nc"
        write(product, paths[name])
    return paths


def test_same_product_gives_same_bytes_at_another_second(region):
    first = to_bytes(region.product())
    time.sleep(1.1)
    assert hashlib.sha256(to_bytes(region.product())).digest() == hashlib.sha256(first).digest()
    assert to_bytes(region.product(revision=2)) != first


@pytest.mark.slow
def test_bytes_do_not_depend_on_the_process(files, tmp_path):
    code = ("import sys; from pathlib import Path; "
            "from dwlim_ops.products.encode import read, write; "
            "write(read(Path(sys.argv[1])), Path(sys.argv[2]))")
    for seed in ("1", "2"):
        again = tmp_path / f"{seed}.nc"
        subprocess.run([sys.executable, "-c", code, files["full"], again], check=True,
                       env={**os.environ, "PYTHONHASHSEED": seed})
        assert again.read_bytes() == files["full"].read_bytes()


def test_read_gives_back_what_was_written(region, files):
    product, again = region.product(), read(files["full"])
    xr.testing.assert_identical(again.root.drop_attrs(), product.root.drop_attrs())
    xr.testing.assert_identical(again.stations, product.stations)
    xr.testing.assert_identical(again.simulated_cells, product.simulated_cells)
    assert again.stations["exclusion"].values[4] == "swelling aquifer (é)"
    assert read(files["gnss_only"]).simulated_cells.sizes["cell"] == 0


def test_file_layout_for_other_readers(files):
    with netCDF4.Dataset(files["full"]) as file:
        assert file.variables["twsa"].dimensions == ("time", "lat", "lon")
        assert file.variables["twsa"].dtype == np.float32
        assert file.variables["twsa"].filters()["zlib"]
        assert file.variables["twsa"]._FillValue == netCDF4.default_fillvals["f4"]
        assert file.variables["twsa"][0, 0, 0] is np.ma.masked
        assert file.variables["time"][0] == 17318  # days from 1970-01-01 to 2017-06-01
        assert file.variables["quality_flag"].flag_masks.dtype == np.uint8
        assert set(file["displacements"].groups) == {"stations", "simulated_cells"}
        assert file.date_created == file.as_of == "2017-06-03T06:00:00Z"
        assert file.input_streams == "ngl/final, era5/era5t"
        assert file.input_age_days.tolist() == [2.25, 3.25]
        assert file.license == "CC-BY-4.0"


def test_other_files_are_malformed(tmp_path):
    text, foreign = tmp_path / "text.nc", tmp_path / "foreign.nc"
    text.write_text("not a product")
    xr.Dataset({"a": ("x", np.zeros(2))}).to_netcdf(foreign)
    for path in (text, foreign, tmp_path / "missing.nc"):
        with pytest.raises(MalformedInputError, match=path.name):
            read(path)


@pytest.mark.parametrize(("kind", "unnamed"), [
    ("full", ["resolution_km"]), ("gnss_only", ["resolution_km"]),
    ("against_normal", ["resolution_km", "twsa_standardized_anomaly", "twsa_percentile"])])
def test_file_keeps_cf_and_acdd(files, kind, unnamed, tmp_path):
    assert failed_checks("cf:1.11", files[kind], tmp_path) == (True, [])
    _, failed = failed_checks("acdd:1.3", files[kind], tmp_path)
    # CF has no standard name for these; a wrong one would be worse than none.
    assert sorted(failed) == sorted(
        (f'variable "{name}" missing the following attributes:', "standard_name")
        for name in unnamed)
