"""The workers of a backfill: processes of this machine, or a Dask cluster that is there already."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from distributed import Client, LocalCluster
from prefect.server.api.server import SubprocessASGIServer
from prefect.settings import PREFECT_API_URL, temporary_settings

from dwlim_ops.errors import ConfigError

CONNECT_TIMEOUT_S = 20


@dataclass(frozen=True)
class Engine:
    """Address of a Dask scheduler, and how many tasks its workers do at the same time."""

    address: str
    n_threads: int


@contextmanager
def local_engine(n_workers: int) -> Iterator[Engine]:
    """So many processes of this machine, on loopback, for as long as the context lasts.

    They speak to the Prefect server of this process: without it each would start its own.
    """
    logging.getLogger("distributed").setLevel(logging.WARNING)
    with _one_server(), LocalCluster(
            n_workers=n_workers, threads_per_worker=1, processes=True, host="127.0.0.1",
            dashboard_address="127.0.0.1:0", env={"NUMBA_NUM_THREADS": "1"}) as cluster:
        yield Engine(cluster.scheduler_address, n_workers)


@contextmanager
def _one_server() -> Iterator[None]:
    if PREFECT_API_URL.value():
        yield
        return
    server = SubprocessASGIServer()
    server.start()
    try:
        with temporary_settings({PREFECT_API_URL: server.api_url}):
            yield
    finally:
        server.stop()


def cluster_engine(scheduler: str) -> Engine:
    """A Dask cluster that is there already.

    Raises
    ------
    ConfigError
        It does not answer or has no worker, or the workers could not reach a Prefect server.
    """
    if not PREFECT_API_URL.value():
        raise ConfigError(
            "workers on other machines need a Prefect server", where="--dask-scheduler",
            expected="the server's address in PREFECT_API_URL", got="nothing",
            remedy="export PREFECT_API_URL=http://HOST:4200/api, an address that they reach")
    try:
        with Client(scheduler, timeout=CONNECT_TIMEOUT_S, set_as_default=False) as client:
            n_threads = sum(client.nthreads().values())
    except (OSError, ValueError) as error:
        raise ConfigError("no Dask scheduler answers", where="--dask-scheduler", got=scheduler,
                          expected="an address such as tcp://HOST:8786",
                          remedy="start one: dask scheduler") from error
    if not n_threads:
        raise ConfigError("the Dask cluster has no worker", where="--dask-scheduler",
                          got=scheduler, remedy="start some: dask worker ADDRESS --nthreads 1")
    return Engine(scheduler, n_threads)
