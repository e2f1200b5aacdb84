"""Damaged gridded files: never a crash or a hang, an error with a reason or an unharmed grid."""

from io import BytesIO

import h5py
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dwlim_ops.errors import MalformedInputError
from dwlim_ops.sources.formats.grids import grib
from dwlim_ops.sources.formats.grids.gldas import read_gldas
from dwlim_ops.sources.formats.grids.read import MAGIC, read_grid
from dwlim_ops.sources.formats.grids.regrid import Cells, Regridder
from dwlim_ops.sources.formats.grids.weather import daily_weather, read_orography
from tests.replicas.gridfiles import Variable, classic_file, grib_message, netcdf4_file

LAT, LON = 50 - 0.25 * np.arange(5), 10 + 0.25 * np.arange(6)
REGRIDDER = Regridder(Cells(np.array([10.5]), np.array([49.5]), 1.0, np.zeros(1)))
FIELD = 1e5 + np.arange(25.0)[:, None, None] * np.ones((25, 5, 6))
LAW = settings(derandomize=True, deadline=None, max_examples=80)


def gribs():
    def message(hour, edition):
        keys = {"dataDate": 20261110, "dataTime": 100 * hour, "bitsPerValue": 16}
        keys |= {"paramId": 134} if edition == 1 else {
            "discipline": 0, "parameterCategory": 3, "parameterNumber": 0}
        return grib_message(FIELD[hour], LON, LAT, keys, edition=edition)

    return {f"grib{e}": message(0, e) + message(1, e) for e in (1, 2)}


def netcdfs():
    axes = {"latitude": Variable(("latitude",), LAT, {}),
            "longitude": Variable(("longitude",), LON, {})}
    time = np.arange(25, dtype=np.int32)
    since = {"units": "hours since 2026-11-10", "calendar": "gregorian"}
    new = netcdf4_file({
        "time": Variable(("time",), time, since), **axes,
        "expver": Variable(("time",), np.array(["0005"] * 25, "U4")),
        "sp": Variable(("time", "latitude", "longitude"), FIELD, {"units": "Pa"}, fill=np.nan)},
        {}, compress=True)
    packed = (FIELD - 1e5).astype(np.int16)
    old = classic_file({
        "time": Variable(("time",), time, since), **axes,
        "sp": Variable(("time", "latitude", "longitude"), packed, {
            "units": "Pa", "scale_factor": 1.0, "add_offset": 1e5}, fill=-32767)},
        {}, {"time": 25, "latitude": 5, "longitude": 6})
    return {"netcdf4": new, "classic": old}


FILES = gribs() | netcdfs()
CHANGES = st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), min_size=1, max_size=8)


def damaged(content, changes, cut):
    spoilt = bytearray(content)
    for place, value in changes:
        spoilt[place % len(spoilt)] = value
    return bytes(spoilt[: len(spoilt) - cut % len(spoilt)] if cut else spoilt)


def read_or_refused(content):
    try:
        grid = read_grid(content, where="fuzzed")
    except MalformedInputError:
        return
    assert (np.diff(grid["time"].values) > np.timedelta64(0)).all()
    assert (np.abs(grid["lat"].values) <= 90).all()
    try:
        weather = daily_weather(grid, REGRIDDER, where="fuzzed")
    except MalformedInputError:
        return
    pressure = weather["pressure_pa"].values
    assert ((pressure > 45e3) & (pressure < 110e3) | np.isnan(pressure)).all()


@pytest.mark.parametrize("name", FILES)
def test_the_unharmed_files_are_read(name):
    grid = read_grid(FILES[name], where=name)
    assert float(grid["sp"].mean()) == pytest.approx(FIELD[: grid.sizes["time"]].mean())


@LAW
@given(st.sampled_from(sorted(FILES)), CHANGES, st.just(0) | st.integers(0, 2**20))
def test_changed_and_cut_files(name, changes, cut):
    read_or_refused(damaged(FILES[name], changes, cut))


@LAW
@given(st.sampled_from([*MAGIC, b""]), st.binary(max_size=400))
@example(b"GRIB", b"\xff\xff\xff\x01")
@example(b"GRIB", b"\x00\x00\x00\x02" + b"\xff" * 8)
@example(b"GRIB", b"\x00\x00\x08\x01")
def test_garbage_behind_the_first_bytes(magic, rest):
    read_or_refused(magic + rest)


@settings(LAW, max_examples=20)
@given(st.sampled_from(sorted(FILES)), CHANGES)
def test_readers_of_one_product_refuse_too(name, changes):
    content = damaged(FILES[name], changes, 0)
    with pytest.raises(MalformedInputError):
        read_gldas(content, "GLDAS_CLSM025_DA1_D.A20261110.022.nc4")
    with pytest.raises(MalformedInputError):
        read_orography(content, where="fuzzed")


def test_a_small_grib_file_cannot_ask_for_much_memory():
    keys = {"dataDate": 20261110, "bitsPerValue": 0}
    message = grib_message(np.full((5, 6), 1.0), LON, LAT, keys, edition=1)
    ni_nj = message.index((6).to_bytes(2, "big") + (5).to_bytes(2, "big"))
    huge = message[:ni_nj] + b"\xff\xfe\xff\xfe" + message[ni_nj + 4:]
    with pytest.raises(MalformedInputError, match=r"impossible grid|cannot be decoded"):
        read_grid(huge, where="bomb")


def test_small_files_that_announce_huge_ones_are_refused(monkeypatch):
    monkeypatch.setattr(grib, "MOST_VALUES", 59)
    with pytest.raises(MalformedInputError, match="too large"):
        grib.read_grib(FILES["grib1"], where="bomb")
    for sizes in ({"time": 2**33}, {"time": 2**20, "lat": 2**20, "lon": 2**20}):
        content = BytesIO()
        with h5py.File(content, "w") as file:
            for name, size in sizes.items():
                axis = file.create_dataset(name, (size,), "f4", chunks=(1024,))
                axis.make_scale(name)
            field = file.create_dataset("sp", tuple(sizes.values()), "f4",
                                        chunks=(16,) * len(sizes))
            for number, name in enumerate(sizes):
                field.dims[number].attach_scale(file[name])
        with pytest.raises(MalformedInputError, match=r"too long|too large|no usable time"):
            read_grid(content.getvalue(), where="bomb")
