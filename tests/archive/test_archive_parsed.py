"""What is slow to parse is parsed once, by whichever process; anything else is parsed again."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.archive.archive import Archive
from dwlim_ops.archive.cache import Cache
from dwlim_ops.archive.parsed import ParsedFiles, from_arrays, to_arrays
from dwlim_ops.archive.raw import RawStore
from dwlim_ops.contracts import NOT_KNOWN, Offer, Received, Remembered
from dwlim_ops.errors import StoreError
from dwlim_ops.sources.ecmwf_open import EcmwfOpen
from dwlim_ops.sources.formats.grids.regrid import Cells
from dwlim_ops.sources.formats.grids.weather import Orography
from dwlim_ops.sources.merge import merge_gridded_weather
from dwlim_ops.state.ledger import Ledger

START = datetime(2020, 1, 10, 12, tzinfo=UTC)


@dataclass
class Grid:
    """A provider of one day; parsing multiplies by `factor`, which only `parsed_with` tells."""

    factor: float = 1.0
    n_parsed: int = 0
    name: str = "weather"
    stream: str = "ifs"
    starts: bool = True

    @property
    def parsed_with(self):
        return str(self.factor)

    def offers(self, as_of):
        return [Offer(self.name, self.stream, "day", date(2020, 1, 1), date(2020, 1, 1), None, "1")]

    def fetch(self, offer, known=NOT_KNOWN):
        return Received(b"280.5")

    def newest_visible_day(self, as_of):
        return as_of.date()

    def parse(self, content, offer_key, *, not_after):
        if not self.starts:
            raise StoreError("the decoder does not start", where="test")
        self.n_parsed += 1
        value = np.float32(float(content) * self.factor)
        return xr.Dataset(
            {"temperature_k": (("time", "cell"), np.full((1, 3), value), {"units": "K"})},
            {"time": np.array(["2020-01-01"], "M8[ns]"), "cell": np.arange(3),
             "longitude_deg": ("cell", [1.0, 2.0, 3.0]), "latitude_deg": ("cell", [1.0, 2.0, 3.0])},
            {"expver": "0005"})


@pytest.fixture
def process(tmp_path):
    """A new process on the same disk, each time it is called."""
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield lambda: Archive(RawStore(tmp_path / "raw"), ledger,
                          ParsedFiles(Cache(tmp_path / "parsed")))
    ledger.close()


def read(archive, source, at=START):
    return archive.read(source, merge_gridded_weather, as_of=at)


def taken_in(process, source):
    assert process().ingest(source, as_of=START, retrieved_at=START).fetched == 1
    assert source.n_parsed == 1


def test_a_file_is_parsed_once_for_all_processes(process):
    source = Grid()
    taken_in(process, source)
    first, second = read(process(), source), read(process(), source)
    assert source.n_parsed == 1
    assert first.identical(second)
    plain = Archive(process().store, process().ledger)
    assert read(plain, source).identical(first)
    assert source.n_parsed == 2


def test_other_cells_are_parsed_anew(process):
    taken_in(process, source := Grid())
    other = replace(source, factor=1.01, n_parsed=0)
    assert float(read(process(), other)["temperature_k"][0, 0]) == pytest.approx(283.305)
    assert other.n_parsed == 1
    assert float(read(process(), source)["temperature_k"][0, 0]) == 280.5
    assert source.n_parsed == 1


def test_other_code_parses_anew(process, monkeypatch):
    taken_in(process, source := Grid())
    monkeypatch.setattr("dwlim_ops.archive.archive.code_fingerprint", lambda: "of tomorrow")
    read(process(), source)
    assert source.n_parsed == 2


@pytest.mark.parametrize("harm", ["damaged", "gone"])
def test_a_kept_file_that_is_not_whole_is_parsed_anew(process, tmp_path, harm):
    taken_in(process, source := Grid())
    expected = read(process(), source)
    (kept,) = (path for path in (tmp_path / "parsed").rglob("*") if path.is_file())
    kept.unlink() if harm == "gone" else kept.write_bytes(kept.read_bytes()[:-3])
    assert read(process(), source).identical(expected)
    assert source.n_parsed == 2
    assert read(process(), source).identical(expected)
    assert source.n_parsed == 2


def test_a_decoder_that_does_not_start_says_nothing_of_the_file(process):
    source = Grid(starts=False)
    report = process().ingest(source, as_of=START, retrieved_at=START)
    assert report.fetched == 0
    assert report.failed == ("test: the decoder does not start",)
    assert process().ledger.quarantined_now() == []
    source.starts = True
    later = START + timedelta(hours=1)
    assert process().ingest(source, as_of=later, retrieved_at=later).fetched == 1


@settings(derandomize=True, deadline=None, max_examples=40)
@given(values=st.lists(st.floats(width=32), min_size=1, max_size=6), name=st.text(max_size=5),
       attribute=st.one_of(st.text(max_size=5), st.integers(-9, 9), st.none()))
def test_a_dataset_comes_back_as_it_was(values, name, attribute):
    data = xr.Dataset(
        {"a": (("time", "cell"), np.array([values], np.float32), {"height": attribute})},
        {"time": np.array(["2020-01-01"], "M8[ns]"), "cell": np.arange(len(values)),
         "name": ("cell", np.array([name] * len(values)))}, {name: attribute})
    again = from_arrays(to_arrays(data))
    assert again.identical(data)
    assert {key: one.dtype for key, one in again.variables.items()} == {
        key: one.dtype for key, one in data.variables.items()}


def test_the_digest_of_a_source_tells_cells_and_ground_apart():
    places = np.array([10.5, 11.5])
    cells = Cells(places, places, 1.0, np.zeros(2))
    ground = Orography(xr.Dataset({"height_m": (("lat", "lon"), np.zeros((2, 2)))},
                                  {"lat": places, "lon": places}))
    raised = Orography(ground.grid + 1.0)
    sources = [EcmwfOpen(None, cells=cells), EcmwfOpen(None, cells=cells, orography=ground),
               EcmwfOpen(None, cells=cells, orography=raised),
               EcmwfOpen(None, cells=replace(cells, height_m=np.ones(2))),
               EcmwfOpen(None, cells=replace(cells, cell_deg=0.5))]
    assert all(isinstance(source, Remembered) for source in sources)
    assert len({source.parsed_with for source in sources}) == len(sources)
    assert EcmwfOpen(None, cells=cells).parsed_with == sources[0].parsed_with
