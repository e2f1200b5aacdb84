"""Fixtures of the replicas: `from tests.replicas.fixtures import *` in a `conftest.py`.

All are made anew for each test; the single services run alone, not in `internet`.
"""

from collections.abc import Iterator

import pytest

from tests.replicas.cds import Cds
from tests.replicas.csr import Csr
from tests.replicas.earthdata import Earthdata
from tests.replicas.ecmwf_open import EcmwfOpen
from tests.replicas.esmgfz import Esmgfz
from tests.replicas.internet import Internet
from tests.replicas.ngl import Ngl
from tests.replicas.world import World

__all__ = ["cds", "csr", "earthdata", "ecmwf_open", "esmgfz", "internet", "ngl", "world"]


@pytest.fixture
def world() -> World:
    """Toyland on 2026-11-22, 21:00 UTC."""
    return World()


@pytest.fixture
def internet(world: World) -> Iterator[Internet]:
    """Every service, running."""
    with Internet(world) as running:
        yield running


@pytest.fixture
def ngl(world: World) -> Iterator[Ngl]:
    """Nevada Geodetic Laboratory."""
    with Ngl(world) as running:
        yield running


@pytest.fixture
def cds(world: World) -> Iterator[Cds]:
    """Climate Data Store."""
    with Cds(world) as running:
        yield running


@pytest.fixture
def earthdata(world: World) -> Iterator[Earthdata]:
    """GES DISC, PO.DAAC, CMR, OPeNDAP and Earthdata Login."""
    with Earthdata(world) as running:
        yield running


@pytest.fixture
def ecmwf_open(world: World) -> Iterator[EcmwfOpen]:
    """ECMWF open data."""
    with EcmwfOpen(world) as running:
        yield running


@pytest.fixture
def esmgfz(world: World) -> Iterator[Esmgfz]:
    """ESMGFZ."""
    with Esmgfz(world) as running:
        yield running


@pytest.fixture
def csr(world: World) -> Iterator[Csr]:
    """CSR."""
    with Csr(world) as running:
        yield running
