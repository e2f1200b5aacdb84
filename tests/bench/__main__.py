"""`python -m tests.bench`: the table of DESIGN.md section 8 for the stages that exist."""

import logging
import os
import platform
import sys
import time
from collections.abc import Callable

from dwlim_ops.telemetry.logs import configure_logging
from dwlim_ops.telemetry.progress import stages
from flows.runtime import single_threaded
from tests.bench import decomposition, inversion, live, networks
from tests.bench.measure import GemmRates, Row, configured_threads, measure_gemm, table
from tests.bench.problems import Problem, australia, china_size


def main() -> None:
    started = time.perf_counter()
    n_threads = configured_threads()
    configure_logging()
    logging.getLogger("PyEMD").setLevel(logging.ERROR)
    single_threaded()
    rates = measure_gemm(n_threads)
    decomposition.compile_kernels()
    rows = _all_rows(rates)
    sys.stdout.write(f"{_heading(rates, time.perf_counter() - started)}\n\n{table(rows)}\n")


def _all_rows(rates: GemmRates) -> list[Row]:
    with live.sample_session() as session, stages() as progress:
        live_rows, known = live.tick_rows(session)
        if known.forcing is None:
            raise RuntimeError("the embedded sample holds no weather")
        forcing = known.forcing
        product_rows = live.product_rows(session, known)
        first = australia(session.geometry, known.checked["longitude_deg"].values,
                          known.checked["latitude_deg"].values)
        makers: list[Callable[[], Row]] = [
            decomposition.emd_row, decomposition.ensemble_row, decomposition.meemd_one_row,
            lambda: decomposition.meemd_day_row(forcing),
            lambda: decomposition.meemd_all_row(n_sifts=0),
            lambda: decomposition.meemd_all_row(n_sifts=10),
            lambda: networks.training_row(rates), lambda: networks.serving_row(rates),
            *_inversion_makers(first, rates), *_inversion_makers(china_size(), rates)]
        rows = []
        for number, make in enumerate(makers, start=1):
            rows.append(make())
            progress("benchmark", number, len(makers))
    return [*rows, *product_rows, *live_rows]


def _inversion_makers(problem: Problem, rates: GemmRates) -> list[Callable[[], Row]]:
    return [
        lambda: inversion.greens_row(problem), lambda: inversion.prepare_row(problem, rates),
        lambda: inversion.one_day_row(problem), lambda: inversion.posterior_row(problem, rates),
        lambda: inversion.removal_row(problem),
        lambda: inversion.many_days_row(problem, posterior=False, n_measured=inversion.N_DAYS),
        lambda: inversion.many_days_row(problem, posterior=True, n_measured=1000),
        lambda: inversion.beta_row(problem)]


def _heading(rates: GemmRates, elapsed_s: float) -> str:
    gigaflops = [f"{rate / 1e9:.0f}" for rate in (
        rates.double_one_thread, rates.double_as_configured, rates.single_one_thread)]
    return (
        f"Matrix products of this machine, Gflop/s: {gigaflops[0]} (float64, one thread), "
        f"{gigaflops[1]} (float64, {rates.n_threads_configured} threads as configured), "
        f"{gigaflops[2]} (float32, one thread, torch). One BLAS and torch thread unless stated; "
        "ratios are of wall time, shares of a matrix product's rate of CPU time. "
        f"{os.cpu_count()} cores, load average {os.getloadavg()[1]:.1f} (5 minutes), "
        f"{platform.machine()}, Python {platform.python_version()}; the whole in "
        f"{elapsed_s:.0f} s.")


if __name__ == "__main__":
    main()
