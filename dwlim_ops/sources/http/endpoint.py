"""Where a provider is, who we are to it, and how hard we may press."""

import base64
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import SplitResult, urlsplit

from dwlim_ops.errors import ConfigError

Auth = Literal["none", "bearer", "basic", "private_token"]
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Endpoint:
    """One service of a provider.

    Parameters
    ----------
    base_url : str
        `http` or `https` address that paths are joined to; no user, query or fragment in it.
    auth : {"none", "bearer", "basic", "private_token"}
        `bearer` and `private_token` send `token` to the host of `base_url` only. `basic` sends
        `user` and `password` to `login_host` only, or to the host of `base_url` if that is empty.
    token, user, password : str
        Secrets; they appear in no `repr`, log or message.
    login_host : str
        `host` or `host:port` of the login service that redirects lead to (Earthdata Login).
    allowed_hosts : tuple of str
        Further `host`, `host:port` or `*.domain` to which redirects may lead, without credentials.
    requests_per_second : float
        Most requests that are started in a second, per host.
    concurrency : int
        Most requests under way at a time, per host.
    connect_timeout_s, read_timeout_s : float
        Longest wait for a connection, and for the next bytes.
    deadline_s : float
        Longest time of one call with all its attempts, waits and redirects.
    attempts : int
        Most attempts of one call.
    max_bytes : int
        Largest answer, after decompression.

    Raises
    ------
    ConfigError
        The address cannot be used, or the credentials do not fit `auth`.
    """

    base_url: str
    auth: Auth = "none"
    token: str = field(default="", repr=False)
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    login_host: str = ""
    allowed_hosts: tuple[str, ...] = ()
    requests_per_second: float = 2.0
    concurrency: int = 2
    connect_timeout_s: float = 10
    read_timeout_s: float = 60
    deadline_s: float = 600
    attempts: int = 5
    max_bytes: int = 2 * 2**30

    def __post_init__(self) -> None:
        _refuse_unusable(self.base_url)
        given = {"bearer": self.token, "private_token": self.token,
                 "basic": self.user and self.password, "none": "nothing"}[self.auth]
        if not given:
            raise ConfigError(
                f"no credentials for auth = {self.auth!r}", where=self.host,
                remedy="give the token, or the user and password, of this service")
        if not (self.token.isascii() and self.token.isprintable() and " " not in self.token):
            raise ConfigError("token holds blanks or unprintable characters", where=self.host,
                              remedy="copy the token anew, without the end of its line")

    @property
    def host(self) -> str:
        """`host` or `host:port` of `base_url`."""
        return urlsplit(self.base_url).netloc.lower()

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every string that must not be shown, longest first."""
        basic = _basic(self.user, self.password) if self.password else ""
        found = {self.token, self.password, basic.removeprefix("Basic ")} - {""}
        return tuple(sorted(found, key=len, reverse=True))

    def owns(self, url: str) -> bool:
        """Whether the host of `url` is that of `base_url` itself."""
        own, other = urlsplit(self.base_url), urlsplit(url)
        same_host = own.hostname == other.hostname
        upgraded = (_port(own), _port(other)) == (80, 443)
        return same_host and (_port(own) == _port(other) or upgraded)

    def is_login(self, url: str) -> bool:
        """Whether `url` leads to the login host."""
        return bool(self.login_host) and _matches(self.login_host, urlsplit(url))

    def allows(self, url: str) -> bool:
        """Whether a request may go to `url` at all; in clear text only if `base_url` is."""
        parts = urlsplit(url)
        if self.base_url.startswith("https:") and parts.scheme != "https":
            return False
        listed = any(_matches(entry, parts) for entry in self.allowed_hosts)
        return self.owns(url) or self.is_login(url) or listed

    def credentials_for(self, url: str) -> dict[str, str]:
        """Headers that prove who we are to the host of `url`; none for any other host."""
        if self.auth == "basic":
            due = self.is_login(url) if self.login_host else self.owns(url)
            return {"Authorization": _basic(self.user, self.password)} if due else {}
        if self.auth == "none" or not self.owns(url):
            return {}
        if self.auth == "bearer":
            return {"Authorization": f"Bearer {self.token}"}
        return {"PRIVATE-TOKEN": self.token}


def _refuse_unusable(base_url: str) -> None:
    remedy = "give an address like https://host/path"
    try:
        parts = urlsplit(base_url)
        usable = parts.scheme in _PORTS and bool(parts.hostname) and _port(parts) > 0
    except ValueError:
        usable = False
    if not usable or not base_url.isprintable() or " " in base_url or "\\" in base_url:
        raise ConfigError("not an address that can be asked", where="base_url",
                          got=repr(base_url.rpartition("@")[2][:80]), remedy=remedy)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError("an address with a user, a query or a fragment",
                          where=parts.hostname or "base_url",
                          remedy=remedy + "; secrets belong in the environment or in netrc")


def _port(parts: SplitResult) -> int:
    return parts.port or _PORTS.get(parts.scheme, 0)


def _matches(entry: str, parts: SplitResult) -> bool:
    """An entry without a port stands for every port of its host."""
    listed = urlsplit(f"//{entry.lower()}")
    host, name = parts.hostname or "", listed.hostname or ""
    same = host.endswith(name[1:]) if name.startswith("*.") else host == name
    return same and listed.port in {None, _port(parts)}


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
