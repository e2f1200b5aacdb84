"""`python -m tests.bench`: the table of DESIGN.md section 8 for the stages that exist."""

import logging
import os
import platform
import sys
import time
from collections.abc import Callable

import numpy as np

from dwlim_ops.telemetry.logs import configure_logging
from dwlim_ops.telemetry.progress import stages
from flows.runtime import single_threaded
from tests.bench import decomposition, inversion, live, networks, parsing, spacetime
from tests.bench.measure import (
    Row,
    configured_threads,
    gemm_rate,
    gemm_rate_as_configured,
    table,
)
from tests.bench.problems import Problem, australia, china_size


def main() -> None:
    started = time.perf_counter()
    n_threads = configured_threads()
    configure_logging()
    logging.getLogger("PyEMD").setLevel(logging.ERROR)
    single_threaded()
    decomposition.compile_kernels()
    rows = _all_rows()
    sys.stdout.write(f"{_heading(n_threads, time.perf_counter() - started)}\n\n{table(rows)}\n")


def _all_rows() -> list[Row]:
    with live.sample_session() as session, stages() as progress:
        live_rows, known = live.tick_rows(session)
        if known.forcing is None:
            raise RuntimeError("the embedded sample holds no weather")
        forcing = known.forcing
        product_rows = live.product_rows(session, known)
        filter_rows = list(spacetime.rows(session, known))
        first = australia(session.geometry, known.checked["longitude_deg"].values,
                          known.checked["latitude_deg"].values)
        makers: list[Callable[[], Row]] = [
            decomposition.emd_row, decomposition.ensemble_row, decomposition.meemd_one_row,
            lambda: decomposition.meemd_day_row(forcing),
            lambda: decomposition.meemd_all_row(n_sifts=0),
            lambda: decomposition.meemd_all_row(n_sifts=10),
            networks.training_row,
            lambda: networks.training_runs_row(n_controls=42, n_seeds=5, hidden=8, n_days=1826),
            lambda: networks.training_runs_row(n_controls=75, n_seeds=1, hidden=64, n_days=3653),
            parsing.parsing_row, *_inversion_makers(first), *_inversion_makers(china_size())]
        rows = []
        for number, make in enumerate(makers, start=1):
            rows.append(make())
            progress("benchmark", number, len(makers))
    return [*rows, *filter_rows, *networks.serving_rows(), *product_rows, *live_rows]


def _inversion_makers(problem: Problem) -> list[Callable[[], Row]]:
    return [
        lambda: inversion.greens_row(problem), lambda: inversion.prepare_row(problem),
        lambda: inversion.one_day_row(problem), lambda: inversion.posterior_row(problem),
        lambda: inversion.removal_row(problem),
        lambda: inversion.many_days_row(problem, posterior=False, n_measured=inversion.N_DAYS),
        lambda: inversion.many_days_row(problem, posterior=True, n_measured=1000),
        lambda: inversion.beta_row(problem)]


def _heading(n_threads: int, elapsed_s: float) -> str:
    gigaflops = [f"{rate / 1e9:.0f}" for rate in (
        gemm_rate(np.float64), gemm_rate_as_configured(n_threads), gemm_rate(np.float32))]
    return (
        f"Matrix products of this machine, Gflop/s: {gigaflops[0]} (float64, one thread), "
        f"{gigaflops[1]} (float64, {n_threads} threads as configured), "
        f"{gigaflops[2]} (float32, one thread). One BLAS and torch thread unless stated; "
        "ratios are of wall time; the share of a matrix product's rate is of CPU time, against a "
        "product timed right after the stage. "
        f"{os.cpu_count()} cores, load average {os.getloadavg()[1]:.1f} (5 minutes), "
        f"{platform.machine()}, Python {platform.python_version()}; the whole in "
        f"{elapsed_s:.0f} s.")


if __name__ == "__main__":
    main()
