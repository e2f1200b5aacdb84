"""The climatology of a region: made once, kept for good, and what follows from it."""

import csv
import json
import shutil
from datetime import date, timedelta

import numpy as np
import pytest
import synthetic
from synthetic import AS_OF, DAY, published_files, run_tick

from dwlim_ops import normals, publication
from dwlim_ops.contracts import CATEGORIES
from dwlim_ops.normals import basin_standings, in_force, normals_of
from dwlim_ops.products import encode
from dwlim_ops.products.climatology import (
    ClimatologySettings,
    calendar_indices,
    fit_climatology,
)
from dwlim_ops.products.standing import percentile_of
from dwlim_ops.publish import tree
from dwlim_ops.reconcile import observe, plan
from dwlim_ops.reproduction import reproduce

#: Whole ticks of a workspace.
pytestmark = pytest.mark.slow

LATER = AS_OF + timedelta(hours=2)
BEFORE = DAY - timedelta(days=1)
NAMES = ("twsa_standardized_anomaly", "twsa_percentile")


def content(**tables):
    """One year is enough; the normal of a year by its annual term alone."""
    configured = synthetic.configuration()
    configured["climatology"] = {"minimum_years": 1, "n_harmonics": 1}
    configured["products"]["published_method"] = "dwlim_st"
    for name, values in tables.items():
        configured[name] = {**configured.get(name, {}), **values}
    return configured


@pytest.fixture(scope="module")
def ticked_once(tmp_path_factory):
    from dwlim_ops.session import Session

    workspace = synthetic.build_workspace(tmp_path_factory.mktemp("normals") / "ws",
                                          content=content())
    session = Session(workspace)
    run_tick(session)
    session.close()
    return workspace


@pytest.fixture
def against_normal(tmp_path, ticked_once):
    """Ticked at `AS_OF` with a climatology of 2015: two days are published."""
    from dwlim_ops.workspace import Workspace

    shutil.copytree(ticked_once.root, tmp_path / "ws")
    return Workspace(tmp_path / "ws")


def product_of(session, day=DAY):
    record = session.ledger.newest_revisions()[day]
    return encode.read(session.workspace.published / record.path)


def table_of(workspace, name="basins/standings.csv"):
    return list(csv.DictReader((workspace.published / name).read_text().splitlines()))


def test_the_climatology_is_that_of_the_filter(against_normal, open_session):
    session = open_session(against_normal)
    known = observe(session, AS_OF)
    found = normals_of(session, known)
    run = session.space_time(known.checked)
    days = [day for day in known.days if day.year == 2015][::5]
    values = np.stack([run.basin_means(day, run.filtered(day).signal)[0] for day in days])
    index = calendar_indices(np.array(days, "datetime64[D]"))
    anomaly = values - found.basins.normal_mm(index)
    np.testing.assert_allclose(anomaly.mean(axis=0), 0.0, atol=0.1 * values.std())
    n = found.basins.n_independent
    np.testing.assert_allclose((anomaly**2).mean(axis=0) * n / (n - 1),
                               found.basins.variance_terms[0], rtol=0.1)
    land = session.geometry.grid.land
    whole = np.where(land, found.cells.normal_terms, 0.0)
    np.testing.assert_allclose(session.geometry.basins.mean(whole), found.basins.normal_terms,
                               atol=0.3)
    assert np.isnan(found.cells.normal_terms[:, ~land]).all()


def test_the_truth_has_the_season_that_is_called_normal(against_normal, open_session):
    session = open_session(against_normal)
    found = normals_of(session, observe(session, AS_OF)).basins
    truth = synthetic.truth()
    of_truth = fit_climatology(
        truth.day, truth.basin_means_mm(), first=found.first, last=found.last,
        settings=ClimatologySettings(stride_days=1, minimum_years=1, n_harmonics=1))
    every = np.arange(366)
    for one, other in zip(found.normal_mm(every).T, of_truth.normal_mm(every).T, strict=True):
        assert np.corrcoef(one, other)[0, 1] > 0.8
    wettest = found.normal_mm(every).mean(axis=1).argmax()
    assert 15 < wettest < 105  # the load is made to peak on 1 March


def test_a_product_says_how_unusual_it_is(against_normal, open_session):
    session = open_session(against_normal)
    root, known = product_of(session).root, observe(session, AS_OF)
    found, grid = normals_of(session, known), session.geometry.grid
    index = calendar_indices(np.array([DAY], "datetime64[D]"))
    expected = (root["twsa"].values[0][grid.domain] - found.cells.normal_mm(index)[0]) / (
        found.cells.spread_mm(index)[0])
    land = grid.land
    z, percentile = (root[name].values[0][grid.domain] for name in NAMES)
    np.testing.assert_allclose(z[land], expected[land], atol=0.01)
    np.testing.assert_allclose(percentile[land], percentile_of(expected, found.cells.n_independent)
                               [land], atol=0.3)
    assert np.isnan(z[~land]).all()
    assert root.attrs["climatology_period"] == "2015-01-01/2015-12-31"
    assert root.attrs["climatology_method"] == "dwlim_st"
    assert root.attrs["climatology_harmonics"] == 1
    assert "Student's t" in root.attrs["percentile_distribution"]


def test_tables_and_documents_tell_the_standing(against_normal, open_session):
    session = open_session(against_normal)
    rows = table_of(against_normal)
    assert [(row["date"], row["basin"]) for row in rows] == [
        (str(day), basin) for day in (BEFORE, DAY) for basin in ("100", "12", "7")]
    latest = json.loads((against_normal.published / "latest.json").read_text())
    for one in latest["basins"]:
        (row,) = (row for row in rows if (row["date"], row["basin"]) == (str(DAY), one["id"]))
        standing = one["standing"]
        assert float(row["twsa_mm"]) == one["estimates"]["dwlim_st"]["twsa_mm"]
        assert standing["category"] == row["category"]
        assert standing["percentile"] == pytest.approx(float(row["percentile"]))
        assert sum(standing["probabilities"]) == pytest.approx(1.0, abs=1e-3)
        document = json.loads(
            (against_normal.published / tree.basin_path(one["id"])).read_text())
        block = document["climatology"]
        assert (len(block["normal_mm"]), len(block["spread_mm"])) == (366, 366)
        assert block["normal_mm"][365] == pytest.approx(float(row["normal_mm"]), abs=0.01)
        assert document["standing"]["date"] == [str(BEFORE), str(DAY)]
        assert document["standing"]["category"][-1] in CATEGORIES
        assert document["standing"]["veto"] == ["", ""]
    against = in_force(session, session.ledger.newest_revisions())
    assert [len(of_day) for of_day in against.standings.values()] == [3, 3]
    assert (against_normal.published / tree.CLIMATOLOGY).read_bytes() == against.content


def test_the_classes_of_the_other_year_are_met_as_often_as_they_say(against_normal, open_session):
    """2016 of the same process: with one year known, few days may be called extreme."""
    session = open_session(against_normal)
    known = observe(session, AS_OF)
    found, run = normals_of(session, known).basins, session.space_time(known.checked)
    days = [day for day in known.days if day.year == 2016][::5]
    values = np.stack([run.basin_means(day, run.filtered(day).signal)[0] for day in days])
    index = calendar_indices(np.array(days, "datetime64[D]"))
    percentile = percentile_of((values - found.normal_mm(index)) / found.spread_mm(index),
                               found.n_independent)
    assert 0.02 < ((percentile < 20) | (percentile > 80)).mean() < 0.6
    assert ((percentile < 2) | (percentile > 98)).mean() < 0.1


def test_a_tick_on_unchanged_inputs_does_nothing(against_normal, open_session, monkeypatch):
    before = published_files(against_normal)
    monkeypatch.setattr(normals, "_make", lambda *_: pytest.fail("made again"))
    session = open_session(against_normal)
    assert plan(session, observe(session, AS_OF)) == []
    assert run_tick(session, LATER).published == ()
    after = published_files(against_normal)
    assert {path for path in before if after.get(path) != before[path]} == {"status.json"}
    assert sorted(after) == sorted(before)


@pytest.mark.parametrize("path", [tree.STANDINGS_CSV, tree.CLIMATOLOGY, "basins/7.json"])
def test_without_cache_and_tables_the_next_tick_mends_them(against_normal, open_session, path):
    before = published_files(against_normal)
    shutil.rmtree(against_normal.cache)
    (against_normal.published / path).unlink()
    run_tick(open_session(against_normal), AS_OF)
    assert published_files(against_normal)[path] == before[path]


def stored(session):
    parts = session.ledger.newest_revisions()[DAY].parts
    digest = session.ledger.memory(normals.CLIMATOLOGIES).recall(normals._key(parts))
    return session.archive.store._path(digest)


def test_a_lost_copy_comes_back_from_the_published_tree(against_normal, open_session):
    session = open_session(against_normal)
    path = stored(session)
    whole = path.read_bytes()
    path.write_bytes(b"rot")
    assert run_tick(session, AS_OF).outcome == "done"
    assert path.read_bytes() == whole


def test_a_climatology_that_is_lost_altogether_is_said_and_made_again(against_normal,
                                                                      open_session):
    before = published_files(against_normal)
    session = open_session(against_normal)
    stored(session).unlink()
    (against_normal.published / tree.CLIMATOLOGY).unlink()
    report = run_tick(session, AS_OF)
    assert report.outcome == "degraded"
    assert "cannot be read" in report.degraded[0]
    assert table_of(against_normal) == []
    session = open_session(against_normal)
    assert normals_of(session, observe(session, AS_OF)) is not None
    assert run_tick(session, AS_OF).outcome == "done"
    after = published_files(against_normal)
    assert {path for path in before if after.get(path) != before[path]} <= {"status.json"}


def test_products_come_out_again_byte_for_byte(against_normal, open_session):
    session = open_session(against_normal)
    products = session.ledger.products()
    shutil.rmtree(against_normal.cache)
    stored(session).unlink()
    session.close()
    for record in products:
        found = reproduce(against_normal, record.product_id)
        assert found.same_bytes, found.differences
        assert found.differences == ""


def test_a_changed_past_issues_the_days_again(against_normal, open_session):
    path = against_normal.root / "inbox/gnss/s004.up"
    synthetic.edit(path, lambda lines: [
        f"20150610 {float(line.split()[1]) + 1.0:.4f} 1.0000"
        if line.startswith("20150610") else line for line in lines])
    session = open_session(against_normal)
    assert run_tick(session, LATER).published == (BEFORE, DAY)
    records = session.ledger.products(first=DAY)
    digests = [record.parts["climatology"] for record in records]
    assert len(set(digests)) == 2
    assert reproduce(against_normal, records[0].product_id).same_bytes


def test_a_later_change_leaves_the_climatology(against_normal, open_session):
    path = against_normal.root / "inbox/gnss/s004.up"
    synthetic.edit(path, lambda lines: lines[:-1])
    session = open_session(against_normal)
    before = session.ledger.newest_revisions()[DAY].parts["climatology"]
    assert DAY in run_tick(session, LATER).published
    assert session.ledger.newest_revisions()[DAY].parts["climatology"] == before != ""


@pytest.mark.parametrize(("table", "word"), [
    ({"climatology": {"minimum_years": 3}}, "365 days of the period"),
    ({"climatology": {"last": DAY}}, "is not over on 2016-12-31"),
    ({"climatology": {"first": date(2016, 6, 1), "last": date(2016, 1, 1)}}, "ends before"),
])
def test_without_a_climatology_the_reason_is_told(workspace, open_session, table, word):
    settings = {"climatology": {**content()["climatology"], **table["climatology"]}}
    synthetic.write_config(workspace.root, content(**settings))
    if word == "ends before":
        from dwlim_ops.errors import ConfigError

        with pytest.raises(ConfigError, match=word):
            open_session(workspace)
        return
    session = open_session(workspace)
    assert run_tick(session, first=DAY, last=DAY).outcome == "done"
    root = product_of(session).root
    assert word in root.attrs["climatology_absence"]
    assert not set(NAMES) & set(root)
    assert table_of(workspace) == []
    assert not (workspace.published / tree.CLIMATOLOGY).exists()
    latest = json.loads((workspace.published / "latest.json").read_text())
    assert {one["standing"] for one in latest["basins"]} == {None}


def test_the_normal_comes_when_its_period_is_over(workspace, open_session):
    synthetic.write_config(workspace.root, content(
        climatology={**content()["climatology"], "last": date(2016, 12, 25)}))
    session = open_session(workspace)
    run_tick(session, synthetic.EARLY)
    early = product_of(session, synthetic.EARLY_DAY).root
    assert "is not over on 2016-12-18" in early.attrs["climatology_absence"]
    run_tick(session, AS_OF)
    assert set(NAMES) <= set(product_of(session).root)
    assert table_of(workspace)[0]["date"] == str(synthetic.EARLY_DAY - timedelta(days=1))


@pytest.mark.parametrize("method", ["tragnss", "dwlim"])
def test_estimates_of_single_days_have_a_climatology_of_their_own(workspace, open_session, method):
    """Without networks `dwlim` is not there, and what is published is `tragnss`."""
    synthetic.write_config(workspace.root, content(
        products={"published_method": method, "map_days": 0},
        climatology={**content()["climatology"], "stride_days": 20}))
    session = open_session(workspace)
    run_tick(session, first=DAY, last=DAY)
    root = product_of(session).root
    assert root.attrs["climatology_method"] == "tragnss"
    assert {row["method"] for row in table_of(workspace)} == {"tragnss"}


def test_simulated_cells_have_their_own_and_a_day_without_them_none(trained, open_session):
    synthetic.write_config(trained.root, content(
        products={"published_method": "dwlim", "map_days": 0},
        climatology={"minimum_years": 1, "first": date(2015, 10, 1), "last": date(2016, 12, 1),
                     "stride_days": 30, "n_harmonics": 1}))
    path = trained.root / "inbox/weather/2016.csv"
    silent, heard = date(2016, 12, 10), date(2016, 12, 11)
    synthetic.edit(path, lambda lines: [x for x in lines if not x.startswith(str(silent))])
    session = open_session(trained)
    run_tick(session, LATER, first=silent, last=DAY)
    assert product_of(session, heard).root.attrs["climatology_method"] == "dwlim"
    root = product_of(session, silent).root
    assert root.attrs["published_method"] == "tragnss"
    assert root.attrs["climatology_absence"] == "the climatology is that of dwlim"
    days = {row["date"] for row in table_of(trained)}
    assert str(heard) in days
    assert str(silent) not in days


def test_too_few_estimates_give_none_and_are_not_tried_again(trained, open_session, monkeypatch):
    synthetic.write_config(trained.root, content(
        products={"published_method": "dwlim", "map_days": 0},
        climatology={"minimum_years": 1, "stride_days": 30}))
    session = open_session(trained)
    run_tick(session, LATER)
    root = product_of(session).root
    assert root.attrs["climatology_absence"] == "too few days of the period have an estimate"
    monkeypatch.setattr(normals, "_make", lambda *_: pytest.fail("made again"))
    assert normals_of(session, observe(session, LATER)) is None
    assert table_of(trained) == []


def test_vetoes_are_remembered_for_each_revision(against_normal, open_session):
    synthetic.write_config(against_normal.root, content(
        products={"flag_beyond": {"n_stations": 99}, "published_method": "dwlim_st",
                  "map_days": 0}))
    session = open_session(against_normal)
    assert run_tick(session, LATER).published == (BEFORE, DAY)
    assert {row["veto"] for row in table_of(against_normal)} == {"only 30 stations"}
    rows = [row for row, _ in session.ledger.basin_rows(newest_only=False)
            if row.method == "dwlim_st" and row.day == DAY]
    known = in_force(session, session.ledger.newest_revisions()).normals.basins
    every = basin_standings(session, known, rows)[DAY]
    assert {(one.revision, one.veto) for one in every} == {(0, ""), (1, "only 30 stations")}


class Crash(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("place", ["remember_vetoes", "normals_of"])
def test_death_on_the_way_is_recovered(tmp_path, open_session, monkeypatch, ticked_once, place):
    workspace = synthetic.build_workspace(tmp_path / "other", content=content())
    session = open_session(workspace)
    usual = getattr(publication, place)

    def dies(*arguments):
        usual(*arguments)
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(publication, place, dies)
        with pytest.raises(Crash):
            run_tick(session)
    run_tick(open_session(workspace))
    expected = published_files(ticked_once)
    found = published_files(workspace)
    assert sorted(found) == sorted(expected)
    assert {path for path in expected if found[path] != expected[path]} <= {"status.json"}


def test_a_replay_ends_as_a_backfill(tmp_path, open_session):
    first = DAY - timedelta(days=3)
    one, other = (open_session(synthetic.build_workspace(
        tmp_path / name, content=content(schedule={"horizon_days": 5})))
        for name in ("replayed", "backfilled"))
    for back in (3, 2, 1, 0):
        run_tick(one, AS_OF - timedelta(days=back), first=first)
    run_tick(other, AS_OF, first=first)

    def what(session):
        return {day: record.content_sha256
                for day, record in session.ledger.newest_revisions().items()}

    def standings(session):
        return [{**row, "revision": ""} for row in table_of(session.workspace)]

    assert what(one) == what(other)
    assert standings(one) == standings(other)
    assert len(standings(one)) == 4 * 3
