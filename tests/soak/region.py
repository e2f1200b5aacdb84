"""The workspace of the soak: the toy region, its services replicas, everything switched on."""

import csv
import io
from dataclasses import dataclass
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
SECRET_VARIABLE: Final = "SOAK_WEBHOOK_SECRET"  # noqa: S105
#: The desk hears everything, the guard of severe alerts only.
DESK, GUARD = "desk", "guard"
#: A request of the soak never waits longer: replicas answer in milliseconds or not at all.
TIMEOUTS: Final = {"read_timeout_s": 1.0, "connect_timeout_s": 0.5, "deadline_s": 2.0,
                   "attempts": 2}


@dataclass(frozen=True)
class Size:
    """How large the region and its record are.

    Parameters
    ----------
    n_stations : int
    horizon_days : int
        As far back as GLDAS with GRACE comes late, so that days reach the tier "definitive".
    first_weather_day : date
        Before it no weather is asked for.
    quiet_end_days : int
        Days without faults in the end: a forecast that was refused is replaced after seven.
    """

    n_stations: int = 10
    horizon_days: int = 140
    first_weather_day: date = replay.FIRST_WEATHER_DAY
    quiet_end_days: int = 10


USUAL: Final = Size()


def made_world(size: Size) -> World:
    """The Earth on the first evening."""
    return World(REGIONS["toyland"], now=START, first_day=FIRST_GNSS_DAY,
                 n_stations=size.n_stations)


def configuration(webhook: str, size: Size) -> dict[str, Any]:
    """That of the fourteen days, with climatology, alerts, a map and a long horizon.

    Without a webhook nobody receives the alerts. So few stations would veto every alert: nothing
    is flagged.
    """
    content = replay.configuration()
    content["region"]["synthetic"] = True
    content["endpoints"] = {name: kept | TIMEOUTS for name, kept in content["endpoints"].items()}
    content["sources"]["weather"] |= {"job_patience_s": 1.0,
                                      "first_day": size.first_weather_day}
    content["schedule"] = {"horizon_days": size.horizon_days}
    content["climatology"] = {"minimum_years": 1}
    content["products"] = {"map_days": 1, "flag_beyond": {
        "resolution_km": 1e5, "sigma_mm": 1e4, "station_distance_km": 1e5, "n_stations": 1}}
    content["inversion"]["minimum_stations"] = 5
    content["alerts"] = {
        "drought_class": "D0", "wet_class": "W0", "on_probability": 0.5, "off_probability": 0.3,
        "dwell_days": 2, "dwell_days_off": 3, "renew_days": 7, "expiry_days": 20, "timeout_s": 1.0,
        "recipients": [] if not webhook else [
            {"name": DESK, "kind": "webhook", "address": f"{webhook}/{DESK}"},
            {"name": GUARD, "kind": "webhook", "address": f"{webhook}/{GUARD}",
             "minimum_severity": "Moderate", "secret_variable": SECRET_VARIABLE}]}
    return content


def build(root: Path, world: World, webhook: str, size: Size) -> Workspace:
    """A workspace that wants the stations of the world."""
    workspace = synthetic.build_workspace(root, content=configuration(webhook, size))
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
