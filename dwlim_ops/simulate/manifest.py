"""What a model bundle declares about itself: the content of `bundle.toml`."""

import tomllib
from datetime import date
from typing import Any, Final, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dwlim_ops.errors import BundleError
from dwlim_ops.simulate.error_covariance import ErrorCovariance
from dwlim_ops.simulate.train import TrainingSettings

SCHEMA_VERSION: Final = 1


class _Declared(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Places(_Declared):
    """Stations as columns of one length."""

    station: tuple[str, ...]
    longitude_deg: tuple[float, ...]
    latitude_deg: tuple[float, ...]

    @model_validator(mode="after")
    def _one_length(self) -> "_Places":
        lengths = {name: len(column) for name, column in self}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns differ in length: {lengths}")
        return self


class Controls(_Places):
    """The control stations, in the order of the networks."""


class StationErrorTable(_Places):
    """Errors at stations and in years that the networks had not seen; NaN without a score."""

    rmse_mm: tuple[float, ...]
    pcc: tuple[float, ...]
    nse: tuple[float, ...]


class Span(_Declared):
    """Days, both included."""

    first: date
    last: date


class StationNoise(_Places):
    """Noise of the stations' own observations, with which the error covariance was fitted."""

    sigma_mm: tuple[float, ...]


class Interpolation(_Declared):
    """How cells are made from controls; see `interpolate.idw_weights`."""

    power: float = Field(default=1.0, ge=0)
    n_controls: int = Field(default=0, ge=0)


class Manifest(_Declared):
    """Everything about a bundle but its arrays.

    `name` is short and tells bundles of a region apart in their ids (usually the feature set).
    `feature_set` holds what rebuilds the features (TOML values only); `feature_names` is their
    order in a sequence. `data_sha256` names the data the bundle was trained on. Without
    `error_covariance`, which early bundles lack, the errors of cells count as independent.
    """

    schema_version: Literal[1] = 1
    region: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    code_version: str
    sequence_days: int = Field(ge=1)
    scaler_kind: Literal["per_cell", "common"]
    feature_names: tuple[str, ...]
    feature_set: dict[str, Any]
    training: Span
    validation: Span
    test: Span
    training_settings: TrainingSettings
    interpolation: Interpolation
    scores: dict[str, float]
    data_sha256: dict[str, str]
    controls: Controls
    station_errors: StationErrorTable
    error_covariance: ErrorCovariance | None = None
    station_noise: StationNoise | None = None

    @model_validator(mode="after")
    def _complete(self) -> "Manifest":
        if (self.error_covariance is None) != (self.station_noise is None):
            raise ValueError("error_covariance and station_noise come together")
        return self


def manifest_toml(manifest: Manifest, files: dict[str, str]) -> str:
    """Text of `bundle.toml`; `files` holds the sha256 of the other files of the bundle."""
    return tomli_w.dumps({**manifest.model_dump(exclude_none=True), "files": files})


def read_manifest(text: str, *, where: str) -> tuple[Manifest, dict[str, str]]:
    """Manifest and file hashes from the text of `bundle.toml`.

    Raises
    ------
    BundleError
        Not TOML, another schema version, a key missing, unknown or of the wrong type.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BundleError("not readable as TOML", where=where, got=str(error),
                          remedy="copy the bundle again or promote another") from error
    if content.get("schema_version") != SCHEMA_VERSION:
        raise BundleError(
            "unknown schema version", where=where, expected=f"schema_version = {SCHEMA_VERSION}",
            got=repr(content.get("schema_version")),
            remedy="serve it with the code version that wrote it, or train a new bundle",
        )
    files = content.pop("files", {})
    try:
        return Manifest.model_validate(content), files
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise BundleError("manifest is not valid", where=where, got=problems,
                          expected="the keys of dwlim_ops.simulate.manifest.Manifest") from error
