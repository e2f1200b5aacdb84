"""Every kind of bad input through the command line: a recorded reason, and a tick that goes on."""

import gzip
import json

import numpy as np
import pytest
import synthetic
from synthetic import published_files

from dwlim_ops.contracts import GNSS_FLAGS
from dwlim_ops.products import encode

#: Whole ticks of a workspace.
pytestmark = pytest.mark.slow

BEFORE, AFTER = "2016-12-20T18:00:00Z", "2016-12-21T18:00:00Z"
NEW_DAY = "2016-12-19"


def truncated(path):
    text = path.read_text()
    path.write_text(text[:len(text) // 2].rstrip("\n")[:-3])


def truncated_archive(path):
    packed = gzip.compress(path.read_bytes())
    path.unlink()
    path.with_name(path.name + ".gz").write_bytes(packed[:len(packed) // 2])


def emptied(path):
    path.write_bytes(b"")


def with_text(path):
    synthetic.edit(path, lambda lines: [*lines[:9], f"{lines[9][:8]} missing 1.0", *lines[10:]])


def in_metres(path):
    synthetic.edit(path, lambda lines: [
        f"{day} {float(up) / 1000:.7f} {float(sigma) / 1000:.7f}"
        for day, up, sigma in (line.split() for line in lines)])


def in_future(path):
    synthetic.edit(path, lambda lines: [*lines, "20990101 1.0 1.0"])


def web_page(path):
    path.write_text("<html><body>503 Service Unavailable</body></html>\n")


def unknown_station(path):
    path.with_name("nova.up").write_text(path.read_text())


def in_hectopascal(path):
    synthetic.edit(path, lambda lines: [lines[0], *(
        f"{head},{float(pressure) / 100:.3f}"
        for head, pressure in (line.rsplit(",", 1) for line in lines[1:]))])


def in_celsius(path):
    synthetic.edit(path, lambda lines: [lines[0], *(
        f"{day},{site},{float(kelvin) - 273.15:.2f},{pressure}"
        for day, site, kelvin, pressure in (line.split(",") for line in lines[1:]))])


def contradicting_days(path):
    day, site, _, pressure = path.read_text().splitlines()[40].split(",")
    synthetic.edit(path, lambda lines: [*lines, f"{day},{site},300.00,{pressure}"])


GNSS, WEATHER = "inbox/gnss/s005.up", "inbox/weather/2016.csv"
REFUSED = [
    (truncated, GNSS, "cut off"),
    (truncated_archive, GNSS, "truncated or damaged"),
    (emptied, GNSS, "empty"),
    (with_text, GNSS, "text where a number should be"),
    (in_metres, GNSS, "look like m, not mm"),
    (in_future, GNSS, "day in the future"),
    (web_page, GNSS, "web page"),
    (unknown_station, GNSS, "NOVA"),
    (in_hectopascal, WEATHER, "looks like hPa, not Pa"),
    (in_celsius, WEATHER, "looks like degC, not K"),
    (contradicting_days, WEATHER, "two different values"),
    (emptied, WEATHER, "empty"),
    (truncated, WEATHER, "cut off"),
]


@pytest.fixture(scope="module")
def _begun(tmp_path_factory):
    """Ticked at `BEFORE`, with the day before it published."""
    from dwlim_ops.session import Session

    content = synthetic.configuration()
    content["schedule"]["horizon_days"] = 1
    workspace = synthetic.build_workspace(tmp_path_factory.mktemp("begun"), content=content)
    session = Session(workspace)
    synthetic.run_tick(session, synthetic.EARLY)
    session.close()
    return workspace.root


@pytest.fixture
def begun(tmp_path, _begun):
    from conftest import _copy

    return _copy(_begun, tmp_path / "begun")


@pytest.mark.parametrize(("spoil", "file", "words"), REFUSED,
                         ids=[f"{one[0].__name__}-{one[1][6:10]}" for one in REFUSED])
def test_bad_files_are_quarantined_with_a_reason_and_the_rest_is_published(
        begun, command, spoil, file, words):
    earlier = published_files(begun)
    spoil(begun.root / file)
    code, out, err = command("run", begun.root, "--as-of", AFTER)
    assert code == 3, out
    assert "Traceback" not in err
    facts = json.loads(command("status", begun.root, "--json")[1])
    (told,) = facts["quarantined"]
    stream, _, reason = told.partition(": ")
    assert stream == f"{file.split('/')[1]}/final"
    assert words in reason
    assert reason.startswith("nova" if spoil is unknown_station else file.rsplit("/", 1)[1][:4])
    for part in ("expected ", "got ", "remedy: "):
        assert part in reason or (part == "got " and spoil is contradicting_days)
    assert reason in out
    status = json.loads((begun.published / "status.json").read_text())
    assert [one["reason"] for one in status["quarantined"]] == [reason]
    now = published_files(begun)
    for path, content in earlier.items():
        if path.startswith("daily/"):
            assert now[path] == content
    latest = json.loads(now["latest.json"])
    assert (latest["day"], latest["revision"]) == (NEW_DAY, 0)
    assert latest["quality"]["n_stations_used"] >= synthetic.N_STATIONS - 1


def test_a_spoiled_file_leaves_its_earlier_version_in_force(begun, command):
    emptied(begun.root / GNSS)
    command("run", begun.root, "--as-of", AFTER)
    latest = json.loads((begun.published / "latest.json").read_text())
    assert latest["quality"]["n_stations_used"] == synthetic.N_STATIONS


def test_a_mended_file_is_taken_in_again(begun, command):
    good = (begun.root / GNSS).read_text()
    emptied(begun.root / GNSS)
    assert command("run", begun.root, "--as-of", AFTER)[0] == 3
    (begun.root / GNSS).write_text(good)
    assert command("run", begun.root, "--as-of", AFTER)[0] == 0


@pytest.mark.parametrize("spoil", [emptied, web_page])
def test_an_unreadable_list_of_stations_stops_nothing_that_is_known(begun, command, spoil):
    spoil(begun.root / "region/stations.csv")
    code, out, err = command("run", begun.root, "--as-of", AFTER)
    assert code in (3, 4)
    assert "stations.csv" in out + err
    assert "Traceback" not in err


def test_longitudes_may_be_counted_in_either_way(tmp_path, command):
    trees = []
    for name, shift in (("usual", 0.0), ("turned", -360.0)):
        content = synthetic.configuration()
        content["schedule"]["horizon_days"] = 1
        workspace = synthetic.build_workspace(tmp_path / name, content=content)
        for sites in ("stations.csv", "weather_sites.csv"):
            synthetic.edit(workspace.root / "region" / sites, lambda lines, by=shift: [
                lines[0], *(f"{place},{float(longitude) + by:.4f},{latitude}"
                            for place, longitude, latitude in (x.split(",") for x in lines[1:]))])
        assert command("run", workspace.root, "--as-of", BEFORE)[0] == 0
        trees.append(published_files(workspace))
    assert any(path.endswith(".nc") for path in trees[0])
    assert trees[0] == trees[1]


def test_a_contradicting_repeated_day_is_flagged_and_not_used(begun, command):
    synthetic.edit(begun.root / GNSS, lambda lines: [*lines, "20161219 5.0 2.0"])
    stations = station_table_of_changed(begun, command)
    assert stations["flag"] & GNSS_FLAGS["duplicated_epoch"]


def test_a_run_of_nan_is_absent_days(begun, command):
    synthetic.edit(begun.root / GNSS, lambda lines: [
        f"{line[:8]} nan nan" if line[:6] == "201612" else line for line in lines])
    stations = station_table_of_changed(begun, command)
    assert stations["flag"] == GNSS_FLAGS["absent"]
    assert np.isnan(stations["up_mm"])


def station_table_of_changed(workspace, command):
    """Row of the station S005 for the newest day; a replaced file counts from its fetch, now."""
    code, out, _ = command("backfill", workspace.root, "--from", NEW_DAY, "--to", NEW_DAY)
    assert code == 0, out
    (path,) = (workspace.published / "daily").rglob("*20161219_r00.nc")
    stations = encode.read(path).stations
    row = stations["station"].values.tolist().index("S005")
    return {name: stations[name].values[row] for name in ("flag", "up_mm")}
