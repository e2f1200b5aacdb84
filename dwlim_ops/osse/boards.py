"""Noisy checkerboards: what a network can see, apart from any weather."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.estimates import estimate_series
from dwlim_ops.geometry import wrap_longitude_deg
from dwlim_ops.invert.daily import estimate_many
from dwlim_ops.invert.tuning import BETAS, choose_beta
from dwlim_ops.osse.world import World, displacement
from dwlim_ops.reconcile import Known
from dwlim_ops.session import Session
from dwlim_ops.synthetic.nature import DAYS_PER_YEAR, days_since_2000
from dwlim_ops.verify.scores import nse, pcc, rmse

Array = NDArray[np.float64]

SIZES_DEG: Final = (4.0, 6.0, 8.0)
NOISES_MM: Final = (5.0, 1.0)
#: Squares hold so much water more, or less, than none.
WATER_MM: Final = 100.0
METHODS: Final = ("tragnss", "dwlim_st")
TRIED_BETAS: Final = BETAS[::4].tolist()


@dataclass(frozen=True)
class BoardScore:
    """How well a board is seen on the land cells; `days` says what an estimate is made from."""

    size_deg: float
    noise_mm: float
    estimate: str
    n_days: int
    pcc: float
    nse: float
    rmse_mm: float


@dataclass(frozen=True, eq=False)
class Boards:
    """True water of each size on the inversion's cells, and displacement of the stations, mm."""

    water_mm: Array
    up_mm: Array


def make_boards(world: World, known: Known) -> Boards:
    """Boards of all sizes on the world's land, seen by the stations of `known`."""
    place = known.checked["longitude_deg"].values, known.checked["latitude_deg"].values
    return Boards(world.on_cells(board_patterns), displacement(board_patterns, world.fine, place))


def board_patterns(longitude_deg: Array, latitude_deg: Array) -> Array:
    """Water of each board at places, (n_sizes, n_places), mm.

    >>> board_patterns(np.array([0.5, 4.5]), np.array([0.5, 0.5])).tolist()[0]
    [100.0, -100.0]
    """
    east = wrap_longitude_deg(longitude_deg)
    rows = [np.floor(east / size) + np.floor(latitude_deg / size) for size in SIZES_DEG]
    return WATER_MM * (1.0 - 2.0 * (np.stack(rows) % 2))


def single_days(session: Session, known: Known, boards: Boards, *, n_draws: int, seed: int
                ) -> list[BoardScore]:
    """Independent days with white noise, each from all stations.

    Beta once by ABIC over the draws, and once the best that the truth itself can choose: no
    estimate of this kind sees more.
    """
    inversion, land = session.inversion(known.checked), session.geometry.grid.land
    n_stations, n_points = boards.up_mm.shape[1], inversion.data_covariance.shape[0]
    used = known.checked["exclusion"].values == ""
    scores = []
    for number, noise in product(range(len(SIZES_DEG)), NOISES_MM):
        random = np.random.default_rng([seed, 40, number])
        up, sigma = np.full((n_draws, n_points), np.nan), np.full(n_points, noise)
        drawn = boards.up_mm[number] + noise * random.standard_normal((n_draws, n_stations))
        up[:, :n_stations] = np.where(used, drawn, np.nan)
        truth = np.broadcast_to(boards.water_mm[number, land], (n_draws, int(land.sum())))
        by_abic = choose_beta(inversion, up, sigma, method="abic").beta
        of_betas = [_score(SIZES_DEG[number], noise, "one day, beta in hindsight", estimate_many(
            inversion, up, sigma, beta=beta, posterior=False).twsa_mm[:, land], truth)
            for beta in (by_abic, *TRIED_BETAS)]
        scores += [replace(of_betas[0], estimate="one day, beta by ABIC"),
                   max(of_betas, key=lambda one: one.nse)]
    return scores


def through_time(session: Session, known: Known, boards: Boards, *, seed: int,
                 cases: Sequence[tuple[float, float]],
                 progress: Callable[[str, int, int], None]) -> list[BoardScore]:
    """Boards that swell and shrink within the year, with white noise, by operational settings.

    The last two years of the record, its gaps and excluded stations; scored on some days of every
    third month of the last year. Each of `cases` is a size and a noise.
    """
    land, scores, last = session.geometry.grid.land, [], known.days[-1]
    part = since(known, date(last.year - 1, 1, 1))
    days = [day for day in part.days
            if day.year == last.year and day.month % 3 == 0 and day.day in (5, 15, 25)]
    swing = np.cos(2.0 * np.pi * days_since_2000(part.checked["time"].values) / DAYS_PER_YEAR)
    for size, noise in cases:
        number = SIZES_DEG.index(size)
        random = np.random.default_rng([seed, 41, number])
        up = swing[:, None] * boards.up_mm[number]
        up = up + noise * random.standard_normal(up.shape)
        checked = part.checked.assign(
            up_mm=(("time", "station"), up),
            up_sigma_mm=(("time", "station"), np.full_like(up, noise)))
        series = estimate_series(session, replace(part, checked=checked), days, methods=METHODS,
                                 cells=True, progress=progress)
        for method, one in series.items():
            assert one.cells_mm is not None  # noqa: S101  cells were asked for
            rows = [part.row(day) for day in one.days]
            truth = swing[rows, None] * boards.water_mm[number, land]
            scores.append(_score(size, noise, f"annual swing, {method}", one.cells_mm[:, land],
                                 truth))
    return scores


def since(known: Known, first: date) -> Known:
    """The same record from a day on."""
    start = known.row(first)
    return replace(known, checked=known.checked.isel(time=slice(start, None)),
                   streams={name: streams[start:] for name, streams in known.streams.items()})


def _score(size_deg: float, noise_mm: float, estimate: str, seen: Array, truth: Array
           ) -> BoardScore:
    pair = seen.ravel(), truth.ravel()
    return BoardScore(size_deg, noise_mm, estimate, len(seen), pcc(*pair), nse(*pair), rmse(*pair))
