"""One frozen model of `dwlim.toml`; unknown keys are refused; read once, at the edge."""

import re
import tomllib
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from dwlim_ops.alerts.settings import AlertSettings
from dwlim_ops.errors import ConfigError
from dwlim_ops.features.sequences import FeatureSet
from dwlim_ops.invert.spacetime import SpaceTimeSettings
from dwlim_ops.products.climatology import ClimatologySettings
from dwlim_ops.products.contents import Creator, QualityLimits
from dwlim_ops.publish.cube import CubeSettings
from dwlim_ops.publish.page_data import PageSettings
from dwlim_ops.qc.forcing import ForcingSettings
from dwlim_ops.qc.settings import GnssQcSettings
from dwlim_ops.simulate.train import TrainingSettings
from dwlim_ops.sources.endpoints import EndpointSettings

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Removed = Literal["ntal", "ntol", "trend", "steps"]
Frame = Literal["cf", "cm", "ce"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Region(_Section):
    """Where: outline, basins, grids; paths are relative to the configuration file.

    Displacement and water storage are relative to their mean over the reference period.
    `synthetic`: the inputs are made up, and every product says so.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]
    title: str
    outline: Path
    basins: Path
    grid_deg: Positive = 0.25
    cell_deg: Positive = 1.0
    widen_deg: NotNegative = 2.0
    reference_start: date
    reference_end: date
    licence: str = "not stated"
    citations: tuple[str, ...] = ()
    synthetic: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> "Region":
        if self.reference_end <= self.reference_start:
            raise ValueError("reference_end must be after reference_start")
        return self


class GnssSource(_Section):
    """Daily vertical displacement of stations.

    `already_removed` names what the producer has taken out of the series: it is not removed again.
    Rapid solutions come earlier and are replaced by the final ones. `format` is that of the files
    of a folder. Of kind "ngl": `accepted` are stations whose move or new name has been looked at,
    `earthquake_magnitude` has the list of possible steps count earthquakes from there on.
    """

    kind: Literal["sample", "folder", "ngl"]
    latency_days: NotNegative = 0.0
    rapid_latency_days: NotNegative | None = None
    already_removed: tuple[Removed, ...] = ()
    frame: Frame = "cf"
    folder: Path | None = None
    rapid_folder: Path | None = None
    sites: Path | None = None
    steps: Path | None = None
    format: str = "up"
    unit: Literal["mm", "cm", "m"] | None = None
    accepted: tuple[str, ...] = ()
    earthquake_magnitude: Positive | None = None

    @model_validator(mode="after")
    def _complete(self) -> "GnssSource":
        if self.kind == "folder" and (self.folder is None or self.sites is None):
            raise ValueError("kind = 'folder' needs the keys folder and sites")
        if self.kind == "ngl" and self.sites is None:
            raise ValueError("kind = 'ngl' needs the key sites: the wanted stations and places")
        if self.kind == "folder" and (self.rapid_folder is None) != (
                self.rapid_latency_days is None):
            raise ValueError("rapid_folder and rapid_latency_days go together")
        return self


class WeatherSource(_Section):
    """Daily temperature and pressure.

    At sites ("sample", "folder"), spread over the cells by objective analysis; or gridded, from a
    folder of CF netCDF or GRIB files ("grids"), or from the services of ECMWF, Copernicus and NASA
    ("services"), of which nothing before `first_day` is asked for. `holding` tells whether the
    files of a folder hold instants or daily means.
    """

    kind: Literal["sample", "folder", "grids", "services"]
    latency_days: NotNegative = 0.0
    first_day: date | None = None
    holding: Literal["instants", "daily_means"] = "instants"
    gldas_access: Literal["file", "dap4"] = "dap4"
    job_patience_s: Positive = 240.0
    preview_latency_days: NotNegative | None = None
    era5t_latency_days: NotNegative | None = None
    folder: Path | None = None
    sites: Path | None = None
    temperature_unit: Literal["K", "degC"] = "K"
    pressure_unit: Literal["Pa", "hPa"] = "Pa"

    @model_validator(mode="after")
    def _complete(self) -> "WeatherSource":
        if self.kind == "folder" and (self.folder is None or self.sites is None):
            raise ValueError("kind = 'folder' needs the keys folder and sites")
        if self.kind == "grids" and self.folder is None:
            raise ValueError("kind = 'grids' needs the key folder")
        if self.kind == "services" and self.first_day is None:
            raise ValueError("kind = 'services' needs the key first_day")
        if self.kind != "sample" and (self.preview_latency_days, self.era5t_latency_days) != (
                None, None):
            raise ValueError("preview_latency_days and era5t_latency_days belong to the sample")
        return self


class LoadingSource(_Section):
    """Modelled displacement by atmosphere (NTAL) and ocean (NTOL) at the stations.

    From tables in a folder ("folder"), station files ("stations") or maps ("grids") in one, or
    from GFZ Potsdam ("esmgfz"). `variables` name the up component of each product in maps;
    `step_hours` is the step of station files and maps. With `own_fallback` the atmosphere's part
    comes from our own Green's functions while the service is down. `access`: the service is asked
    for each station, or for whole files.
    """

    kind: Literal["folder", "stations", "grids", "esmgfz"]
    latency_days: NotNegative = 0.0
    folder: Path | None = None
    frame: Frame
    first_day: date | None = None
    unit: Literal["mm", "cm", "m"] = "mm"
    step_hours: Literal[1, 3, 6, 12, 24] = 24
    variables: dict[Literal["NTAL", "NTOL"], str] = {}
    own_fallback: bool = True
    access: Literal["points", "grids"] = "points"

    @model_validator(mode="after")
    def _complete(self) -> "LoadingSource":
        if self.kind != "esmgfz" and self.folder is None:
            raise ValueError(f"kind = '{self.kind}' needs the key folder")
        if self.kind == "esmgfz" and (self.first_day is None or self.frame == "ce"):
            raise ValueError("kind = 'esmgfz' needs the key first_day, and frame 'cf' or 'cm'")
        if self.kind == "grids" and not self.variables:
            raise ValueError("kind = 'grids' needs the key variables")
        return self


class GraceSource(_Section):
    """Monthly mascons, for comparison only."""

    kind: Literal["services"]


class Http(_Section):
    """What we say to providers, and how we reach them. No secret belongs here."""

    contact: str = ""
    proxies: dict[str, str] = {}
    ca_file: Path | None = None


class Sources(_Section):
    """Where the inputs come from. Without weather a region runs GNSS-only."""

    grace: GraceSource | None = None
    gnss: GnssSource
    weather: WeatherSource | None = None
    loading: LoadingSource | None = None


class Models(_Section):
    """Which bundle of station LSTMs serves the region; an empty name: none, GNSS-only."""

    store: Path | None = None
    bundle: str = "current"


class Span(_Section):
    """Days, both included."""

    first: date
    last: date


class Training(_Section):
    """How one bundle of station LSTMs is trained, by `dwlim train`.

    `minimum_correlation`: stations whose |PCC| with temperature or pressure on training days
    exceeds it become controls (the paper: 0.5). `idw_power`, `n_controls`: eq. (8); the paper
    takes power 1 over all controls (0).
    The third span is never trained on: it gives the scores and the errors of the cells.
    """

    features: FeatureSet
    scaler: Literal["per_cell", "common"] = "per_cell"
    training: Span
    validation: Span
    test: Span
    stride_days: Annotated[int, Field(ge=1)] = 1
    minimum_correlation: NotNegative = 0.5
    minimum_days: Annotated[int, Field(ge=30)] = 365
    networks: TrainingSettings = TrainingSettings()
    idw_power: NotNegative = 1.0
    n_controls: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _apart(self) -> "Training":
        spans = sorted((span.first, span.last)
                       for span in (self.training, self.validation, self.test))
        if any(later[0] <= earlier[1] for earlier, later in pairwise(spans)):
            raise ValueError("training, validation and test must not share a day")
        return self


class Inversion(_Section):
    """Eq. (10).

    `beta` is a number, "paper" (0.01 with unit sigma, see `sigma`), or the criterion by which the
    day's own network and data choose it. `sigma`: "formal" errors of the solutions, "unit" (the
    paper's unweighted form), or "series", the standard deviation of each station's series over
    the reference period (the paper's words).
    """

    beta: Positive | Literal["paper", "abic", "gcv"] = "abic"
    sigma: Literal["formal", "unit", "series"] = "formal"
    minimum_stations: Annotated[int, Field(ge=3)] = 10

    @model_validator(mode="after")
    def _paper_is_unweighted(self) -> "Inversion":
        if self.beta == "paper" and self.sigma != "unit":
            raise ValueError("beta = 'paper' belongs to sigma = 'unit'")
        return self


class Products(_Section):
    """Which estimate is published as `twsa`, from where a cell is flagged, who answers for it.

    `map_days`: of so many newest days the map of the newest revision is kept as a picture.
    """

    published_method: Literal["tragnss", "dwlim", "dwlim_st"] = "tragnss"
    map_days: Annotated[int, Field(ge=0)] = 30
    flag_beyond: QualityLimits = QualityLimits()
    creator: Creator = Creator()


class Schedule(_Section):
    """When the daemon ticks, and how many days before the newest one a tick keeps up to date.

    The horizon should reach as far back as the best stream of the slowest input comes late.
    """

    horizon_days: Annotated[int, Field(ge=1, le=4000)] = 140
    tick_cron: str = "15 */2 * * *"
    tick_timeout_s: Annotated[int, Field(ge=60)] = 6 * 3600

    @model_validator(mode="after")
    def _readable(self) -> "Schedule":
        if len(self.tick_cron.split()) != 5:
            raise ValueError("tick_cron has five fields: minute hour day month weekday, UTC")
        return self


class Daemon(_Section):
    """Where `dwlim up` listens; a port of 0 lets the system choose."""

    host: str = "127.0.0.1"
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 9108
    web_port: Annotated[int, Field(ge=0, le=65535)] = 8080
    prefect_port: Annotated[int, Field(ge=1, le=65535)] = 4200


class LedgerSettings(_Section):
    """Where the ledger is: `sqlite` in the workspace, or the URL of a PostgreSQL database.

    A password does not belong here: libpq takes it from PGPASSWORD or the file .pgpass.
    """

    url: str = "sqlite"
    lock_timeout_s: Positive = 30.0

    @model_validator(mode="after")
    def _served(self) -> "LedgerSettings":
        if self.url != "sqlite" and not self.url.startswith("postgresql+psycopg://"):
            raise ValueError("url is 'sqlite' or starts with postgresql+psycopg://")
        if re.search(r"://[^/@]*:[^/@]*@", self.url):
            raise ValueError("no password in the file: use PGPASSWORD or .pgpass")
        return self


class Retention(_Section):
    """How long raw files are kept that nothing needs: replaced by a newer version, or refused.

    What a published product was computed from, and the newest version of a file, always stay.
    """

    superseded_days: Annotated[int, Field(ge=0)] = 60
    refused_days: Annotated[int, Field(ge=0)] = 365


class Config(_Section):
    """All of `dwlim.toml`."""

    region: Region
    sources: Sources
    qc: GnssQcSettings = GnssQcSettings()
    forcing: ForcingSettings = ForcingSettings()
    models: Models = Models()
    inversion: Inversion = Inversion()
    space_time: SpaceTimeSettings = SpaceTimeSettings()
    products: Products = Products()
    climatology: ClimatologySettings = ClimatologySettings()
    alerts: AlertSettings = AlertSettings()
    cube: CubeSettings = CubeSettings()
    page: PageSettings = PageSettings()
    schedule: Schedule = Schedule()
    http: Http = Http()
    endpoints: dict[str, EndpointSettings] = {}
    daemon: Daemon = Daemon()
    ledger: LedgerSettings = LedgerSettings()
    retention: Retention = Retention()
    training: dict[str, Training] = {}

    @property
    def climatology_period(self) -> tuple[date, date]:
        """First and last day of the climatology; default: of the reference period."""
        return (self.climatology.first or self.region.reference_start,
                self.climatology.last or self.region.reference_end)


def read_config(path: Path) -> Config:
    """Read and check a configuration file.

    Raises
    ------
    ConfigError
        Not there, not TOML, an unknown or missing key, or a value out of range; one sentence a key.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            "no such file", where=str(path),
            remedy="make a workspace with: dwlim init WS --region australia") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError("not readable as TOML", where=str(path), got=str(error)) from error
    return parse_config(content, where=str(path))


def parse_config(content: dict[str, Any], *, where: str) -> Config:
    """The same for content that is already parsed; `where` names it in errors."""
    try:
        return Config.model_validate(content)
    except ConfigError as error:
        raise ConfigError(error.what, where=f"{where}: {error.where}", expected=error.expected,
                          got=error.got, remedy=error.remedy) from error
    except ValidationError as error:
        first, *others = error.errors(include_url=False)
        more = f" (and {len(others)} more: {', '.join(map(_key, others))})" if others else ""
        raise ConfigError(
            f"{_what(first)}{more}", where=f"{where}: {_key(first)}", expected=_expected(first),
            got=repr(first["input"])[:120], remedy="see the section on dwlim.toml in the README",
        ) from error


def _key(detail: ErrorDetails) -> str:
    return ".".join(str(part) for part in detail["loc"] if not str(part).startswith("function-"))


def _expected(detail: ErrorDetails) -> str:
    table = ".".join(str(part) for part in detail["loc"][:-1])
    return {
        "unknown key": f"a key of [{table}]" if table else "a table of the configuration",
        "key is missing": "a value",
    }.get(_what(detail), detail["msg"])


def _what(detail: ErrorDetails) -> str:
    return {
        "extra_forbidden": "unknown key", "missing": "key is missing",
        "unexpected_keyword_argument": "unknown key",
    }.get(detail["type"], "value cannot be used")
