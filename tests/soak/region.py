"""The workspace of the soak: the toy region, its services replicas, everything switched on."""

import csv
import io
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import synthetic

from dwlim_ops.workspace import Workspace
from tests.replicas.internet import Internet
from tests.replicas.world import REGIONS, World
from tests.services import test_services_replay as replay

#: The evening of the first tick; then one tick each evening.
START: Final = datetime(2026, 11, 6, 21, tzinfo=UTC)
FIRST_GNSS_DAY: Final = date(2025, 1, 1)
N_STATIONS: Final = 14
#: As far back as GLDAS with GRACE comes late, so that days reach the tier "definitive".
HORIZON_DAYS: Final = 125
SECRET_VARIABLE: Final = "SOAK_WEBHOOK_SECRET"
#: The desk hears everything, the guard of severe alerts only.
DESK, GUARD = "desk", "guard"
#: A request of the soak never waits longer: replicas answer in milliseconds or not at all.
TIMEOUTS: Final = {"read_timeout_s": 1.0, "connect_timeout_s": 0.5, "deadline_s": 2.0,
                   "attempts": 2}


def made_world() -> World:
    """The Earth on the first evening."""
    return World(REGIONS["toyland"], now=START, first_day=FIRST_GNSS_DAY, n_stations=N_STATIONS)


def configuration(webhook: str) -> dict[str, Any]:
    """That of the fourteen days, with climatology, alerts, maps and a long horizon."""
    content = replay.configuration()
    content["region"]["synthetic"] = True
    for endpoint in content["endpoints"].values():
        endpoint |= TIMEOUTS
    content["sources"]["weather"]["job_patience_s"] = 1.0
    content["schedule"] = {"horizon_days": HORIZON_DAYS}
    content["climatology"] = {"minimum_years": 1}
    content["products"] = {"map_days": 3}
    content["alerts"] = {
        "drought_class": "D0", "wet_class": "W0", "on_probability": 0.5, "off_probability": 0.3,
        "dwell_days": 2, "dwell_days_off": 3, "renew_days": 7, "expiry_days": 20, "timeout_s": 1.0,
        "recipients": [
            {"name": DESK, "kind": "webhook", "address": f"{webhook}/{DESK}"},
            {"name": GUARD, "kind": "webhook", "address": f"{webhook}/{GUARD}",
             "minimum_severity": "Moderate", "secret_variable": SECRET_VARIABLE}]}
    return content


def build(root: Path, world: World, webhook: str) -> Workspace:
    """A workspace that wants the stations of the world."""
    workspace = synthetic.build_workspace(root, content=configuration(webhook))
    table = io.StringIO()
    rows = csv.writer(table)
    rows.writerow(["station", "longitude", "latitude", "height"])
    rows.writerows((one.name, one.longitude_deg, one.latitude_deg, one.height_m)
                   for one in world.stations)
    (root / "region/wanted.csv").write_text(table.getvalue())
    return workspace


def environment_of(net: Internet) -> dict[str, str]:
    """Addresses and secrets for the worker."""
    return replay.environment_of(net) | {SECRET_VARIABLE: "a secret of the soak"}
