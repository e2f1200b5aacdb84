"""The script that made the sample, on a small look-alike of its sources."""

import gzip
import importlib
import json

import numpy as np
import pytest
import xarray as xr

make_sample = importlib.import_module("dwlim_ops.regions.australia.make_sample")
FILES = ("gnss.nc", "weather.nc", "grace.nc", "outline.geojson", "basins.csv")


@pytest.fixture
def source(tmp_path):
    australia, geo = tmp_path / "in" / "australia", tmp_path / "in" / "geo"
    for folder in (australia / "gnss_up", australia / "weather", geo):
        folder.mkdir(parents=True)
    (australia / "sites.all").write_text("BBBB -242.5 -34.5 36.6\nAAAA -226.25 -23.5 603.0\n")
    for name, first in (("aaaa", 1), ("bbbb", 3)):
        lines = [f"200901{day:02d} {day / 7:8.3f} {3 + day / 9:7.3f}\n" for day in range(first, 9)]
        content = gzip.compress("".join(lines).encode())
        (australia / "gnss_up" / f"{name}.up.gz").write_bytes(content)
    header = ("date,station,t_min_degC,t_max_degC,t_09h_degC,t_15h_degC,mslp_09h_hPa,mslp_15h_hPa,"
              "rain_mm\n")
    rows = ["2009-01-01,X,10.1,20.2,,,1010.1,1012.2,0.4\n", "2009-01-01,Y,,20.0,,,1010.0,,1.0\n",
            "2009-01-03,Y,1.0,2.0,,,1000.0,1002.0,\n", "2009-01-03,X,1.0,2.0,,,1000.0,1002.0,\n",
            "2009-01-04,X,1.0,2.0,,,1000.0,1002.0,0.0\n"]
    content = (header + "".join(rows)).encode()
    (australia / "weather" / "observations.csv.gz").write_bytes(gzip.compress(content))
    (australia / "weather" / "stations.csv").write_text(
        "station,bom_number,latitude_degN,longitude_degE\nY,2,-30.0,140.0\nX,1,-20.0,130.0\n")
    thickness = np.arange(8, dtype=np.float32).reshape(2, 2, 2) / 7
    grace = xr.Dataset(
        {"lwe_thickness": (("time", "lat", "lon"), thickness)},
        {"time": np.array(["2009-01-16T00", "2011-10-31T00"], "datetime64[ns]"),
         "lat": [-20.5, -19.5], "lon": [130.5, 131.5]}, {"title": "box"})
    grace.to_netcdf(australia / "grace_csr_ddk3_1deg_2002_2013.nc")
    (australia / "AUS_border_L1.txt").write_text("130 -20\n130 -10\n140 -20\n130 -20\n")
    cells = (b"longitude,latitude,basin_id,basin_name\n130.25,-19.75,184,North\n"
             b"147.25,-42.75,211,Tasmania\n")
    (geo / "world_basins_0p5deg_xanthos.csv.gz").write_bytes(gzip.compress(cells))
    return tmp_path / "in"


def test_the_same_sources_give_the_same_bytes(source, tmp_path):
    contents = []
    for name in ("one", "two"):
        target = tmp_path / name
        target.mkdir()
        make_sample.main(source, target)
        contents.append([(target / file).read_bytes() for file in FILES])
    assert contents[0] == contents[1]


def test_values_gaps_and_spans_are_those_of_the_sources(source, tmp_path):
    make_sample.main(source, tmp_path)
    with xr.open_dataset(tmp_path / "weather.nc") as weather:
        assert [str(t)[:10] for t in weather["time"].values] == [
            "2009-01-01", "2009-01-02", "2009-01-03"]
        x, y = weather.sel(site="X"), weather.sel(site="Y")
        assert float(x["temperature_k"][0]) == pytest.approx(288.3)
        assert float(x["pressure_pa"][0]) == pytest.approx(101115.0)
        assert np.isnan([y["temperature_k"][0], y["pressure_pa"][0], x["rain_mm"][1]]).all()
    with xr.open_dataset(tmp_path / "grace.nc") as grace:
        spans = grace["time_bounds"].values.astype("datetime64[D]").astype(str).tolist()
        assert spans == [["2009-01-01", "2009-02-01"], ["2011-10-16", "2011-11-15"]]
        assert grace["calendar_month"].values.tolist() == [1, 0]
    assert "211" not in (tmp_path / "basins.csv").read_text()
    ring = json.loads((tmp_path / "outline.geojson").read_text())
    assert ring["features"][0]["geometry"]["coordinates"][0][1] == [140.0, -20.0]


def test_a_value_that_differs_from_its_source_stops_the_script(source, tmp_path):
    make_sample.main(source, tmp_path)
    file = source / "australia" / "gnss_up" / "aaaa.up.gz"
    text = gzip.decompress(file.read_bytes()).replace(b"0.143", b"0.144")
    file.write_bytes(gzip.compress(text))
    with pytest.raises(SystemExit, match="AAAA"):
        make_sample.verify_gnss(source / "australia", tmp_path / "gnss.nc")
