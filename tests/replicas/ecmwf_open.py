"""ECMWF open data: GRIB2 files of forecast steps with their index (UPSTREAMS, 3.6)."""

import datetime as dt
import json
import re
from functools import lru_cache
from typing import Final

import numpy as np

from tests.replicas import fields
from tests.replicas.faults import EcmwfOpenFault, Fault
from tests.replicas.gridfiles import grib_message
from tests.replicas.messages import Reply, Request, not_found, ranges_of, static_file
from tests.replicas.server import Replica
from tests.replicas.world import Box

_PATH: Final = re.compile(
    r"/(?P<day>\d{8})/(?P<hour>00|06|12|18)z/ifs/0p25/oper/(?P=day)(?P=hour)0000-(?P<step>\d+)h-"
    r"oper-fc\.(?P<ending>grib2|index)")
#: Parameter: discipline, category, number, first and second surface type, field, bias of the model.
_PARAMETERS: Final = {
    "2t": (0, 0, 0, 103, fields.skin_temperature_k, 1.5),
    "msl": (0, 3, 1, 101, fields.pressure_anomaly_pa, 101_325.0),
    "sp": (0, 3, 0, 1, fields.pressure_pa, 20.0),
    "skt": (0, 0, 17, 1, fields.skin_temperature_k, 0.5),
    "z": (0, 3, 4, 1, fields.geopotential_m2_s2, 0.0),
}
#: Forecast minus truth grows with the lead: standard deviation in the field's unit per day.
ERROR_PER_DAY: Final = {"2t": 0.3, "msl": 60.0, "sp": 60.0, "skt": 0.3, "z": 0.0}
#: Bias of the model against ERA5.
BIAS: Final = {name: entry[5] for name, entry in _PARAMETERS.items() if name != "msl"}


def steps_of(run: dt.datetime) -> list[int]:
    """Steps of a run, hours: to 360 from 00 and 12 UTC, to 144 from 06 and 18 UTC."""
    near = list(range(0, 145, 3))
    return near + list(range(150, 361, 6)) if run.hour in {0, 12} else near


class EcmwfOpen(Replica):
    """A rolling window of runs: four surface fields, and in step 0 the geopotential `z`.

    The real files are global and hold some 80 fields; here they cover `extent`, at 0.25 deg too.
    Longitudes are written -180..180. Single and multiple byte ranges are honoured.
    """

    faults = EcmwfOpenFault
    root = "/forecasts"

    @property
    def extent(self) -> Box:
        """Region of the files."""
        return self.world.box.widened(3.0)

    def answer(self, request: Request) -> Reply:
        found = _PATH.fullmatch(request.path.removeprefix(self.root))
        if found is None or request.method not in {"GET", "HEAD"}:
            return not_found(request.path)
        run = dt.datetime.strptime(found["day"] + found["hour"], "%Y%m%d%H").replace(tzinfo=dt.UTC)
        step = int(found["step"])
        if not self._is_there(run, step, request):
            return not_found(request.path)
        messages = _messages(run, step, self.extent)
        modified = run + self.world.latencies.open_data
        if found["ending"] == "index":
            return self._index(run, step, messages, modified, request)
        reply = static_file(b"".join(messages.values()), modified, "application/octet-stream")
        return self._without_ranges(reply, request)

    def _is_there(self, run: dt.datetime, step: int, request: Request) -> bool:
        runs = self.world.open_data_runs()
        if run not in runs or step not in steps_of(run):
            return False
        if run == runs[-1] and self.meets(request, EcmwfOpenFault.RUN_LATE):
            return False
        return not (step == steps_of(run)[-1] and self.meets(request, EcmwfOpenFault.STEP_MISSING))

    def _index(
        self, run: dt.datetime, step: int, messages: dict[str, bytes], modified: dt.datetime,
        request: Request,
    ) -> Reply:
        if self.meets(request, EcmwfOpenFault.INDEX_MISSING):
            return not_found(request.path)
        offset = 7 if self.meets(request, EcmwfOpenFault.INDEX_WRONG) else 0
        lines = []
        for name, message in messages.items():
            lines.append(json.dumps({
                "domain": "g", "date": f"{run:%Y%m%d}", "time": f"{run:%H}00", "expver": "0001",
                "class": "od", "type": "fc", "levtype": "sfc", "stream": "oper",
                "step": str(step), "param": name, "_offset": offset, "_length": len(message)}))
            offset += len(message)
        return static_file("\n".join([*lines, ""]).encode(), modified, "application/octet-stream")

    def _without_ranges(self, reply: Reply, request: Request) -> Reply:
        faults: list[Fault] = [EcmwfOpenFault.RANGES_IGNORED]
        if len(ranges_of(reply, request) or ()) > 1:
            faults.append(EcmwfOpenFault.MULTIPLE_RANGES_IGNORED)
        if "range" in request.headers and self.meets(request, *faults):
            return Reply(reply.body, last_modified=reply.last_modified, etag=reply.etag)
        return reply


@lru_cache(maxsize=256)
def _messages(run: dt.datetime, step: int, extent: Box) -> dict[str, bytes]:
    longitude, latitude = extent.axes(0.25)
    latitude = latitude[::-1]
    places = [axis.ravel() for axis in np.meshgrid(longitude, latitude)]
    valid = np.array([(run + dt.timedelta(hours=step)).replace(tzinfo=None)], "datetime64[m]")
    error = fields.MODEL_WAVES.at(valid, *places)[0]
    messages = {}
    for name, (discipline, category, number, surface, field, bias) in _PARAMETERS.items():
        if name == "z" and step:
            continue
        values = field(valid, *places)[0] + bias + ERROR_PER_DAY[name] * step / 24.0 * error
        keys = {
            "discipline": discipline, "parameterCategory": category, "parameterNumber": number,
            "typeOfFirstFixedSurface": surface, "productionStatusOfProcessedData": 0,
            "typeOfProcessedData": 1, "significanceOfReferenceTime": 1,
            "dataDate": int(f"{run:%Y%m%d}"), "dataTime": run.hour * 100, "stepUnits": 1,
            "forecastTime": step, "bitsPerValue": 16}
        if surface == 103:
            keys |= {"scaleFactorOfFirstFixedSurface": 0, "scaledValueOfFirstFixedSurface": 2}
        messages[name] = grib_message(values.reshape(latitude.size, longitude.size), longitude,
                                      latitude, keys, edition=2)
    return messages
