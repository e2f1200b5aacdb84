"""The table of services: where each is, how hard it may be pressed, who we are to it.

Addresses and manners are those of the providers in 2026; `dwlim.toml` and the environment may
change each of them, because providers move. Secrets come from the environment or from files that
nobody else can read, never from `dwlim.toml`.
"""

import netrc as netrc_module
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dwlim_ops.errors import ConfigError
from dwlim_ops.sources.http import Auth, Endpoint

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
PositiveInt = Annotated[int, Field(gt=0)]
Netrc = Mapping[str, tuple[str, str]]
_MIB: Final = 2**20
_EARTHDATA_LOGIN: Final = "urs.earthdata.nasa.gov"
#: Where NASA's download hosts send to for the bytes themselves, with a signature in the address.
_NASA_STORES: Final = ("*.cloudfront.net", "*.s3.us-west-2.amazonaws.com",
                       "s3.us-west-2.amazonaws.com")
_BASE_URL: Final = re.compile(r"DWLIM_([A-Z0-9_]+)_(?:BASE_URL|LOGIN_HOST)")
_LOOPBACK: Final = {"localhost", "127.0.0.1", "::1"}


class EndpointSettings(BaseModel):
    """What `dwlim.toml` may say of one service; what it leaves out is as in the table.

    `base_urls` lists the same service at several addresses, the best first. `token_env` names the
    environment variable that holds the token; the token itself is never written here.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str | None = None
    base_urls: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    login_host: str | None = None
    allowed_hosts: tuple[str, ...] | None = None
    requests_per_second: Positive | None = None
    concurrency: PositiveInt | None = None
    connect_timeout_s: Positive | None = None
    read_timeout_s: Positive | None = None
    deadline_s: Positive | None = None
    attempts: PositiveInt | None = None
    max_bytes: PositiveInt | None = None
    token_env: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")] | None = None

    @model_validator(mode="after")
    def _one_kind_of_address(self) -> "EndpointSettings":
        if self.base_url is not None and self.base_urls is not None:
            raise ValueError("give base_url or base_urls, not both")
        return self


@dataclass(frozen=True)
class _Service:
    base_urls: tuple[str, ...]
    requests_per_second: float
    concurrency: int
    login_host: str = ""
    allowed_hosts: tuple[str, ...] = ()
    variable: str = ""
    auth: Auth = "bearer"
    deadline_s: float = 600
    max_bytes: int = 2**30


def _earthdata(base_url: str) -> _Service:
    return _Service((base_url,), 4, 4, login_host=_EARTHDATA_LOGIN, allowed_hosts=_NASA_STORES,
                    variable="EARTHDATA_TOKEN", deadline_s=900)


_SERVICES: Final = {
    "ngl": _Service(("https://geodesy.unr.edu",), 4, 4, max_bytes=256 * _MIB),
    "cds": _Service(("https://cds.climate.copernicus.eu/api",), 2, 2,
                    allowed_hosts=("*.ecmwf.int", "*.copernicus.eu"), deadline_s=1800,
                    variable="ECMWF_DATASTORES_KEY", auth="private_token"),
    "gesdisc": _earthdata("https://data.gesdisc.earthdata.nasa.gov/data"),
    "cmr": _Service(("https://cmr.earthdata.nasa.gov/search",), 4, 4, max_bytes=64 * _MIB),
    "opendap": _earthdata("https://opendap.earthdata.nasa.gov"),
    "esmgfz": _Service(
        ("http://rz-vm115.gfz.de:8080/repository",
         "http://rz-vm115.gfz-potsdam.de:8080/repository",
         "http://esmdata.gfz-potsdam.de:8080/repository"),
        1, 1, allowed_hosts=("*.gfz.de", "*.gfz-potsdam.de"), deadline_s=300),
    "ecmwf_open": _Service(
        ("https://data.ecmwf.int/forecasts",
         "https://ecmwf-forecasts.s3.eu-central-1.amazonaws.com",
         "https://storage.googleapis.com/ecmwf-open-data"), 4, 4, max_bytes=256 * _MIB),
    "csr": _Service(("https://download.csr.utexas.edu/outgoing/grace/RL0603_mascons",), 1, 1,
                    deadline_s=1800),
    "podaac": _earthdata("https://archive.podaac.earthdata.nasa.gov/podaac-ops-cumulus-protected"),
}
#: Names of all services.
SERVICES: Final = tuple(_SERVICES)
#: Services that give nothing to strangers.
NEED_CREDENTIALS: Final = frozenset({"cds", "gesdisc", "opendap", "podaac"})


def endpoint_table(
    configured: Mapping[str, EndpointSettings], environment: Mapping[str, str], netrc: Netrc,
    *, datastores_file: str = "",
) -> dict[str, tuple[Endpoint, ...]]:
    """Every service under its name, each with its addresses, the best first.

    Parameters
    ----------
    configured : mapping of str to EndpointSettings
        Section `[endpoints.<name>]` of `dwlim.toml`.
    environment : mapping of str to str
        `DWLIM_<NAME>_BASE_URL` (several separated by commas) and `DWLIM_<NAME>_LOGIN_HOST` take
        precedence over `configured`; tokens are `EARTHDATA_TOKEN`, `ECMWF_DATASTORES_KEY`
        or what `token_env` names. An empty value counts as absent.
    netrc : mapping of str to (user, password)
        By host; used where there is no token, for the login host, or else for the service's own.
    datastores_file : str
        Content of `~/.ecmwfdatastoresrc`, lines `url:` and `key:`, used after the environment.

    Raises
    ------
    ConfigError
        A service that is not in the table, an address that cannot be used, or a secret that
        would travel in clear text.
    """
    _refuse_unknown(configured, environment)
    given = {name: value.strip() for name, value in environment.items() if value.strip()}
    rc = _datastores(datastores_file)
    given.setdefault("ECMWF_DATASTORES_KEY", rc.get("key", ""))
    given.setdefault("ECMWF_DATASTORES_URL", rc.get("url", ""))
    return {
        name: _endpoints(name, service, configured.get(name, EndpointSettings()), given, netrc)
        for name, service in _SERVICES.items()
    }


def read_netrc(path: Path) -> dict[str, tuple[str, str]]:
    """User and password by host; the entry `default` is left out; empty if there is no file.

    Raises
    ------
    ConfigError
        Others can read the file, or it is not a netrc.
    """
    if not read_private(path):
        return {}
    try:
        hosts = netrc_module.netrc(str(path)).hosts
    except netrc_module.NetrcParseError as error:
        line = error.lineno
    else:
        return {host: (entry[0], entry[2]) for host, entry in hosts.items() if host != "default"}
    raise ConfigError("netrc cannot be read", where=f"{path}: line {line}",
                      expected="machine HOST login USER password PASSWORD",
                      remedy="correct that line")


def read_private(path: Path) -> str:
    """Text of a file of secrets, which its owner alone may open; empty if there is none.

    Raises
    ------
    ConfigError
        Others can read it, or it is not text.
    """
    try:
        with path.open("rb") as stream:
            mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
            content = stream.read(_MIB)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ConfigError("file of secrets cannot be opened", where=str(path),
                          got=error.strerror or "", remedy="correct its owner and mode") from error
    if mode & 0o077:
        raise ConfigError("others can read a file of secrets", where=str(path), expected="mode 600",
                          got=f"mode {mode:o}", remedy=f"chmod 600 {path}")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        pass
    raise ConfigError("file of secrets is not text", where=str(path), remedy="write it anew")


def _endpoints(name: str, service: _Service, chosen: EndpointSettings, given: Mapping[str, str],
               netrc: Netrc) -> tuple[Endpoint, ...]:
    prefix = f"DWLIM_{name.upper()}"
    urls = tuple(url.strip() for url in given.get(f"{prefix}_BASE_URL", "").split(",") if url)
    urls = urls or chosen.base_urls or ((chosen.base_url,) if chosen.base_url else ())
    if name == "cds" and not urls and given["ECMWF_DATASTORES_URL"]:
        urls = (given["ECMWF_DATASTORES_URL"],)
    numbers: dict[str, Any] = {
        "requests_per_second": service.requests_per_second, "concurrency": service.concurrency,
        "deadline_s": service.deadline_s, "max_bytes": service.max_bytes,
        "allowed_hosts": service.allowed_hosts,
        **chosen.model_dump(exclude_none=True,
                            exclude={"base_url", "base_urls", "login_host", "token_env"}),
    }
    login_host = given.get(f"{prefix}_LOGIN_HOST", chosen.login_host)
    login_host = service.login_host if login_host is None else login_host
    token = given.get(chosen.token_env or service.variable, "")
    made = []
    for url in urls or service.base_urls:
        identity = _identity(url, login_host, token, service.auth, netrc)
        endpoint = Endpoint(url, login_host=login_host, **identity, **numbers)
        _refuse_clear_text(name, endpoint)
        made.append(endpoint)
    return tuple(made)


def _identity(url: str, login_host: str, token: str, auth: Auth,
              netrc: Netrc) -> dict[str, Any]:
    """A token wins over netrc, and is never replaced by it: an expired one has to be noticed."""
    if token:
        return {"auth": auth, "token": token}
    try:
        host = urlsplit(f"//{login_host}" if login_host else url).hostname or ""
    except ValueError:
        host = ""
    if host not in netrc:
        return {}
    user, password = netrc[host]
    return {"auth": "basic", "user": user, "password": password}


def _refuse_clear_text(name: str, endpoint: Endpoint) -> None:
    parts = urlsplit(endpoint.base_url)
    if endpoint.auth != "none" and parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise ConfigError("secrets would travel in clear text", where=f"endpoints.{name}",
                          expected="https", got=f"http://{endpoint.host}",
                          remedy="use https, or take the token away")


def _refuse_unknown(
    configured: Mapping[str, EndpointSettings], environment: Mapping[str, str]
) -> None:
    named = [m for m in map(_BASE_URL.fullmatch, environment) if m]
    unknown = sorted(configured.keys() - _SERVICES.keys()) + sorted(
        m[0] for m in named if m[1].lower() not in _SERVICES)
    if unknown:
        raise ConfigError("no such service", where=", ".join(unknown),
                          expected=", ".join(SERVICES), remedy="correct the name")


def _datastores(text: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in text.splitlines() if not line.startswith("#"))
    return {key.strip(): value.strip() for key, _, value in pairs if value.strip()}
