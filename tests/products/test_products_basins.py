import csv
import io
import json
import math
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.contracts import BasinRow
from dwlim_ops.errors import ContractError
from dwlim_ops.products.basins import (
    COLUMNS,
    basin_documents,
    basin_rows,
    basin_values,
    rows_to_csv,
)
from dwlim_ops.products.climatology import Climatology
from dwlim_ops.products.standing import standings_of

ROWS = st.lists(st.builds(
    BasinRow, st.dates(date(2016, 1, 1), date(2016, 1, 5)), st.sampled_from(["1", "a,b", "é"]),
    st.sampled_from(["tragnss", "dwlim"]), st.floats(-500, 500).map(lambda v: round(v, 3)),
    st.one_of(st.just(math.nan), st.floats(0, 50).map(lambda v: round(v, 3))),
    st.just("era5t"), st.integers(1, 9)), max_size=12)


def test_mean_of_a_linear_field_is_its_value_at_the_centre(region):
    lon, _ = region.grid.cells
    result = region.result("tragnss", 10.0 * (lon - 123.0))
    rows = basin_rows(region.basins, [result], region.provenance,
                      basin_sigma_mm={"tragnss": np.array([4.0, 6.0])})
    assert [(r.basin, r.twsa_mm, r.sigma_mm) for r in rows] == [
        ("12", 15.0, 6.0), ("7", -15.0, 4.0)]
    assert {(r.tier, r.revision, r.day) for r in rows} == {("era5t", 1, date(2017, 6, 1))}


def test_sigma_is_unknown_without_the_posterior(region):
    rows = basin_rows(region.basins, region.both(), region.provenance)
    assert all(math.isnan(row.sigma_mm) for row in rows)
    assert rows_to_csv(rows).splitlines()[:2] == [
        "date,basin,method,twsa_mm,sigma_mm,tier,revision",
        f"2017-06-01,12,dwlim,{rows[0].twsa_mm:.3f},,era5t,1"]
    with pytest.raises(ContractError, match="tragnss"):
        basin_rows(region.basins, region.both(), region.provenance,
                   basin_sigma_mm={"tragnss": np.ones(3)})


@settings(derandomize=True, deadline=None, max_examples=40)
@given(ROWS)
def test_the_table_holds_every_row_as_any_reader_of_csv_sees_it(rows):
    read = list(csv.DictReader(io.StringIO(rows_to_csv(rows))))
    assert [(one["date"], one["basin"], one["method"], one["tier"], one["revision"])
            for one in read] == [(str(row.day), row.basin, row.method, row.tier, str(row.revision))
                                 for row in rows]
    for one, row in zip(read, rows, strict=True):
        assert float(one["twsa_mm"]) == row.twsa_mm
        assert (one["sigma_mm"] == "") == math.isnan(row.sigma_mm)
    assert rows_to_csv([]).splitlines() == [",".join(COLUMNS)]


def test_documents_hold_each_series_in_time(region):
    day = region.provenance.day
    rows = basin_rows(region.basins, region.both(), region.provenance)
    earlier = [replace(row, day=date(2017, 5, 31), twsa_mm=math.nan) for row in rows]
    documents = basin_documents(region.basins, [*rows, *earlier], region="toy",
                                reference_period="2010/2016")
    west = json.loads(documents["7"])
    assert (west["id"], west["name"], west["region"]) == ("7", "West River", "toy")
    assert west["series"]["dwlim"]["date"] == ["2017-05-31", day.isoformat()]
    assert west["series"]["dwlim"]["twsa_mm"][0] is None
    assert west["series"]["dwlim"]["sigma_mm"] == [None, None]
    assert set(west["series"]) == {"tragnss", "dwlim"}
    assert documents == basin_documents(region.basins, [*earlier, *rows], region="toy",
                                        reference_period="2010/2016")


def test_values_of_the_day(region):
    rows = basin_rows(region.basins, [region.result("tragnss", 8.0)], region.provenance,
                      basin_sigma_mm={"tragnss": np.array([1.0, 2.0])})
    west, east = basin_values(region.basins, rows)
    assert west == {"id": "7", "name": "West River",
                    "estimates": {"tragnss": {"twsa_mm": 8.0, "sigma_mm": 1.0}}, "standing": None}
    assert east["estimates"]["tragnss"] == {"twsa_mm": 8.0, "sigma_mm": 2.0}


def test_documents_and_values_tell_how_a_basin_stands(region):
    known = Climatology(
        date(2010, 1, 1), date(2016, 12, 31), np.array([[10.0, 20.0]]),
        np.array([[900.0, 900.0], [0.0, 0.0], [0.0, 0.0]]), np.ones(2), np.ones(2), 1e6)
    rows = basin_rows(region.basins, [region.result("dwlim", -50.0)], region.provenance,
                      basin_sigma_mm={"dwlim": np.array([5.0, 5.0])})
    standings = standings_of(known, region.basins.identifier, rows)[region.provenance.day]
    documents = basin_documents(region.basins, rows, region="toy", reference_period="2010/2016",
                                climatology=known, standings=standings)
    west, east = (json.loads(documents[basin]) for basin in region.basins.identifier)
    assert (west["climatology"]["normal_mm"][0], east["climatology"]["normal_mm"][365]) == (
        10.0, 20.0)
    assert (west["standing"]["category"], east["standing"]["category"]) == (["D3"], ["D4"])
    of_latest = basin_values(region.basins, rows, standings)
    assert [one["standing"]["category"] for one in of_latest] == ["D3", "D4"]
    without = json.loads(basin_documents(region.basins, rows, region="toy",
                                         reference_period="2010/2016")["7"])
    assert without["climatology"] is without["standing"] is None
