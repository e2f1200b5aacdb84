"""All services together, over one world."""

import datetime as dt
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Self

from tests.replicas.cds import Cds
from tests.replicas.csr import Csr
from tests.replicas.earthdata import Earthdata
from tests.replicas.ecmwf_open import EcmwfOpen
from tests.replicas.esmgfz import Esmgfz
from tests.replicas.faults import Fault
from tests.replicas.ngl import Ngl
from tests.replicas.server import Replica
from tests.replicas.world import World


class Internet:
    """A context manager that runs every replica.

    Parameters
    ----------
    world : World
        Shared by all of them; move `world.now` to let time pass.
    ports : mapping of str to int, optional
        Fixed ports by the names of `replicas`; else any free ones.

    Attributes
    ----------
    replicas : dict
        `ngl`, `cds`, `earthdata`, `earthdata_login`, `ecmwf_open`, `esmgfz`, `esmgfz_second`,
        `csr`; the same names are attributes. `esmgfz_second` is another name of the same server.
    """

    def __init__(self, world: World, *, ports: Mapping[str, int] | None = None) -> None:
        given = ports or {}
        self.world = world
        self.ngl = Ngl(world, port=given.get("ngl", 0))
        self.cds = Cds(world, port=given.get("cds", 0))
        self.earthdata = Earthdata(world, port=given.get("earthdata", 0))
        self.earthdata_login = self.earthdata.login
        self.ecmwf_open = EcmwfOpen(world, port=given.get("ecmwf_open", 0))
        self.esmgfz = Esmgfz(world, port=given.get("esmgfz", 0))
        self.esmgfz_second = Esmgfz(world, port=given.get("esmgfz_second", 0), host="localhost")
        self.csr = Csr(world, port=given.get("csr", 0))
        self.replicas: dict[str, Replica] = {
            name: value for name, value in vars(self).items() if isinstance(value, Replica)}
        self._running = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            for name, replica in self.replicas.items():
                if name != "earthdata_login":
                    starting.enter_context(replica)
            self._running = starting.pop_all()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._running.__exit__(*exception)

    @property
    def base_urls(self) -> dict[str, str]:
        """Base address of every service, by the name of its endpoint."""
        nasa = self.earthdata.origin
        return {
            "ngl": self.ngl.base_url, "cds": self.cds.base_url, "cmr": f"{nasa}/search",
            "gesdisc": f"{nasa}/data", "opendap": nasa,
            "podaac": f"{nasa}/podaac-ops-cumulus-protected",
            "earthdata_login": self.earthdata.login.origin,
            "ecmwf_open": self.ecmwf_open.base_url, "esmgfz": self.esmgfz.base_url,
            "esmgfz_second": self.esmgfz_second.base_url, "csr": self.csr.base_url,
        }

    @property
    def environment(self) -> dict[str, str]:
        """`DWLIM_<ENDPOINT>_BASE_URL` of every service, and made-up credentials that work."""
        urls = {f"DWLIM_{name.upper()}_BASE_URL": url for name, url in self.base_urls.items()}
        return urls | {
            "DWLIM_CDS_TOKEN": self.cds.token, "DWLIM_EARTHDATA_TOKEN": self.earthdata.token,
            "DWLIM_EARTHDATA_USER": self.earthdata.user,
            "DWLIM_EARTHDATA_PASSWORD": self.earthdata.password,
        }

    def clear_faults(self) -> None:
        """Every service behaves again; those that were stopped are started."""
        for replica in self.replicas.values():
            replica.fault = None
            if not replica.is_running:
                replica.start()

    def forget_requests(self) -> None:
        """Empty every record."""
        for replica in self.replicas.values():
            replica.forget_requests()

    def inject(self, name: str, fault: Fault, *, times: int | None = None, where: str = "") -> None:
        """Add a fault to one service, by its name."""
        self.replicas[name].inject(fault, times=times, where=where)

    def advance(self, step: dt.timedelta = dt.timedelta(days=1)) -> dt.datetime:
        """Move the world's clock; gives the new time."""
        self.world.now += step
        return self.world.now
