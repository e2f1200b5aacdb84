"""Laws of as-of reading, against a model of a few lines."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.archive.archive import Archive
from dwlim_ops.archive.raw import RawStore
from dwlim_ops.feeds import Feed
from dwlim_ops.sources.merge import merge_gnss
from dwlim_ops.state.ledger import Ledger
from dwlim_ops.state.records import Granule

START = datetime(2020, 1, 1, tzinfo=UTC)
STATIONS, STREAMS = ("A", "B"), ("rapid", "final")
LAW = settings(derandomize=True, deadline=None, max_examples=60)
_names = count()


@dataclass(frozen=True)
class Event:
    """A file comes in: one station's displacement of one day, NaN without one; or it is refused."""

    stream: str
    key: str
    available_hour: int
    up_mm: float
    refused: bool = False


EVENTS = st.lists(st.builds(
    Event, st.sampled_from(STREAMS), st.sampled_from(STATIONS), st.integers(0, 9),
    st.sampled_from([1.0, 2.0, 3.0, 4.0, np.nan]), st.sampled_from([False, False, True])),
    min_size=1, max_size=9)
HOURS = st.integers(3, 9)


@dataclass(frozen=True)
class Stream:
    name: str
    stream: str

    def newest_visible_day(self, as_of):
        return as_of.date()

    def parse(self, content, offer_key, *, not_after):
        both = ("time", "station")
        return xr.Dataset(
            {"up_mm": (both, [[float(content)]]), "up_sigma_mm": (both, [[1.0]])},
            {"time": np.array(["2020-01-01"], "M8[ns]"), "station": np.array([offer_key]),
             "longitude_deg": ("station", [0.0]), "latitude_deg": ("station", [0.0]),
             "height_m": ("station", [0.0])})


class World:
    """An archive under a name of its own in one ledger: a ledger is slow to make."""

    def __init__(self, archive):
        self.archive = archive
        self.name = f"source {next(_names)}"
        self.feed = Feed(tuple(Stream(self.name, one) for one in STREAMS), merge_gnss, ("up_mm",))

    def take_in(self, events):
        ledger = self.archive.ledger
        for number, event in enumerate(events, ledger.newest_granule()):
            content = b"%f" % event.up_mm
            at = hour(event.available_hour)
            ledger.add_granule(Granule(
                self.name, event.stream, event.key, f"{number}", date(2020, 1, 1),
                date(2020, 1, 1), at, at, self.archive.store.put(content), len(content),
                quarantine_reason="refused" if event.refused else ""))
        return self

    def read(self, at, *, through=None):
        """The inputs as `reconcile.observe` reads them; nothing is remembered in between."""
        afresh = Archive(self.archive.store, self.archive.ledger)
        by_stream = {source.stream: afresh.read(source, merge_gnss, as_of=hour(at), through=through)
                     for source in self.feed.sources}
        assert not afresh.damaged
        return self.feed.combine({name: data for name, data in by_stream.items()
                                  if data is not None})


def hour(number):
    return START + timedelta(hours=number)


def values(data):
    if data is None:
        return {}
    of_day = zip(data["station"].values.tolist(), data["up_mm"].values[0].tolist(),
                 data["up_mm_stream"].values[0].tolist(), strict=True)
    return {name: (value, STREAMS[number]) for name, value, number in of_day if value == value}  # noqa: PLR0124


def model(events, at):
    """Value and stream of each station: per stream the newest good version, then the best one."""
    found = {}
    for stream in STREAMS:
        for key in STATIONS:
            good = [(event.available_hour, number, event.up_mm)
                    for number, event in enumerate(events)
                    if (event.stream, event.key) == (stream, key) and not event.refused
                    and event.available_hour <= at]
            if good and not np.isnan(max(good)[2]):
                found[key] = (max(good)[2], stream)
    return found


def same(one, other):
    return (one is None and other is None) or one.identical(other)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("laws")
    ledger = Ledger("sqlite://")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda _: None)
        yield Archive(RawStore(folder), ledger)
    ledger.close()


@LAW
@given(events=EVENTS, at=HOURS)
def test_what_is_read_is_the_newest_good_version_of_the_best_stream(archive, events, at):
    assert values(World(archive).take_in(events).read(at)) == model(events, at)


@LAW
@given(events=EVENTS, later=EVENTS, at=HOURS)
def test_the_same_moment_gives_the_same_arrays_whatever_is_available_later(
        archive, events, later, at):
    world = World(archive).take_in(events)
    before = world.read(at)
    assert same(world.read(at), before)
    world.take_in([e for e in later if e.available_hour > at])
    assert same(world.read(at), before)


@LAW
@given(events=EVENTS, later=EVENTS, at=HOURS)
def test_through_hides_what_was_recorded_later_however_early_it_was_available(
        archive, events, later, at):
    world = World(archive).take_in(events)
    through, before = archive.ledger.newest_granule(), world.read(at)
    world.take_in(later)
    assert same(world.read(at, through=through), before)


@LAW
@given(events=EVENTS, order=st.randoms(use_true_random=False), at=HOURS)
def test_a_better_stream_wins_whatever_the_order_of_arrival(archive, events, order, at):
    by_stream = {name: [e for e in events if e.stream == name] for name in STREAMS}
    turns = [event.stream for event in events]
    order.shuffle(turns)
    mixed = [by_stream[name].pop(0) for name in turns]
    one, other = (World(archive).take_in(some).read(at) for some in (events, mixed))
    assert same(one, other)


@LAW
@given(events=EVENTS, at=HOURS)
def test_a_refused_version_never_hides_a_good_one(archive, events, at):
    good = [event for event in events if not event.refused]
    assert same(*(World(archive).take_in(some).read(at) for some in (events, good)))


@LAW
@given(events=EVENTS, more=EVENTS, at=HOURS)
def test_a_better_stream_never_yields_to_a_weaker_one(archive, events, more, at):
    world = World(archive).take_in(events)
    finals = {name for name, (_, stream) in values(world.read(at)).items() if stream == "final"}
    world.take_in([e for e in more if e.stream == "rapid"])
    now = values(world.read(at))
    assert {name for name, (_, stream) in now.items() if stream == "final"} == finals
