"""Folders that operators fill."""

import datetime
import gzip
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from dwlim_ops.contracts import GNSS, LOADING, WEATHER, Source, check
from dwlim_ops.errors import ConfigError, MalformedInputError
from dwlim_ops.sources.folder import FolderGnss, FolderLoading, FolderWeather
from dwlim_ops.sources.merge import merge_gnss

DATA = Path(__file__).parents[1] / "data" / "gnss_up"
TODAY = datetime.date(2024, 1, 1)
NOW = datetime.datetime(2024, 1, 1, 6, tzinfo=datetime.UTC)


@pytest.fixture
def inbox(tmp_path):
    for name in ("alby.up", "darw.up", "kma1.up", "sites.all"):
        shutil.copy(DATA / name, tmp_path / name)
    (tmp_path / "darw.up.gz").write_bytes(gzip.compress((tmp_path / "darw.up").read_bytes()))
    (tmp_path / "darw.up").unlink()
    (tmp_path / ".alby.up.part").write_bytes(b"half")
    (tmp_path / "README.txt").write_text("not a station")
    return tmp_path


def source_of(inbox, **options):
    return FolderGnss(inbox, sites_file=inbox / "sites.all", **options)


def test_each_station_file_is_one_offer_and_becomes_one_station(inbox):
    source: Source = source_of(inbox)
    offers = source.offers(NOW)
    assert [o.key for o in offers] == ["alby.up", "darw.up.gz", "kma1.up"]
    assert offers[0].valid_from == datetime.date(2009, 1, 1)
    assert offers[0].valid_to > datetime.date(2009, 2, 1)
    assert offers[0].available_at is None
    merged = merge_gnss([source.parse(source.fetch(o).content, o.key, not_after=TODAY)
                         for o in offers])
    check(merged, GNSS, where="folder")
    assert merged["station"].values.tolist() == ["ALBY", "DARW", "KMA1"]
    assert float(merged["longitude_deg"][0]) == pytest.approx(117.810186737, abs=1e-12)
    assert float(merged["up_mm"].sel(station="DARW")[0]) == -15.927
    assert (np.diff(merged["time"].values) == np.timedelta64(1, "D")).all()


def test_the_version_changes_with_the_file_and_with_its_place(inbox):
    first = {o.key: o.version for o in source_of(inbox).offers(NOW)}
    assert first == {o.key: o.version for o in source_of(inbox).offers(NOW)}
    status = (inbox / "alby.up").stat()
    os.utime(inbox / "alby.up", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    sites = (inbox / "sites.all").read_text().replace("-228.867261295", "-228.8")
    (inbox / "sites.all").write_text(sites)
    second = {o.key: o.version for o in source_of(inbox).offers(NOW)}
    assert {key for key in first if first[key] != second[key]} == {"alby.up", "darw.up.gz"}


def test_a_replay_sees_each_day_of_a_copied_file_when_it_would_have_come(inbox):
    source = source_of(inbox, latency_days=2)
    noon = datetime.datetime(2009, 1, 3, 12, tzinfo=datetime.UTC)
    assert [o.key for o in source.offers(noon)] == ["alby.up", "darw.up.gz"]
    assert source.offers(noon - datetime.timedelta(seconds=1)) == []
    assert source.newest_visible_day(noon) == datetime.date(2009, 1, 1)
    later = noon + datetime.timedelta(days=9)
    assert source.newest_visible_day(later) == datetime.date(2009, 1, 10)


def test_a_damaged_file_is_offered_so_that_it_is_reported(inbox):
    (inbox / "alby.up").write_bytes(b"<html>503</html>")
    source = source_of(inbox)
    offer = source.offers(NOW)[0]
    assert offer.key == "alby.up"
    with pytest.raises(MalformedInputError, match="web page"):
        source.parse(source.fetch(offer).content, offer.key, not_after=TODAY)


def test_a_station_that_the_list_lacks_is_named(inbox):
    shutil.copy(inbox / "alby.up", inbox / "nova.up")
    source = source_of(inbox)
    with pytest.raises(MalformedInputError, match="NOVA"):
        source.parse((inbox / "nova.up").read_bytes(), "nova.up", not_after=TODAY)


def test_unit_and_last_day_are_those_of_the_source(inbox):
    content = (DATA / "ahid_in_metres.txt").read_bytes()
    with pytest.raises(MalformedInputError, match='unit = "m"'):
        source_of(inbox).parse(content, "alby.up", not_after=TODAY)
    data = source_of(inbox, unit="m").parse(content, "alby.up", not_after=TODAY)
    assert float(data["up_sigma_mm"][0, 0]) == pytest.approx(3.74)
    with pytest.raises(MalformedInputError, match="future"):
        source_of(inbox, unit="m").parse(content, "alby.up",
                                          not_after=datetime.date(2006, 1, 20))


def test_contradicting_rows_are_marked_in_the_dataset(inbox):
    source = source_of(inbox)
    data = source.parse(b"20090101 1.0 3.0\n20090101 2.0 4.0\n20090103 1.0 3.0\n", "alby.up",
                        not_after=TODAY)
    assert data["flag"].values.ravel().tolist() == [8, 0]
    assert data["flag"].dtype == np.uint16
    check(data, GNSS, where="folder")


def test_an_absent_folder_or_list_is_a_matter_of_configuration(inbox, tmp_path):
    with pytest.raises(ConfigError, match="folder is not there"):
        FolderGnss(tmp_path / "none", sites_file=inbox / "sites.all").offers(NOW)
    with pytest.raises(ConfigError, match="list of sites"):
        FolderGnss(inbox, sites_file=tmp_path / "none").offers(NOW)


def test_weather_tables_are_read_beside_their_list_of_sites(tmp_path):
    (tmp_path / "sites.csv").write_text("site,longitude,latitude\nPerth,-244.1,-31.9\n")
    (tmp_path / "2015.csv").write_text(
        "date,site,temperature_k,pressure_pa\n2015-01-02,Perth,28.5,1012.5\n"
        "2015-01-01,Perth,27.0,1013.5\n")
    source: Source = FolderWeather(tmp_path, sites_file=tmp_path / "sites.csv",
                                   temperature_unit="degC", pressure_unit="hPa")
    offers = source.offers(NOW)
    assert [(o.key, o.valid_from, o.valid_to) for o in offers] == [
        ("2015.csv", datetime.date(2015, 1, 1), datetime.date(2015, 1, 2))]
    data = source.parse(source.fetch(offers[0]).content, "2015.csv", not_after=TODAY)
    check(data, WEATHER, where="folder")
    assert data["pressure_pa"].values.ravel().tolist() == [101350.0, 101250.0]
    assert data["longitude_deg"].values.tolist() == [115.9]
    with pytest.raises(MalformedInputError, match="Darwin"):
        source.parse(b"date,site,temperature_k,pressure_pa\n2015-01-01,Darwin,27.0,1013.5\n", "x",
                     not_after=TODAY)


def test_loading_tables_name_stations_of_the_list(inbox):
    (inbox / "gfz.csv").write_text(
        "date,station,ntal_up_mm,ntol_up_mm\n2015-01-01,ALBY,-3.5,0.25\n")
    source: Source = FolderLoading(inbox, sites_file=inbox / "sites.all")
    offers = source.offers(NOW)
    data = source.parse(source.fetch(offers[0]).content, offers[0].key, not_after=TODAY)
    check(data, LOADING, where="folder")
    assert data["ntal_up_mm"].values.tolist() == [[-3.5]]
    with pytest.raises(MalformedInputError, match="metres"):
        source.parse(b"date,station,ntal_up_mm,ntol_up_mm\n2015-01-01,ALBY,-0.0035,0.0002\n",
                     "gfz.csv", not_after=TODAY)
    with pytest.raises(MalformedInputError, match="NOVA"):
        source.parse(b"date,station,ntal_up_mm,ntol_up_mm\n2015-01-01,NOVA,-3.5,0.2\n",
                     "gfz.csv", not_after=TODAY)
