"""Nevada Geodetic Laboratory: what is offered, fetched, refused, against its replica."""

import datetime
import gzip

import numpy as np
import pytest

from dwlim_ops.contracts import GNSS, Source, Validators, check
from dwlim_ops.errors import ConfigError, MalformedInputError, SourceError
from dwlim_ops.sources.formats.dataholdings import in_box
from dwlim_ops.sources.formats.gnss.steps import equipment_steps, parse_ngl_steps
from dwlim_ops.sources.http import Client, Endpoint, NotFoundError, UnavailableError
from dwlim_ops.sources.merge import merge_gnss
from dwlim_ops.sources.ngl import NglFinal, NglRapid
from dwlim_ops.sources.splice import splice_rapid
from tests.replicas.faults import General, NglFault
from tests.replicas.ngl import Ngl
from tests.replicas.world import World

NOW = datetime.datetime(2026, 11, 22, 21, tzinfo=datetime.UTC)
TODAY = NOW.date()
NAMES = ("S000", "S001", "S002")


class Notes(dict):
    """A memory that ends with the test."""

    def recall(self, key):
        return self.get(key)

    def remember(self, key, text):
        self[key] = text

    def forget(self, key):
        self.pop(key, None)


@pytest.fixture
def world():
    return World(now=NOW, first_day=datetime.date(2026, 1, 1), n_stations=6)


@pytest.fixture
def replica(world):
    with Ngl(world) as server:
        yield server


@pytest.fixture
def client(replica):
    endpoint = Endpoint(replica.base_url, requests_per_second=1000.0, concurrency=4,
                        connect_timeout_s=2.0, read_timeout_s=0.4, deadline_s=5.0, attempts=2)
    with Client(endpoint, user_agent="dwlim-ops tests", sleep=lambda _: None) as one:
        yield one


@pytest.fixture
def make(client):
    notes = Notes()

    def make(kind=NglFinal, **options):
        return kind(client, memory=notes, **({"stations": NAMES} | options))

    return make


def everything(source):
    """Parsed files by key, and the reason of each that could not be had or read."""
    parsed, reasons = {}, {}
    for offer in source.offers(NOW):
        try:
            content = source.fetch(offer).content
            parsed[offer.key] = source.parse(content, offer.key, not_after=TODAY)
        except (SourceError, MalformedInputError) as error:
            reasons[offer.key] = str(error)
    return parsed, reasons


def test_final_files_of_the_wanted_stations_keep_the_contract(make, world, replica):
    source: Source = make()
    parsed, reasons = everything(source)
    assert reasons == {}
    assert sorted(parsed) == ["S000.tenv3", "S001.tenv3", "S002.tenv3"]
    assert source.warnings == ()
    merged = merge_gnss(list(parsed.values()))
    check(merged, GNSS, where="ngl")
    assert [r.path.rpartition("/")[2] for r in replica.requests] == [
        "DataHoldings.txt", "S000.tenv3", "S001.tenv3", "S002.tenv3"]
    for number, name in enumerate(NAMES):
        station, one = world.stations[number], merged.sel(station=name)
        series = world.final_series(station)
        assert float(one["longitude_deg"]) == pytest.approx(station.longitude_deg, abs=1e-8)
        height_m = one["height_m"] + one["up_mm"].sel(time=series.day) / 1000.0
        np.testing.assert_allclose(height_m, station.height_m + series.up_mm / 1000.0, atol=2e-6)
        assert series.day.size == int(np.isfinite(one["up_mm"]).sum())


def test_offers_say_what_the_list_says(make, world):
    offer = make().offers(NOW)[0]
    series = world.final_series(world.stations[0])
    assert (offer.source, offer.stream, offer.available_at) == ("gnss", "final", None)
    assert (offer.valid_from, offer.valid_to) == (series.day[0].item(), series.day[-1].item())
    assert offer.version == f"{world.final_released().date()}/{offer.valid_to}"
    assert make().newest_visible_day(NOW) == TODAY


def test_the_list_is_asked_for_once_and_not_sent_again(make, replica):
    source = make()
    assert source.offers(NOW) == source.offers(NOW)
    assert len(replica.requests) == 2
    assert replica.requests[1].headers.get("if-none-match")


def test_an_unchanged_file_is_not_sent_again(make):
    source = make()
    offer = source.offers(NOW)[0]
    first = source.fetch(offer)
    again = source.fetch(offer, first.validators)
    assert again.content is None
    assert source.fetch(offer, Validators(etag='"other"')).content == first.content


def test_stations_are_chosen_by_name_and_by_place(make, world):
    one = world.stations[3]
    near = in_box(one.longitude_deg - 0.01, one.latitude_deg - 0.01,
                  one.longitude_deg + 0.01, one.latitude_deg + 0.01)
    assert [o.key for o in make(stations=(), inside=near).offers(NOW)] == ["S003.tenv3"]
    assert [o.key for o in make(stations=("S000",), inside=near).offers(NOW)] == [
        "S000.tenv3", "S003.tenv3"]
    assert [o.key for o in make(stations=("s001",)).offers(NOW)] == ["S001.tenv3"]
    with pytest.raises(ConfigError, match="no station"):
        make(stations=())


def test_a_wanted_station_that_the_list_lacks_is_named_and_the_others_go_on(make):
    source = make(stations=("NOPE", "S001"))
    assert [o.key for o in source.offers(NOW)] == ["S001.tenv3"]
    assert "NOPE" in source.warnings[0]


def test_paths_are_in_capitals_because_lower_case_gives_404(make, client, replica):
    assert make(stations=("s000",)).offers(NOW)[0].key == "S000.tenv3"
    with pytest.raises(NotFoundError):
        client.get("/gps_timeseries/IGS20/tenv3/IGS20/s000.tenv3")


def test_a_host_that_never_answers_is_an_error_in_time(make, replica):
    replica.fault = General.HANG
    with pytest.raises(UnavailableError):
        make().offers(NOW)


def test_a_line_cut_off_is_malformed_though_the_length_agrees(make, replica):
    source = make()
    replica.fault = NglFault.TRUNCATED_LINE
    parsed, reasons = everything(source)
    assert parsed == {}
    assert all("cut off" in text for text in reasons.values())


def test_a_file_that_shrinks_is_refused_and_the_copy_in_hand_stays(make, replica):
    assert everything(make())[1] == {}
    replica.fault = NglFault.FILE_SHRUNK
    parsed, reasons = everything(make())
    assert parsed == {}
    assert all("has shrunk" in text and "accepted" in text for text in reasons.values())
    parsed, reasons = everything(make(accepted=("S001",)))
    assert list(parsed) == ["S001.tenv3"]
    replica.fault = None
    assert everything(make())[1] == {}


def test_a_file_that_could_not_be_read_does_not_count_as_the_copy_in_hand(make, replica):
    replica.fault = NglFault.INTEGER_JUMP
    assert make().fetch(make().offers(NOW)[0]).content.startswith(b"site ")
    assert all("changes within" in text for text in everything(make())[1].values())
    replica.fault = NglFault.FILE_SHRUNK
    assert everything(make())[1] == {}


def test_rows_without_a_sigma_are_left_out(make, replica, world):
    replica.fault = NglFault.SIGMA_OUT_OF_RANGE
    parsed, _ = everything(make())
    for number, data in enumerate(parsed.values()):
        assert data.sizes["time"] == world.final_series(world.stations[number]).day.size - 3


def test_rapid_files_have_their_own_list_and_keys(make, replica, world):
    source: Source = make(NglRapid)
    parsed, reasons = everything(source)
    assert reasons == {}
    assert sorted(parsed)[0] == "S000.rapid.tenv3"
    assert source.stream == "rapid"
    assert replica.requests[0].path.endswith("DataHoldingsRapid24hr.txt")
    assert parsed["S000.rapid.tenv3"].sizes["time"] == world.rapid_series(
        world.stations[0]).day.size


def test_a_rapid_file_may_hold_one_day_or_be_gone(make, replica):
    replica.fault = NglFault.RAPID_ONE_DAY
    parsed, reasons = everything(make(NglRapid))
    assert reasons == {}
    assert {data.sizes["time"] for data in parsed.values()} == {1}
    replica.fault = NglFault.RAPID_MISSING
    parsed, reasons = everything(make(NglRapid))
    assert parsed == {}
    assert len(reasons) == 3


def test_the_rolling_window_of_the_rapid_stream_is_no_shrinking(make, replica):
    assert everything(make(NglRapid))[1] == {}
    replica.fault = NglFault.RAPID_ONE_DAY
    assert everything(make(NglRapid))[1] == {}


def test_one_file_that_is_gone_does_not_stop_the_others(make, replica, client):
    get, wanted = client.get, make()

    def without_one(path, **options):
        if path.endswith("S001.tenv3"):
            raise NotFoundError("no such file", where=path)
        return get(path, **options)

    client.get = without_one
    parsed, reasons = everything(wanted)
    assert sorted(parsed) == ["S000.tenv3", "S002.tenv3"]
    assert list(reasons) == ["S001.tenv3"]


def test_a_new_frame_is_a_change_of_the_path(make, replica):
    source = make(file_path="/gps_timeseries/IGS14/tenv3/IGS14/{station}.tenv3")
    with pytest.raises(NotFoundError):
        source.fetch(source.offers(NOW)[0])
    replica.fault = NglFault.MOVED
    source = make()
    with pytest.raises(NotFoundError):
        source.fetch(source.offers(NOW)[0])


def test_a_station_that_moves_is_left_out_until_someone_accepts_it(make, replica):
    assert len(make().offers(NOW)) == 3
    replica.fault = NglFault.COORDINATES_MOVED
    source = make()
    assert source.offers(NOW) == []
    assert len(source.warnings) == 3
    assert "moved by 22" in source.warnings[0]
    accepting = make(accepted=("s000",))
    assert [o.key for o in accepting.offers(NOW)] == ["S000.tenv3"]
    assert [o.key for o in make().offers(NOW)] == ["S000.tenv3"]


def test_another_original_name_is_another_station(make, replica, world, client):
    assert len(make().offers(NOW)) == 3
    listing = client.get("/NGLStationPages/DataHoldings.txt")
    get = client.get
    client.get = lambda path, **options: (
        type(listing)(listing.content.replace(b"S000_GNSS", b"X999_GNSS"))
        if path.endswith("DataHoldings.txt") else get(path, **options))
    source = make()
    assert [o.key for o in source.offers(NOW)] == ["S001.tenv3", "S002.tenv3"]
    assert "'X999_GNSS'" in source.warnings[0]


def test_a_renamed_station_is_missing_under_its_old_name(make, replica):
    assert len(make().offers(NOW)) == 3
    replica.fault = NglFault.STATION_RENAMED
    source = make()
    assert [o.key for o in source.offers(NOW)] == ["S001.tenv3", "S002.tenv3"]
    assert "S000 is not in the list" in source.warnings[0]
    parsed, reasons = everything(make(stations=("S00_",)))
    assert (list(parsed), reasons) == (["S00_.tenv3"], {})


def test_a_file_that_begins_in_the_last_century_is_read(make, replica):
    replica.fault = NglFault.YEAR_PIVOT
    parsed, reasons = everything(make())
    assert reasons == {}
    assert str(parsed["S000.tenv3"]["time"].values[0])[:10] == "1999-12-29"


def test_a_page_instead_of_a_file_is_an_error_of_the_source(make, replica):
    source = make()
    offer = source.offers(NOW)[0]
    replica.fault = General.HTML_PAGE
    with pytest.raises(SourceError):
        source.fetch(offer)
    with pytest.raises(SourceError):
        make().offers(NOW)


def test_the_file_of_another_station_is_malformed(make):
    source = make()
    content = source.fetch(source.offers(NOW)[0]).content
    with pytest.raises(MalformedInputError, match="another station"):
        source.parse(content, "S001.tenv3", not_after=TODAY)
    with pytest.raises(MalformedInputError, match="future"):
        source.parse(gzip.compress(content), "S000.tenv3", not_after=datetime.date(2026, 1, 3))


def test_the_steps_of_the_provider_are_read(client):
    content = client.get("/NGLStationPages/steps.txt").content
    steps = parse_ngl_steps(content, where="steps.txt")
    assert {step.kind for step in steps} >= {"earthquake", "product"}
    assert {name for _, name in equipment_steps(steps, stations={"S002"})} == {"S002"}


def test_rapid_and_final_of_the_provider_splice_to_the_level_of_the_final(make, world):
    final = merge_gnss(list(everything(make())[0].values()))
    rapid = merge_gnss(list(everything(make(NglRapid))[0].values()))
    spliced, offsets = splice_rapid(final, rapid)
    check(spliced, GNSS, where="spliced")
    for number, name in enumerate(NAMES):
        expected = -world.rapid_offset_mm(world.stations[number])
        whole = 1000.0 * round(float(offsets["offset_mm"][number]) / 1000.0)
        assert float(offsets["offset_mm"].sel(station=name)) - whole == pytest.approx(
            expected, abs=1.5)
    assert spliced["time"].values[-1] > final["time"].values[-1]
