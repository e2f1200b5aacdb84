"""Climate Data Store: the wire protocol of `ecmwf-datastores-client` 0.5.3 (UPSTREAMS, 3.2)."""

import datetime as dt
import hashlib
import uuid
from dataclasses import dataclass, replace
from typing import Any, Final

from tests.replicas import era5files
from tests.replicas.era5files import Asked, BadRequestError, Layout
from tests.replicas.faults import CdsFault, Fault
from tests.replicas.messages import Reply, Request, json_reply, page
from tests.replicas.server import Replica
from tests.replicas.world import World

DATASET: Final = "reanalysis-era5-single-levels"
TOKEN: Final = "0f1e2d3c-replica-cds-token"  # noqa: S105  # opens nothing
_LAYOUTS: Final[dict[CdsFault, Layout]] = {
    CdsFault.OLD_NETCDF: "old_netcdf", CdsFault.OLD_EXPVER_NETCDF: "old_expver_netcdf"}
_ENDINGS: Final = {CdsFault.JOB_FAILED: "failed", CdsFault.JOB_REJECTED: "rejected"}
_MOST_VALUES: Final = 20_000_000


@dataclass
class Job:
    """A request in the queue; `end` is what it comes to."""

    identifier: str
    request: dict[str, Any]
    asked: Asked
    expver: list[str]
    created: dt.datetime
    end: str = "successful"
    fault: Fault | None = None
    n_polls: int = 0
    content: bytes | None = None
    media_type: str = "application/x-grib"


class Cds(Replica):
    """Processes, jobs and assets of the one dataset, and its entry in the catalogue.

    A job is `accepted` in the answer to its submission, then `running`, and `successful` at its
    poll number `polls_until_done`. What is out is decided at submission. An asset can be had
    without the token, at a path of its own.

    Attributes
    ----------
    token : str
        The only key that is accepted.
    jobs : dict
        By identifier; they outlive `stop` and `start`.
    polls_until_done : int
        0: successful at the first poll.
    """

    faults = CdsFault
    root = "/api"

    def __init__(self, world: World, *, port: int = 0, host: str = "127.0.0.1") -> None:
        super().__init__(world, port=port, host=host)
        self.token, self.polls_until_done = TOKEN, 2
        self.jobs: dict[str, Job] = {}

    def answer(self, request: Request) -> Reply:
        path = request.path
        if path.startswith("/cache/"):
            return self._asset(path.removeprefix("/cache/"), request)
        if not path.startswith(self.root + "/"):
            return _problem(404, "not found", path)
        path = path.removeprefix(self.root)
        return self._refusal(request, path) or self._route(path, request)

    def _route(self, path: str, request: Request) -> Reply:
        fixed = {
            "/catalogue/v1/messages": lambda: json_reply({"messages": []}),
            f"/catalogue/v1/collections/{DATASET}": self._collection,
            "/profiles/v1/account/verification/pat": lambda: json_reply(
                {"id": 1, "sub": "replica", "email": "replica@example.org"}),
        }
        if path in fixed:
            return fixed[path]()
        if path.startswith(f"/retrieve/v1/processes/{DATASET}"):
            return self._process(path.rpartition(DATASET)[2], request)
        if path.startswith("/retrieve/v1/jobs"):
            return self._jobs(path.removeprefix("/retrieve/v1/jobs").strip("/"), request)
        return _problem(404, "not found", f"{path} not found")

    def _refusal(self, request: Request, path: str) -> Reply | None:
        if self.meets(request, CdsFault.RATE_LIMITED):
            reply = _problem(429, "too many requests", "Rate limit exceeded. Please wait 17"
                             " seconds.")
            return replace(reply, headers={"Retry-After": self.retry_after})
        if self.meets(request, CdsFault.UNAVAILABLE):
            return page("<h1>503 Service Temporarily Unavailable</h1>", 503)
        wrong = request.headers.get("private-token") != self.token
        if not path.startswith("/catalogue/") and (
                wrong or self.meets(request, CdsFault.BAD_TOKEN)):
            return _problem(401, "permission denied", "authentication failed")
        return None

    def _collection(self) -> Reply:
        last = self.world.era5_last_hour()
        address = f"{self.base_url}/catalogue/v1/collections/{DATASET}"
        return json_reply({
            "type": "Collection", "id": DATASET, "stac_version": "1.0.0",
            "title": "ERA5 hourly data on single levels from 1940 to present",
            "description": "ERA5", "license": "CC-BY-4.0", "published": "2018-06-14T00:00:00Z",
            "updated": f"{self.world.now:%Y-%m-%dT00:00:00Z}",
            "extent": {"spatial": {"bbox": [[-180.0, -90.0, 180.0, 90.0]]}, "temporal": {
                "interval": [["1940-01-01T00:00:00Z", f"{last:%Y-%m-%dT00:00:00Z}"]]}},
            "links": [
                {"rel": "self", "type": "application/json", "href": address},
                {"rel": "retrieve", "type": "application/json",
                 "href": f"{self.base_url}/retrieve/v1/processes/{DATASET}"}]})

    def _process(self, rest: str, request: Request) -> Reply:
        address = f"{self.base_url}/retrieve/v1/processes/{DATASET}"
        if rest == "" and request.method == "GET":
            return json_reply({
                "id": DATASET, "title": "ERA5 hourly data on single levels", "version": "1.0.0",
                "inputs": {}, "outputs": {"asset": {"schema": {"type": "object"}}},
                "links": [{"rel": "self", "type": "application/json", "href": address},
                          {"rel": "execute", "type": "application/json",
                           "href": f"{address}/execution", "title": "process execution"}]})
        if rest == "/execution" and request.method == "POST":
            return self._submit(request)
        if rest == "/costing" and request.method == "POST":
            return json_reply({"id": "size", "cost": 24, "limit": 60_000})
        return _problem(404, "not found", rest)

    def _submit(self, request: Request) -> Reply:
        if self.meets(request, CdsFault.LICENCE):
            return _problem(403, "required licences not accepted", "Not all the required licences"
                            " have been accepted; please visit the dataset's page to accept them.")
        if self.meets(request, CdsFault.TOO_LARGE):
            return _problem(403, "cost limits exceeded", "Your request is too large, please reduce"
                            " your selection.")
        inputs = request.json()["inputs"]
        try:
            asked = era5files.understand(inputs)
            if self.meets(request, CdsFault.NOT_AVAILABLE_YET):
                raise BadRequestError("None of the data you have requested is available yet")
            asked = era5files.available(asked, self.world)
        except BadRequestError as error:
            return _problem(400, "invalid request", str(error))
        n_values = (len(asked.hours) * len(asked.variables)
                    * asked.longitude_deg.size * asked.latitude_deg.size)
        if n_values > _MOST_VALUES:
            return _problem(403, "cost limits exceeded", "Your request is too large, please reduce"
                            " your selection.")
        job = self._new_job(inputs, asked, request)
        return json_reply(self._status(job, "accepted"), 201)

    def _new_job(self, inputs: dict[str, Any], asked: Asked, request: Request) -> Job:
        for fault, layout in _LAYOUTS.items():
            if asked.layout == "netcdf" and self.meets(request, fault):
                asked = replace(asked, layout=layout)
        if self.meets(request, CdsFault.HOURS_MISSING):
            asked = replace(asked, hours=asked.hours[:-6] or asked.hours[:1])
        expver = era5files.expvers(asked, self.world)
        if self.meets(request, CdsFault.EXPVER_MIX):
            late = asked.hours[-1].date() - dt.timedelta(days=1)
            expver = ["0005" if hour.date() >= late else "0001" for hour in asked.hours]
        seed = f"{self.world.seed} {len(self.jobs)} {inputs}"
        job = Job(str(uuid.uuid5(uuid.NAMESPACE_URL, seed)), inputs, asked, expver, self.world.now)
        for fault, end in _ENDINGS.items():
            if self.meets(request, fault):
                job.end = end
        for fault in (CdsFault.ACCEPTED_FOREVER, CdsFault.SHORT_CONTENT, CdsFault.CORRUPT_GRIB,
                      CdsFault.ZIP_ANSWER, CdsFault.HTML, CdsFault.RELATIVE_HREF):
            if self.meets(request, fault):
                job.fault = fault
        self.jobs[job.identifier] = job
        return job

    def _jobs(self, rest: str, request: Request) -> Reply:
        identifier, _, action = rest.partition("/")
        if identifier == "":
            return json_reply({"jobs": [self._status(job) for job in self.jobs.values()]})
        job = self.jobs.get(identifier)
        if job is None or self.meets(request, CdsFault.JOB_GONE):
            return _problem(404, "job not found", f"job {identifier} not found")
        if request.method == "DELETE":
            del self.jobs[identifier]
            return json_reply({**self._status(job), "status": "dismissed"})
        if action == "results":
            return self._results(job)
        job.n_polls += 1
        return json_reply(self._status(job))

    def _state(self, job: Job) -> str:
        if job.fault is CdsFault.ACCEPTED_FOREVER:
            return "accepted"
        return "running" if job.n_polls < self.polls_until_done else job.end

    def _status(self, job: Job, state: str = "") -> dict[str, Any]:
        state = state or self._state(job)
        address, stamp = self._address(job), f"{job.created:%Y-%m-%dT%H:%M:%S.000000}"
        document: dict[str, Any] = {
            "processID": DATASET, "type": "process", "jobID": job.identifier, "status": state,
            "created": stamp, "updated": f"{self.world.now:%Y-%m-%dT%H:%M:%S.000000}",
            "links": [
                {"href": address, "rel": "self", "type": "application/json"},
                {"href": address, "rel": "monitor", "type": "application/json",
                 "title": "job status info"}],
            "metadata": {"log": [[stamp, f"The job is {state}"]],
                         "request": {"ids": job.request}}}
        if state != "accepted":
            document["started"] = stamp
        if state in {"successful", "failed", "rejected"}:
            document["finished"] = document["updated"]
            document["links"].append({"href": f"{address}/results", "rel": "results"})
        return document

    def _address(self, job: Job) -> str:
        return f"{self.base_url}/retrieve/v1/jobs/{job.identifier}"

    def _results(self, job: Job) -> Reply:
        state = self._state(job)
        if state in {"failed", "rejected"}:
            return json_reply({
                "type": f"job results {state}", "title": f"job {state}", "status": 400,
                "instance": f"{self._address(job)}/results", "trace_id": job.identifier,
                "detail": "The job has failed.", "traceback": "The job has failed."}, 400)
        if state != "successful":
            return _problem(404, "job results not ready", f"job {job.identifier} is {state}")
        content = self._content(job)
        digest = hashlib.sha256(content).hexdigest()
        href = f"/cache/{job.identifier}.{job.asked.layout.rpartition('_')[2]}"
        size = len(content) + 1000 * (job.fault is CdsFault.SHORT_CONTENT)
        relative = job.fault is CdsFault.RELATIVE_HREF
        return json_reply({"asset": {"value": {
            "type": job.media_type, "href": href if relative else self.origin + href,
            "file:checksum": digest, "file:size": size, "file:local_path": href}}})

    def _content(self, job: Job) -> bytes:
        with self._lock:
            if job.content is None:
                content = era5files.encode(job.asked, job.expver)
                if job.asked.layout != "grib":
                    job.media_type = "application/netcdf"
                if job.asked.zipped or job.fault is CdsFault.ZIP_ANSWER:
                    content = era5files.zipped(content, job.asked.layout)
                    job.media_type = "application/zip"
                if job.fault is CdsFault.CORRUPT_GRIB:
                    content = content[:-500]
                if job.fault is CdsFault.HTML:
                    content = page("<h1>Bad Gateway</h1>").body
                job.content = content
        return job.content

    def _asset(self, name: str, request: Request) -> Reply:
        job = self.jobs.get(name.rpartition(".")[0])
        if job is None or self.meets(request, CdsFault.ASSET_GONE):
            return _problem(404, "not found", name)
        return Reply(self._content(job), content_type=job.media_type, ranged=True)


def _problem(status: int, title: str, detail: str) -> Reply:
    return json_reply({"type": title, "title": title, "status": status, "detail": detail,
                       "trace_id": "00000000-0000-0000-0000-000000000000"}, status)
