"""The Australian sample through whole ticks, without Prefect."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from dwlim_ops.estimates import estimate_day
from dwlim_ops.products import encode
from dwlim_ops.products.checks import problems
from dwlim_ops.products.maps import day_map
from dwlim_ops.products.plots import basin_plot
from dwlim_ops.publication import publish_day
from dwlim_ops.reconcile import Known, ingest, observe, plan
from dwlim_ops.scaffold import scaffold
from dwlim_ops.session import Session
from dwlim_ops.simulate.store import CURRENT, pointer
from dwlim_ops.tick import finish, make_day
from tests.bench.measure import Row, Timing, seconds, timed

#: The sample ends two days before the second tick.
FIRST_TICK = datetime(2017, 6, 25, 12, tzinfo=UTC)
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Tick:
    """Times of the steps of one tick, and what it knew."""

    steps: dict[str, Timing]
    known: Known
    n_published: int

    @property
    def whole(self) -> Timing:
        total = Timing(0.0, 0.0)
        for step in self.steps.values():
            total = total.plus(step)
        return total

    @property
    def note(self) -> str:
        return ", ".join(f"{name} {seconds(step.wall_s)}" for name, step in self.steps.items())


@contextmanager
def sample_session() -> Iterator[Session]:
    """A fresh workspace of the sample, served by a bundle of the store if there is one."""
    with TemporaryDirectory(prefix="dwlim-bench-") as folder:
        session = Session(scaffold(Path(folder) / "workspace", "australia"))
        try:
            with session.serving(_bundle(session)):
                yield session
        finally:
            session.close()


def _bundle(session: Session) -> str:
    """The current bundle, else the causal one; empty, which means GNSS-only, without both."""
    current, roles = pointer(session.model_store / "australia")
    return CURRENT if current else roles.get("causal", "")


def tick(session: Session, as_of: datetime) -> Tick:
    """Ingest, observe, plan the newest day, make it if it is out of date, finish."""
    ingesting, reports = timed(lambda: [
        report for name in session.feeds
        for report in ingest(session, name, as_of=as_of, retrieved_at=as_of)])
    observing, known = timed(lambda: observe(session, as_of))
    if known is None:
        raise RuntimeError("the embedded sample holds no displacement")
    newest = known.days[-1]
    planning, planned = timed(lambda: plan(session, known, first=newest, last=newest))
    making, hindered = timed(lambda: {
        day.day: make_day(session, known, day) for day in planned})
    finishing, report = timed(lambda: finish(
        session, as_of, known, now=as_of, reports=reports, hindered=hindered))
    steps = {"ingest": ingesting, "observe": observing, "plan": planning, "make": making,
             "finish": finishing}
    return Tick(steps, known, len(report.published))


def tick_rows(session: Session) -> tuple[list[Row], Known]:
    """A first tick, the same again, and the tick of the next day in the same process."""
    first = tick(session, FIRST_TICK)
    again = tick(session, FIRST_TICK)
    following = tick(session, FIRST_TICK + ONE_DAY)
    serving = f"bundle `{session.bundle_id}`" if session.bundle_id else "no bundle: GNSS-only"
    rows = [
        Row("live tick, first of a process, one new day", first.whole, None,
            f"{serving}; {first.n_published} day published; {first.note}"),
        Row("the same tick again, nothing new", again.whole, first.whole,
            f"against making the day anew; {again.n_published} published; {again.note}"),
        Row("the next day's tick in the same process", following.whole, first.whole,
            f"against a new process; {following.n_published} published; {following.note}"),
    ]
    return rows, following.known


def product_rows(session: Session, known: Known) -> list[Row]:
    """Two older days to file; then the pictures of the last."""
    newest = known.days[-1]
    planned = plan(session, known, first=newest - 4 * ONE_DAY, last=newest - 3 * ONE_DAY)
    solving, solutions = timed(lambda: [estimate_day(session, known, day.day) for day in planned])
    filing, records = timed(lambda: [
        publish_day(session, known, day, solution)
        for day, solution in zip(planned, solutions, strict=True)])
    record, published = records[-1], session.workspace.published
    if record is None:
        raise RuntimeError("the product of the sample fails its checks")
    product = encode.read(published / record.path)
    geometry = session.geometry
    rows = [row for row, _ in session.ledger.basin_rows()]
    encoding, content = timed(lambda: encode.to_bytes(product), repeats=3)
    checking, _ = timed(lambda: problems(product), repeats=3)
    mapping, _ = timed(lambda: day_map(product, geometry.grid, geometry.outline, geometry.basins))
    plotting, _ = timed(lambda: basin_plot(
        rows, geometry.basins, region_title=session.config.region.title, end_day=record.day))
    share = 1.0 / len(planned)
    return [
        Row("estimate of a day, all methods, features to sigma", solving.times(share), None,
            f"mean of {len(planned)} days"),
        Row("solve to file: build, checks, netCDF, ledger", filing.times(share),
            None, f"mean of {len(planned)} days; encoding alone {seconds(encoding.wall_s)} for "
            f"{len(content) / 1024:.0f} KiB, checks {seconds(checking.wall_s)}"),
        Row("map of a day", mapping, None, "PNG, two panels"),
        Row("plot of the basins", plotting, None, f"PNG, {len(geometry.basins.name)} panels"),
    ]
