"""Taking in what a provider offers, and reading it back as it was known at any time."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
import xarray as xr

from dwlim_ops.archive.archive import Archive, IngestReport
from dwlim_ops.archive.raw import RawStore
from dwlim_ops.contracts import NOT_KNOWN, Offer, Received, Validators
from dwlim_ops.errors import ConfigError, MalformedInputError
from dwlim_ops.sources.merge import merge_gnss
from dwlim_ops.state.ledger import Ledger

START = datetime(2020, 1, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass
class FakeSource:
    """A provider whose files are numbers: each is the displacement of one station on one day."""

    files: dict[str, bytes] = field(default_factory=dict)
    available: dict[str, datetime | None] = field(default_factory=dict)
    unreachable: set[str] = field(default_factory=set)
    fetched: list[str] = field(default_factory=list)
    validators: dict[str, Validators] = field(default_factory=dict)
    known: list[Validators] = field(default_factory=list)
    down: bool = False
    name: str = "gnss"
    stream: str = "final"

    def offers(self, as_of):
        if self.down:
            raise OSError("provider is down")
        offers = [Offer("gnss", self.stream, key, date(2020, 1, 1), date(2020, 1, 1),
                        self.available.get(key), str(hash(content)))
                  for key, content in sorted(self.files.items())]
        return [o for o in offers if o.available_at is None or o.available_at <= as_of]

    def fetch(self, offer, known=NOT_KNOWN):
        self.fetched.append(offer.key)
        self.known.append(known)
        if offer.key in self.unreachable:
            raise OSError(f"{offer.key}: connection reset")
        says = self.validators.get(offer.key, NOT_KNOWN)
        unchanged = known != NOT_KNOWN and known == says
        return Received(None if unchanged else self.files[offer.key], says)

    def newest_visible_day(self, as_of):
        return as_of.date()

    def parse(self, content, offer_key, *, not_after):
        try:
            value = float(content)
        except ValueError as error:
            raise MalformedInputError("not a number", where=offer_key, got=repr(content),
                                      expected="a number", remedy="send it again") from error
        both = ("time", "station")
        return xr.Dataset(
            {"up_mm": (both, [[value]]), "up_sigma_mm": (both, [[1.0]])},
            {"time": np.array(["2020-01-01"], "M8[ns]"), "station": np.array([offer_key]),
             "longitude_deg": ("station", [0.0]), "latitude_deg": ("station", [0.0]),
             "height_m": ("station", [0.0])})


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield ledger
    ledger.close()


@pytest.fixture
def archive(tmp_path, ledger):
    return Archive(RawStore(tmp_path / "raw"), ledger)


def afresh(archive):
    """Another process: nothing parsed is remembered."""
    return Archive(archive.store, archive.ledger)


def ingest(archive, source, at=START):
    return archive.ingest(source, as_of=at, retrieved_at=at)


def values(archive, source, at):
    data = archive.read(source, merge_gnss, as_of=at)
    return None if data is None else dict(
        zip(data["station"].values.tolist(), data["up_mm"].values[0].tolist(), strict=True))


def test_nothing_is_known_before_it_is_available(archive):
    source = FakeSource({"A": b"1", "B": b"2"}, {"A": START, "B": START + DAY})
    report = ingest(archive, source, START + 2 * DAY)
    assert (report.source, report.stream, report.fetched, report.failed) == ("gnss", "final", 2, ())
    assert values(archive, source, START - timedelta(seconds=1)) is None
    assert values(archive, source, START) == {"A": 1.0}
    assert values(archive, source, START + DAY) == {"A": 1.0, "B": 2.0}


def test_without_a_time_of_release_a_file_counts_from_its_fetch(archive):
    source = FakeSource({"A": b"1"})
    ingest(archive, source)
    assert values(archive, source, START - timedelta(seconds=1)) is None
    assert values(archive, source, START) == {"A": 1.0}


def test_unchanged_files_are_not_fetched_again(archive):
    source = FakeSource({"A": b"1"})
    ingest(archive, source)
    assert ingest(archive, source, START + DAY).fetched == 0
    assert source.fetched == ["A"]


def test_a_file_that_replaces_a_good_one_counts_from_its_fetch(archive):
    source = FakeSource({"A": b"1"}, {"A": START - DAY})
    ingest(archive, source)
    source.files["A"] = b"3"
    ingest(archive, source, START + DAY)
    assert values(archive, source, START + DAY - timedelta(seconds=1)) == {"A": 1.0}
    assert values(archive, source, START + DAY) == {"A": 3.0}


def test_a_malformed_file_is_recorded_and_leaves_the_good_one_in_force(archive, ledger):
    source = FakeSource({"A": b"1", "B": b"2"})
    ingest(archive, source)
    source.files["A"] = b"<html>"
    report = ingest(archive, source, START + DAY)
    assert (report.fetched, report.failed) == (1, ())
    (refused,) = ledger.quarantined_now()
    assert (refused.key, refused.quarantine_reason) == (
        "A", "A: not a number; expected a number; got b'<html>'; remedy: send it again")
    assert archive.store.get(refused.sha256) == b"<html>"
    for reader in (archive, afresh(archive)):
        assert values(reader, source, START + DAY) == {"A": 1.0, "B": 2.0}
    assert ingest(archive, source, START + 2 * DAY).fetched == 0
    source.files["A"] = b"5"
    ingest(archive, source, START + 3 * DAY)
    assert values(archive, source, START + 3 * DAY)["A"] == 5.0
    assert ledger.quarantined_now() == []


class OfFuture(FakeSource):
    """Its one file is of the eleventh of January, which a slow clock takes for the future."""

    def parse(self, content, offer_key, *, not_after):
        if not_after < date(2020, 1, 11):
            raise MalformedInputError("day in the future", where=offer_key, got="2020-01-11")
        return super().parse(content, offer_key, not_after=not_after)


def test_what_a_slow_clock_refused_is_taken_in_on_the_next_day_without_a_fetch(archive, ledger):
    source = OfFuture({"A": b"1"})
    ingest(archive, source)
    later_that_day = START + timedelta(hours=2)
    assert ingest(archive, source, later_that_day).fetched == 0
    assert [one.key for one in ledger.quarantined_now()] == ["A"]
    assert ingest(archive, source, START + DAY).fetched == 1
    assert (ledger.quarantined_now(), source.fetched) == ([], ["A"])
    for reader in (archive, afresh(archive)):
        assert values(reader, source, START + DAY) == {"A": 1.0}
        assert values(reader, source, later_that_day) is None
    assert ingest(archive, source, START + 2 * DAY).fetched == 0


def test_what_stays_refused_is_judged_once_a_day(archive, ledger):
    source = FakeSource({"A": b"bad"})
    judged = []
    source.parse = lambda *_, not_after: judged.append(not_after) or FakeSource.parse(
        source, *_, not_after=not_after)
    hours = 0, 2, 24, 26, 30, 48
    for hour in hours:
        ingest(archive, source, START + timedelta(hours=hour))
    assert judged == [START.date() + number * DAY for number in range(3)]
    assert [one.key for one in ledger.quarantined_now()] == ["A"]


def test_what_was_refused_and_is_not_kept_any_more_stays_refused(archive, ledger):
    source = OfFuture({"A": b"1"})
    ingest(archive, source)
    (refused,) = ledger.quarantined_now()
    archive.store.remove(refused.sha256)
    assert ingest(archive, source, START + DAY) == IngestReport("gnss", "final", 0, ())
    assert [one.key for one in ledger.quarantined_now()] == ["A"]


def test_the_first_good_version_after_a_bad_one_keeps_its_time_of_release(archive):
    source = FakeSource({"A": b"bad"}, {"A": START - DAY})
    ingest(archive, source)
    source.files["A"] = b"1"
    ingest(archive, source, START + DAY)
    assert values(archive, source, START) == {"A": 1.0}


def test_a_failed_fetch_is_reported_and_tried_again(archive):
    source = FakeSource({"A": b"1", "B": b"2"}, unreachable={"A"})
    report = ingest(archive, source)
    assert report.failed == ("A: connection reset",)
    assert values(archive, source, START) == {"B": 2.0}
    source.unreachable.clear()
    report = ingest(archive, source, START + DAY)
    assert (report.fetched, report.failed) == (1, ())
    assert values(archive, source, START + DAY) == {"A": 1.0, "B": 2.0}


@pytest.mark.parametrize("error", [
    OSError("provider is down"), ConfigError("folder is not there", where="inbox")])
def test_a_provider_that_is_down_is_reported_and_nothing_is_lost(archive, error, monkeypatch):
    source = FakeSource({"A": b"1"})
    ingest(archive, source)

    def refuse(as_of):
        raise error

    monkeypatch.setattr(source, "offers", refuse)
    report = ingest(archive, source, START + DAY)
    assert (report.fetched, report.failed) == (0, (str(error),))
    assert values(archive, source, START + DAY) == {"A": 1.0}


def test_a_damaged_file_of_the_store_is_left_out_with_an_error(archive, ledger, caplog):
    source = FakeSource({"A": b"1", "B": b"2"})
    ingest(archive, source)
    damaged = next(g for g in ledger.granules("gnss", "final", START) if g.key == "A")
    (archive.store.folder / damaged.sha256[:2] / f"{damaged.sha256}.gz").write_bytes(b"rot")
    assert values(afresh(archive), source, START) == {"B": 2.0}
    assert any(record.levelname == "ERROR" and damaged.sha256 in record.getMessage()
               for record in caplog.records)


def test_the_same_moment_gives_the_same_data_whatever_came_later(archive):
    source = FakeSource({"A": b"1", "B": b"2"}, {"A": START, "B": START})
    ingest(archive, source)
    before = archive.read(source, merge_gnss, as_of=START)
    source.files |= {"A": b"7", "C": b"8"}
    ingest(archive, source, START + DAY)
    for reader in (archive, afresh(archive)):
        assert reader.read(source, merge_gnss, as_of=START).identical(before)
    assert values(archive, source, START + DAY) == {"A": 7.0, "B": 2.0, "C": 8.0}


def test_a_bug_in_a_parser_is_not_taken_for_bad_input(archive, monkeypatch):
    source = FakeSource({"A": b"1"})

    def broken(content, offer_key, *, not_after):
        raise ZeroDivisionError

    monkeypatch.setattr(source, "parse", broken)
    with pytest.raises(ZeroDivisionError):
        ingest(archive, source)


def test_a_file_that_has_not_changed_is_not_sent_again(archive, ledger):
    source = FakeSource({"A": b"1"}, validators={"A": Validators('"one"')})
    ingest(archive, source)
    source.files["A"] = b"1 "
    report = ingest(archive, source, START + DAY)
    assert source.known == [NOT_KNOWN, Validators('"one"')]
    assert (report.fetched, report.failed) == (0, ())
    assert ingest(archive, source, START + 2 * DAY).fetched == 0
    assert source.fetched == ["A", "A"]
    source.files["A"], source.validators["A"] = b"2", Validators('"two"', "Mon, 13 Jan 2020")
    assert ingest(archive, source, START + 3 * DAY).fetched == 1
    assert ledger.validators("gnss", "final") == {"A": Validators('"two"', "Mon, 13 Jan 2020")}
    assert values(archive, source, START + 2 * DAY) == {"A": 1.0}
    assert values(archive, source, START + 3 * DAY) == {"A": 2.0}


def test_a_refused_file_is_fetched_whole_however_the_provider_calls_it(archive):
    source = FakeSource({"A": b"<html>"}, validators={"A": Validators('"one"')})
    ingest(archive, source)
    source.files["A"] = b"1"
    assert ingest(archive, source, START + DAY).fetched == 1
    assert source.known == [NOT_KNOWN, NOT_KNOWN]
    assert values(archive, source, START + DAY) == {"A": 1.0}


def test_streams_of_one_source_do_not_meet_in_the_store(archive):
    rapid, final = FakeSource({"A": b"1"}, stream="rapid"), FakeSource({"A": b"2"})
    for source in (rapid, final):
        ingest(archive, source)
    for reader in (archive, afresh(archive)):
        assert values(reader, rapid, START) == {"A": 1.0}
        assert values(reader, final, START) == {"A": 2.0}


def test_a_file_that_is_mended_in_the_store_is_no_longer_damaged(archive, ledger):
    source = FakeSource({"A": b"1"})
    ingest(archive, source)
    (granule,) = ledger.granules("gnss", "final", START)
    path = archive.store.folder / granule.sha256[:2] / f"{granule.sha256}.gz"
    path.write_bytes(b"rot")
    reader = afresh(archive)
    assert values(reader, source, START) is None
    assert [granule.sha256 in reason for reason in reader.damaged.values()] == [True]
    archive.store.put(b"1")
    assert values(reader, source, START) == {"A": 1.0}
    assert reader.damaged == {}
