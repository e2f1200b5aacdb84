"""From estimates to the published tree: whole, immutable, repeatable, never backwards."""

import csv
import hashlib
import json
from datetime import date, timedelta

import numpy as np
import pytest
import synthetic
from synthetic import AS_OF, DAY, published_files, run_tick

from dwlim_ops import publication
from dwlim_ops.products import checks, encode
from dwlim_ops.products.daily import QUALITY_FLAGS
from dwlim_ops.reconcile import observe, plan

#: Whole ticks of a workspace.
pytestmark = pytest.mark.slow

LATER = AS_OF + timedelta(hours=2)
BEFORE = DAY - timedelta(days=1)


def product_of(session, day=DAY):
    record = session.ledger.newest_revisions()[day]
    return encode.read(session.workspace.published / record.path)


def rows_of(workspace):
    text = (workspace.published / "basins/basins.csv").read_text()
    return list(csv.DictReader(text.splitlines()))


def with_beta(workspace, beta):
    content = synthetic.configuration()
    content["inversion"]["beta"] = beta
    synthetic.write_config(workspace.root, content)
    return workspace


def test_the_same_moment_gives_the_same_bytes_in_fresh_workspaces(tmp_path, open_session):
    trees = []
    for name, day_of_fetch in (("one", AS_OF), ("two", AS_OF + timedelta(days=40))):
        content = synthetic.configuration()
        content["products"]["map_days"] = 1
        workspace = synthetic.build_workspace(tmp_path / name, content=content)
        run_tick(open_session(workspace), now=day_of_fetch)
        trees.append(published_files(workspace))
    assert sorted(trees[0]) == sorted(trees[1])
    endings = {path.rpartition(".")[2] for path in trees[0]}
    assert endings >= {"nc", "csv", "json", "png", "html", "tif", "atom"}
    assert len([path for path in trees[0] if path.endswith(".nc")]) == 2
    for path, content in trees[0].items():
        assert content == trees[1][path], path


def test_a_second_tick_changes_no_product(ticked, open_session):
    before = published_files(ticked)
    run_tick(open_session(ticked), AS_OF)
    after = published_files(ticked)
    assert {path for path in before if after.get(path) != before[path]} <= {"status.json"}
    assert sorted(before) == sorted(after)


def test_latest_points_to_the_newest_day_and_proves_its_file(ticked, open_session):
    session = open_session(ticked)
    latest = json.loads((ticked.published / "latest.json").read_text())
    assert latest["day"] == str(DAY)
    content = (ticked.published / latest["path"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == latest["sha256"]
    assert session.ledger.newest_revisions()[DAY].sha256 == latest["sha256"]
    assert [basin["id"] for basin in latest["basins"]] == ["7", "12", "100"]
    assert latest["quality"]["n_stations_used"] == synthetic.N_STATIONS
    assert [one["age_days"] for one in latest["inputs"]] == [1.75, 1.75]


def test_basin_means_follow_from_the_grid(ticked, open_session):
    session = open_session(ticked)
    product, geometry = product_of(session), session.geometry
    twsa = product.root["twsa"].values[0]
    rows = {row["basin"]: row for row in rows_of(ticked) if row["date"] == str(DAY)}
    for number, basin in enumerate(geometry.basins.identifier):
        weight = geometry.grid.on_grid(geometry.basins.weight[number])
        on_land = np.isfinite(twsa) & (weight > 0)
        expected = (twsa * weight)[on_land].sum() / weight[on_land].sum()
        assert float(rows[basin]["twsa_mm"]) == pytest.approx(expected, abs=1.0)
        document = json.loads((ticked.published / f"basins/{basin}.json").read_text())
        series = document["series"]["tragnss"]
        assert series["date"] == [str(BEFORE), str(DAY)]
        assert series["twsa_mm"][-1] == pytest.approx(float(rows[basin]["twsa_mm"]), abs=0.01)


def test_published_basins_are_near_the_truth(ticked, open_session):
    wet = date(2016, 2, 20)
    run_tick(open_session(ticked), first=wet, last=wet)
    expected = synthetic.truth().basin_means_mm()[synthetic.truth().row(wet)]
    rows = [row for row in rows_of(ticked) if row["date"] == str(wet)]
    assert [(row["basin"], row["method"]) for row in rows] == [
        (basin, method) for basin in sorted(synthetic.BASINS, key=str)
        for method in ("dwlim_st", "tragnss")]
    truth_of = dict(zip(synthetic.BASINS, expected, strict=True))
    for row in rows:
        truth, found, sigma = truth_of[row["basin"]], float(row["twsa_mm"]), float(row["sigma_mm"])
        assert truth > 20
        assert found == pytest.approx(truth, rel=0.5)
        assert abs(found - truth) < 3 * sigma


def test_without_a_bundle_the_second_estimate_is_flagged_as_absent(ticked, open_session):
    product = product_of(open_session(ticked))
    land = (product.root["quality_flag"].values & QUALITY_FLAGS["outside_land"]) == 0
    assert (product.root["quality_flag"].values[land] & QUALITY_FLAGS["dwlim_absent"]).all()
    assert np.isnan(product.root["twsa_dwlim"].values).all()
    assert product.root.attrs["published_method"] == "tragnss"
    assert product.root.attrs["bundle_id"] == ""
    assert product.simulated_cells.sizes["cell"] == 0


def test_with_a_bundle_both_estimates_stand_side_by_side(served, open_session):
    session = open_session(served)
    product = product_of(session)
    both = [product.root[f"twsa_{method}"].values for method in ("tragnss", "dwlim")]
    land = np.isfinite(both[0])
    assert np.isfinite(both[1][land]).all()
    assert np.abs(both[0] - both[1])[land].max() > 0.1
    assert product.root.attrs["bundle_id"] == session.bundle_id != ""
    assert product.simulated_cells.sizes["cell"] > 0
    assert {row["method"] for row in rows_of(served)} == {"tragnss", "dwlim", "dwlim_st"}


def test_the_wanted_estimate_is_published_where_it_exists(trained, ticked, open_session):
    content = synthetic.configuration()
    content["products"] = {"published_method": "dwlim"}
    for workspace, expected in ((trained, "dwlim"), (ticked, "tragnss")):
        synthetic.write_config(workspace.root, content)
        session = open_session(workspace)
        run_tick(session, LATER, first=DAY, last=DAY)
        root = product_of(session).root
        assert root.attrs["published_method"] == expected
        assert np.array_equal(root["twsa"], root[f"twsa_{expected}"], equal_nan=True)


def test_a_product_that_fails_its_checks_leaves_the_earlier_one(ticked, open_session, monkeypatch):
    before = published_files(ticked)
    session = open_session(with_beta(ticked, 0.2))
    monkeypatch.setattr(checks, "MAX_VALUE_MM", 0.001)
    report = run_tick(session, LATER)
    assert report.outcome == "failed"
    assert report.published == ()
    assert all("fails its checks" in text for text in report.degraded)
    after = published_files(ticked)
    assert {path for path in before if after.get(path) != before[path]} == {"status.json"}
    assert sorted(before) == sorted(after)
    monkeypatch.undo()
    assert run_tick(session, LATER).published == (BEFORE, DAY)


def test_one_day_that_cannot_be_written_hinders_no_other(workspace, open_session, monkeypatch):
    usual = publication.write_atomically

    def full(path, content):
        if f"{BEFORE:%Y%m%d}" in path.name:
            raise OSError(28, "No space left on device", str(path))
        return usual(path, content)

    monkeypatch.setattr(publication, "write_atomically", full)
    session = open_session(workspace)
    report = run_tick(session)
    assert (report.outcome, report.published) == ("degraded", (DAY,))
    assert "No space left" in report.degraded[0]
    monkeypatch.setattr(publication, "write_atomically", usual)
    assert run_tick(session, LATER).published == (BEFORE,)


def test_a_revision_tells_how_much_it_changed(ticked, open_session):
    first = product_of(open_session(ticked))
    assert "change_from_previous_revision_rms_mm" not in first.root.attrs
    session = open_session(with_beta(ticked, 0.2))
    run_tick(session, LATER)
    second = product_of(session)
    change = (second.root["twsa"] - first.root["twsa"]).values.astype(float)
    area = np.broadcast_to(np.cos(np.radians(second.root["lat"].values))[:, None], change.shape[1:])
    finite = np.isfinite(change[0])
    expected = np.sqrt((change[0][finite] ** 2 * area[finite]).sum() / area[finite].sum())
    assert expected > 0.1
    told = second.root.attrs["change_from_previous_revision_rms_mm"]
    assert told == pytest.approx(expected, rel=1e-6)
    assert (second.root.attrs["revision"], second.root.attrs["id"]) == (
        1, f"twsa_toyland_{DAY:%Y%m%d}_r01")
    names = {path.name for path in (ticked.published / "daily").rglob("*.nc")}
    assert {f"twsa_toyland_{DAY:%Y%m%d}_r0{number}.nc" for number in (0, 1)} <= names
    assert json.loads((ticked.published / "latest.json").read_text())["revision"] == 1


def test_latest_never_goes_back(ticked, open_session):
    latest = (ticked.published / "latest.json").read_bytes()
    session = open_session(ticked)
    report = run_tick(session, LATER, first=date(2016, 5, 1), last=date(2016, 5, 2))
    assert report.published == (date(2016, 5, 1), date(2016, 5, 2))
    assert (ticked.published / "latest.json").read_bytes() == latest
    run_tick(session, synthetic.EARLY)
    assert (ticked.published / "latest.json").read_bytes() == latest
    rows = rows_of(ticked)
    days = [row["date"] for row in rows]
    assert days == sorted(days)
    assert {"2016-05-01", str(synthetic.EARLY_DAY), str(DAY)} <= set(days)


class Crash(BaseException):
    """The process dies here."""


def die(*_args, **_kwargs):
    raise Crash


def test_death_between_file_and_record_is_recovered(workspace, open_session, monkeypatch):
    session = open_session(workspace)
    with monkeypatch.context() as patch:
        patch.setattr(session.ledger, "add_product", die)
        with pytest.raises(Crash):
            run_tick(session)
    assert not (workspace.published / "daily").exists()
    assert len(list(workspace.staging.iterdir())) == 1
    session = open_session(workspace)
    report = run_tick(session, LATER)
    assert (report.outcome, report.published) == ("done", (BEFORE, DAY))
    assert {record.revision for record in session.ledger.products()} == {0}
    assert product_of(session, BEFORE).root.attrs["as_of"] == "2017-01-02T20:00:00Z"
    for record in session.ledger.products():
        content = (workspace.published / record.path).read_bytes()
        assert hashlib.sha256(content).hexdigest() == record.sha256


def test_death_between_record_and_release_is_recovered(workspace, open_session, monkeypatch):
    session = open_session(workspace)
    with monkeypatch.context() as patch:
        patch.setattr("dwlim_ops.publication.tree.release", die)
        with pytest.raises(Crash):
            run_tick(session, first=DAY, last=DAY)
    (record,) = session.ledger.products()
    assert not (workspace.published / record.path).exists()
    session = open_session(workspace)
    publication.settle(session)
    content = (workspace.published / record.path).read_bytes()
    assert hashlib.sha256(content).hexdigest() == record.sha256
    assert list(workspace.staging.iterdir()) == []
    report = run_tick(session, first=DAY, last=DAY)
    assert (report.outcome, report.published) == ("done", ())
    assert json.loads((workspace.published / "latest.json").read_text())["sha256"] == record.sha256


def test_what_a_killed_process_left_is_removed(ticked, open_session):
    session = open_session(ticked)
    before = published_files(ticked)
    store = {path for path in ticked.raw.rglob("*") if path.is_file()}
    record = session.ledger.newest_revisions()[DAY]
    ticked.staging.mkdir(parents=True, exist_ok=True)
    for name in ("twsa_toyland_20300101_r00.nc", f"{record.product_id}.nc", ".a.nc.x.part"):
        (ticked.staging / name).write_bytes(b"half")
    for folder in (ticked.published, ticked.published / "daily", ticked.raw, ticked.cache):
        folder.mkdir(exist_ok=True)
        (folder / ".file.x1y2.part").write_bytes(b"half")
    publication.settle(session)
    assert list(ticked.staging.iterdir()) == []
    assert published_files(ticked) == before
    assert {path for path in ticked.raw.rglob("*") if path.is_file()} == store
    assert not list(ticked.root.rglob("*.part"))


def test_a_product_that_is_staged_and_published_already_is_no_trouble(ticked, open_session):
    session = open_session(ticked)
    record = session.ledger.newest_revisions()[DAY]
    ticked.staging.mkdir(parents=True, exist_ok=True)
    before = published_files(ticked)
    (ticked.staging / f"{record.product_id}.nc").write_bytes(before[record.path])
    publication.settle(session)
    assert list(ticked.staging.iterdir()) == []
    assert published_files(ticked) == before


def test_pictures_are_those_of_the_newest_revision_of_the_newest_days(
        ticked, open_session, monkeypatch):
    drawn = []
    monkeypatch.setattr(publication, "day_map", lambda product, *_: drawn.append(
        product.root.attrs["id"]) or b"map")
    monkeypatch.setattr(publication, "basin_plot", lambda *_, **__: b"plot")
    content = synthetic.configuration()

    def pictures(map_days):
        content["products"]["map_days"] = map_days
        synthetic.write_config(ticked.root, content)
        session = open_session(ticked)
        assert publication.refresh(session, as_of=AS_OF) == []
        return sorted(path.name for path in ticked.published.glob("maps/*"))

    assert pictures(0) == []
    names = [f"twsa_toyland_{day:%Y%m%d}_r00.png" for day in (BEFORE, DAY)]
    assert pictures(5) == ["basins.png", *names]
    assert pictures(1) == ["basins.png", names[1]]
    assert drawn == [name.removesuffix(".png") for name in names]
    assert pictures(0) == []


def test_death_before_the_pointer_is_recovered(workspace, open_session, monkeypatch):
    session = open_session(workspace)
    with monkeypatch.context() as patch:
        patch.setattr("dwlim_ops.publication.tree.write_latest", die)
        with pytest.raises(Crash):
            run_tick(session, first=DAY, last=DAY)
    session = open_session(workspace)
    run_tick(session, LATER)
    assert plan(session, observe(session, LATER)) == []
    assert json.loads((workspace.published / "latest.json").read_text())["day"] == str(DAY)


def test_an_excluded_station_is_named_with_its_reason(workspace, open_session):
    path = workspace.root / "inbox/gnss/s017.up"
    synthetic.edit(path, lambda lines: lines[-200:])
    session = open_session(workspace)
    run_tick(session, first=DAY, last=DAY)
    stations = product_of(session).stations
    exclusion = dict(zip(stations["station"].values.tolist(), stations["exclusion"].values.tolist(),
                         strict=True))
    assert exclusion.pop("S017") == "only 200 usable days"
    assert set(exclusion.values()) == {""}
    latest = json.loads((workspace.published / "latest.json").read_text())
    assert latest["quality"]["n_stations_used"] == synthetic.N_STATIONS - 1


@pytest.mark.parametrize("file", ["latest.json", "basins/basins.csv", "basins/7.json",
                                  "basins/revisions.csv", "basins/revision_statistics.csv"])
@pytest.mark.parametrize("spoil", [lambda path: path.write_text("{"), lambda path: path.unlink()],
                         ids=["damaged", "lost"])
def test_what_follows_from_the_ledger_is_mended_by_the_next_tick(
        ticked, open_session, file, spoil):
    before = published_files(ticked)
    spoil(ticked.published / file)
    assert run_tick(open_session(ticked), AS_OF).outcome == "done"
    after = published_files(ticked)
    assert after[file] == before[file]
    assert sorted(after) == sorted(before)


def test_a_newest_product_that_is_damaged_is_named(ticked, open_session):
    session = open_session(ticked)
    path = ticked.published / session.ledger.newest_revisions()[DAY].path
    path.write_bytes(b"rot")
    report = run_tick(session, AS_OF)
    assert report.outcome == "degraded"
    assert any(path.name in text and "remedy" in text for text in report.degraded)


def test_a_damaged_earlier_revision_does_not_block_the_next(ticked, open_session):
    session = open_session(with_beta(ticked, 0.2))
    (ticked.published / session.ledger.newest_revisions()[DAY].path).write_bytes(b"rot")
    assert DAY in run_tick(session, LATER).published


def test_status_tells_what_is_fresh(ticked):
    status = json.loads((ticked.published / "status.json").read_text())
    assert status["outcome"] == "done"
    assert status["newest_published_day"] == str(DAY)
    assert status["n_published_days"] == 2
    assert status["newest_input_day"] == {"gnss": str(DAY), "weather": str(DAY)}
    assert status["bundle"] is None
    assert status["quarantined"] == []
    assert status["last_tick"]["published"] == [str(BEFORE), str(DAY)]
