"""Fourteen days against "the internet" on loopback, with another fault each day."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest
import synthetic
from synthetic import run_tick

from dwlim_ops.contracts import TIERS
from dwlim_ops.examination import examine
from dwlim_ops.products import encode
from dwlim_ops.reconcile import observe
from dwlim_ops.session import Session
from dwlim_ops.workspace import Workspace
from tests.replicas.faults import CdsFault, EarthdataFault, EcmwfOpenFault, EsmgfzFault, General
from tests.replicas.faults import NglFault as Ngl
from tests.replicas.internet import Internet
from tests.replicas.world import REGIONS, World

pytestmark = pytest.mark.slow

#: Weather is asked from here on: GLDAS and ERA5 then have 61 days in common for the bridge.
FIRST_WEATHER_DAY = date(2026, 8, 1)
START = datetime(2026, 11, 6, 21, tzinfo=UTC)
N_DAYS = 14


def stop(*names):
    def act(net):
        for name in names:
            net.replicas[name].stop()
    return act


def fault(name, what, **options):
    return lambda net: net.inject(name, what, **options)


#: What is broken on each day, and what the tick says about it.
FAULTS = [
    (fault("ngl", Ngl.RAPID_MISSING), "rapids"),
    (stop("ngl"), "DataHoldings"),
    (fault("cds", CdsFault.UNAVAILABLE), "era5t"),
    (fault("cds", CdsFault.JOB_FAILED), "era5t"),
    (fault("cds", CdsFault.ACCEPTED_FOREVER), "era5t"),
    (fault("cds", CdsFault.LICENCE), "era5t"),
    (fault("earthdata", EarthdataFault.NO_HITS), ""),
    (fault("earthdata", General.SERVER_ERROR), "gldas"),
    (stop("esmgfz", "esmgfz_second"), "loading"),
    (lambda net: [net.inject(name, EsmgfzFault.HTML_ERROR)
                  for name in ("esmgfz", "esmgfz_second")], "loading"),
    (fault("ecmwf_open", EcmwfOpenFault.INDEX_MISSING), "ifs"),
    (fault("ngl", General.TRUNCATED, where="rapids"), "rapids"),
    (fault("ngl", Ngl.TRUNCATED_LINE, where="rapids"), "refused"),
    (lambda net: [net.inject(name, General.RESET) for name in net.replicas], "gnss"),
]


def environment_of(net):
    urls = net.base_urls
    second = urls.pop("esmgfz_second")
    login = urls.pop("earthdata_login").partition("://")[2].partition("/")[0]
    given = {f"DWLIM_{name.upper()}_BASE_URL": url for name, url in urls.items()}
    given["DWLIM_ESMGFZ_BASE_URL"] += f",{second}"
    given |= {f"DWLIM_{name}_LOGIN_HOST": login for name in ("GESDISC", "OPENDAP", "PODAAC")}
    return given | {"ECMWF_DATASTORES_KEY": net.cds.token, "EARTHDATA_TOKEN": net.earthdata.token}


def configuration():
    content = synthetic.configuration()
    content["region"] |= {"reference_start": date(2025, 1, 1), "reference_end": date(2025, 12, 31)}
    content["sources"] = {
        "gnss": {"kind": "ngl", "sites": "region/wanted.csv", "frame": "cf"},
        "weather": {"kind": "services", "first_day": FIRST_WEATHER_DAY, "job_patience_s": 3.0},
        "loading": {"kind": "esmgfz", "frame": "cf", "first_day": date(2025, 1, 1)},
        "grace": {"kind": "services"}}
    quick = {"requests_per_second": 1000.0, "read_timeout_s": 3.0, "connect_timeout_s": 1.0,
             "deadline_s": 6.0, "attempts": 2}
    content["endpoints"] = dict.fromkeys(
        ("ngl", "cds", "cmr", "gesdisc", "opendap", "podaac", "ecmwf_open", "esmgfz", "csr"), quick)
    content["schedule"] = {"horizon_days": 40}
    content["models"] = {"store": "models"}
    content["qc"]["step_mode"] = "given"
    del content["training"]
    return content


@pytest.fixture
def online(tmp_path, monkeypatch):
    """A workspace whose services are replicas, on the evening of `START`."""
    world = World(REGIONS["toyland"], now=START, first_day=date(2025, 1, 1),
                  n_stations=14)
    workspace = synthetic.build_workspace(tmp_path / "ws", content=configuration())
    stations = io.StringIO()
    rows = csv.writer(stations)
    rows.writerow(["station", "longitude", "latitude", "height"])
    rows.writerows((s.name, s.longitude_deg, s.latitude_deg, s.height_m) for s in world.stations)
    (workspace.root / "region/wanted.csv").write_text(stations.getvalue())
    with Internet(world) as net:
        net.cds.polls_until_done = 0
        for name, value in environment_of(net).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("HOME", str(tmp_path))
        yield SimpleNamespace(net=net, world=world, workspace=workspace, tmp_path=tmp_path)


def tick(workspace, world):
    session = Session(workspace)
    try:
        return run_tick(session, world.now, now=world.now), dict(session.ledger.newest_revisions())
    finally:
        session.close()


def test_every_day_is_published_whatever_breaks_and_all_is_caught_up(online, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda _: None)
    net, world, workspace = online.net, online.world, online.workspace
    first_report, _ = tick(workspace, world)
    assert first_report.outcome in ("done", "degraded"), first_report
    tiers = {}
    for breaks, named in FAULTS:
        net.advance(timedelta(days=1))
        breaks(net)
        report, newest = tick(workspace, world)
        net.clear_faults()
        net.cds.polls_until_done = 0
        tiers[world.now.date()] = {day: record.tier for day, record in newest.items()}
        if named:
            assert report.outcome == "degraded", (named, report)
            assert any(named in text for text in report.degraded), (named, report.degraded)
    for before, after in zip(tiers.values(), list(tiers.values())[1:], strict=False):
        for day, tier in before.items():
            assert TIERS.index(after[day]) >= TIERS.index(tier), day
    net.advance(timedelta(days=1))
    tick(workspace, world)
    report, caught_up = tick(workspace, world)
    newest_day = world.now.date() - timedelta(days=2)
    wanted = {START.date() - timedelta(days=2 - n) for n in range(N_DAYS + 2)}
    assert wanted <= set(caught_up)
    assert max(caught_up) == newest_day
    assert caught_up[newest_day].tier == "preview"
    assert caught_up[newest_day - timedelta(days=6)].tier == "era5t"
    assert caught_up[START.date() - timedelta(days=3)].tier in ("final_gnss", "gldas_ep")

    untroubled = synthetic.build_workspace(online.tmp_path / "untroubled", content=configuration())
    (untroubled.root / "region/wanted.csv").write_bytes(
        (workspace.root / "region/wanted.csv").read_bytes())
    tick(untroubled, world)
    _, expected = tick(untroubled, world)
    compared = [day for day in wanted if day in expected]
    assert len(compared) >= N_DAYS
    different = [day for day in compared
                 if not same_numbers(workspace, caught_up[day], untroubled, expected[day])]
    assert different == []


def same_numbers(workspace, record, other_workspace, other):
    one, two = (encode.read(place.published / found.path).root
                for place, found in ((workspace, record), (other_workspace, other)))
    return all(np.allclose(one[name], two[name], atol=0.5, equal_nan=True)
               for name in ("twsa", "twsa_sigma"))


def test_the_water_is_that_of_the_world(online, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda _: None)
    workspace, world = online.workspace, online.world
    tick(workspace, world)
    session = Session(workspace)
    known = observe(session, world.now)
    assert known is not None
    assert known.forcing is not None
    assert known.bridge is not None
    assert known.remaining_loading == ()
    assert session.grace is not None
    found = examine(session, world.now)
    assert {check.name: check.state for check in found}["credentials of cds"] == "ok"
    assert not [check for check in found if check.state == "failed"], found
    days = known.checked["time"].values
    correlations = []
    for station in world.stations:
        up = known.checked["up_mm"].sel(station=station.name).values
        clean = world.clean_up_mm(station, days)
        there = np.isfinite(up)
        correlations.append(np.corrcoef(up[there], clean[there])[0, 1])
    assert len(correlations) >= 10
    assert np.median(correlations) > 0.8
    assert min(correlations) > 0.5  # with the steps of the provider's list
    session.close()
    assert Workspace(workspace.root).published.joinpath("latest.json").exists()

