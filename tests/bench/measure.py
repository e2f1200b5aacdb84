"""Timing, the machine's own rate, and the table."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

import numpy as np
import scipy.linalg  # noqa: F401  (its own BLAS must be loaded before threads are limited)
from threadpoolctl import threadpool_limits

Result = TypeVar("Result")

_GEMM_SIZE = 1500
_GEMM_OPERATIONS = 2.0 * _GEMM_SIZE**3


@dataclass(frozen=True)
class Timing:
    """Seconds on the wall, and of all threads of this process."""

    wall_s: float
    cpu_s: float

    def times(self, factor: float) -> "Timing":
        return Timing(self.wall_s * factor, self.cpu_s * factor)

    def plus(self, other: "Timing") -> "Timing":
        return Timing(self.wall_s + other.wall_s, self.cpu_s + other.cpu_s)


@dataclass(frozen=True)
class Row:
    """One line of the table; the ratio is that of wall times."""

    stage: str
    ours: Timing
    straightforward: Timing | None
    note: str
    gemm_share: float | None = None

    @property
    def ratio(self) -> float | None:
        if self.straightforward is None:
            return None
        return self.straightforward.wall_s / self.ours.wall_s


def timed(work: Callable[[], Result], *, repeats: int = 1) -> tuple[Timing, Result]:
    """Median times of some calls, and the result of the last."""
    walls, processors = [], []
    for _ in range(repeats):
        wall, processor = time.perf_counter(), time.process_time()
        result = work()
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
    return Timing(median(walls), median(processors)), result


def configured_threads() -> int:
    return int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)


def gemm_rate(dtype: type[np.floating]) -> float:
    """Operations of a large matrix product in a CPU second, one thread (the caller's limit)."""
    timing = _gemm(dtype)
    return _GEMM_OPERATIONS / timing.cpu_s


def gemm_rate_as_configured(n_threads: int) -> float:
    """Operations of a large float64 matrix product in a second on the wall."""
    with threadpool_limits(n_threads):
        return _GEMM_OPERATIONS / _gemm(np.float64).wall_s


def _gemm(dtype: type[np.floating]) -> Timing:
    factor = np.random.default_rng(0).random((_GEMM_SIZE, _GEMM_SIZE)).astype(dtype)
    return timed(lambda: factor @ factor, repeats=7)[0]


def gemm_share(n_operations: float, timing: Timing, dtype: type[np.floating]) -> float:
    """Part of a matrix product's rate that a stage on one thread reaches.

    The product is timed at once, in CPU time: the rate of a shared machine halves and doubles.
    """
    return n_operations / timing.cpu_s / gemm_rate(dtype)


def seconds(value_s: float) -> str:
    for limit, unit_s, unit in ((1e-3, 1e-6, "µs"), (1.0, 1e-3, "ms"), (300.0, 1.0, "s"),
                                (7200.0, 60.0, "min")):
        if value_s < limit:
            return f"{value_s / unit_s:.3g} {unit}"
    return f"{value_s / 3600.0:.3g} h"


def table(rows: list[Row]) -> str:
    """Markdown."""
    lines = ["| stage | ours: wall (CPU) | straightforward: wall (CPU) | ratio | of GEMM | note |",
             "|---|--:|--:|--:|--:|---|"]
    for row in rows:
        cells = (row.stage, _both(row.ours), _both(row.straightforward),
                 _number(row.ratio, "{:.3g} x"), _number(row.gemm_share, "{:.0%}"), row.note)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _both(timing: Timing | None) -> str:
    return "—" if timing is None else f"{seconds(timing.wall_s)} ({seconds(timing.cpu_s)})"


def _number(value: float | None, pattern: str) -> str:
    return "—" if value is None else pattern.format(value)
