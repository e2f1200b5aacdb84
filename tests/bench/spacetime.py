"""The space-time filter and smoother against textbook matrices, and how their cost grows."""

from collections.abc import Iterator
from datetime import date

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from dwlim_ops.invert.spacetime import SpaceTimeModel, State
from dwlim_ops.reconcile import Known
from dwlim_ops.session import Session
from dwlim_ops.space_time import SpaceTimeRun
from tests.bench.measure import Row, Timing, timed

Array = NDArray[np.float64]

N_DAYS, N_MEASURED = 3653, 30
#: Two months that follow each other, and the day from which growth is timed.
BEFORE, MONTH, FIRST = date(2010, 2, 1), date(2010, 3, 1), date(2010, 2, 28)
#: Shares of the stations for which a step is timed.
SHARES = (0.25, 0.5, 1.0)


def rows(session: Session, known: Known) -> Iterator[Row]:
    """A day, ten years of filter, ten years of filter and smoother, and growth with stations."""
    run = session.space_time(known.checked)
    row = run.row(BEFORE)
    state = run.state_before(row)
    step, textbook = _steps(run, state, row), _textbook(run.model, state)
    size = f"{run.up_mm.shape[1]} stations, {state.mean.size} states"
    yield Row(f"space-time filter, a day, {size}", step, textbook,
              "transition, observation and gain as dense matrices; one day measured")
    yield Row("space-time filter, 3,653 days", step.times(N_DAYS), textbook.times(N_DAYS),
              f"{N_MEASURED} days measured, scaled")
    ours = _smoothed_month(run, state, row)
    yield Row("space-time filter and smoother, 3,653 days, month by month",
              ours.times(N_DAYS / 31), textbook.plus(_textbook_backward(state)).times(N_DAYS),
              "the same with Rauch, Tung and Striebel's gain in one pass over all days; the second "
              "month of a run of ours, one day of the textbook measured, scaled")
    yield from _growth(session, known)


def _steps(run: SpaceTimeRun, state: State, row: int) -> Timing:
    def work() -> State:
        now = state
        for at in range(row, row + N_MEASURED):
            now, _ = run.model.step(now, int(run.days[at].astype(int)), run.up_mm[at],
                                    run.sigma_mm[at])
        return now

    return timed(work)[0].times(1.0 / N_MEASURED)


def _smoothed_month(run: SpaceTimeRun, state: State, row: int) -> Timing:
    """A month of 31 days whose first days the window of the month before holds already."""
    own = SpaceTimeRun(run.model, run.basins, run.days, run.up_mm, run.sigma_mm, "bench",
                       _current=(row - 1, state))
    own.smoothed(BEFORE)
    return timed(lambda: own.smoothed(MONTH))[0]


def _textbook(model: SpaceTimeModel, state: State) -> Timing:
    """F P F' + Q, H P H' + R, the gain, (E - K H) P."""
    n_states, n_stations = state.mean.size, model.modes.loading.shape[0]
    random = np.random.default_rng(1)
    transition, covariance = np.diag(random.random(n_states)), state.covariance
    observation = random.standard_normal((n_stations, n_states))

    def work() -> Array:
        predicted = transition @ covariance @ transition.T + np.eye(n_states)
        spread = observation @ predicted @ observation.T + np.eye(n_stations)
        gain = predicted @ observation.T @ np.linalg.inv(spread)
        updated: Array = (np.eye(n_states) - gain @ observation) @ predicted
        return updated

    return timed(work)[0]


def _textbook_backward(state: State) -> Timing:
    """P F' P_predicted^-1, and the smoothed covariance."""
    n_states = state.mean.size
    predicted = state.covariance + np.eye(n_states)

    def work() -> Array:
        gain = linalg.solve(predicted, state.covariance, assume_a="pos").T
        smoothed: Array = state.covariance + gain @ (state.covariance - predicted) @ gain.T
        return smoothed

    return timed(work)[0]


def _growth(session: Session, known: Known) -> Iterator[Row]:
    base: Timing | None = None
    for share in SHARES:
        number = int(share * known.checked.sizes["station"])
        part = known.checked.isel(station=slice(None, number))
        model, basins = session.space_time_model(part, session.config.space_time)
        whole = session.space_time(known.checked)
        run = SpaceTimeRun(model, basins, whole.days, whole.up_mm[:, :number],
                           whole.sigma_mm[:, :number], "bench")
        row = run.row(FIRST)
        step = _steps(run, model.initial(int(run.days[row].astype(int)) - 1), row)
        base = base or step
        yield Row(f"space-time filter, a day, {number} stations", step, None,
                  f"{step.wall_s / base.wall_s:.1f} x the time of the smallest network")
