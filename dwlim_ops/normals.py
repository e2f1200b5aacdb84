"""The climatology of the published estimate, and how its basins stand against it.

It is that of what the newest day says: of `dwlim_st` the filter's, not the smoother's. Once made it
stays in the raw store as the file that is published, and the ledger remembers its digest under
what it was computed from: deleting the cache loses nothing, a product is reproduced from the same
numbers, and what follows from the ledger needs no observation. Why a basin raises no alert on a day
is remembered in the ledger before the product is recorded.
"""

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.contracts import BasinRow, BasinStanding
from dwlim_ops.errors import StoreError
from dwlim_ops.estimates import estimate_series
from dwlim_ops.products.checks import basin_vetoes
from dwlim_ops.products.climatology import Climatology, fit_climatology
from dwlim_ops.products.climatology_file import Normals, climatology_to_bytes, read_climatology
from dwlim_ops.products.daily import DayProduct
from dwlim_ops.products.standing import standings_of
from dwlim_ops.publish import tree
from dwlim_ops.qc.screening import usable
from dwlim_ops.reconcile import Known, climatology_digest, climatology_method
from dwlim_ops.session import Session
from dwlim_ops.state.ledger import LedgerMemory
from dwlim_ops.state.provenance import fingerprint
from dwlim_ops.state.records import ProductRecord

_log = logging.getLogger(__name__)

Array = NDArray[np.float64]

#: Owners of what the ledger remembers: digests of climatologies, vetoes by month.
CLIMATOLOGIES, VETOES = "climatology", "basin vetoes"
#: In place of a digest: the period is known, but too few of its days have an estimate.
TOO_FEW = ""
DATA = {
    "tragnss": "independent days", "dwlim": "independent days",
    "dwlim_st": "the filter: each day from the days up to itself",
}


def normals_of(session: Session, known: Known) -> Normals | None:
    """The climatology at what is known; None if there is none yet (`climatology_absence`).

    Made once, in one pass of the filter over the period: call it before the first estimate of a
    process, which then goes on from where the pass ended.
    """
    parts = {"climatology": climatology_digest(session, known), "bundle": session.bundle_id,
             "configuration": session.configuration, "code": session.code}
    if not parts["climatology"]:
        return None
    digest = _memory(session).recall(_key(parts))
    try:
        content = _stored(session, digest) if digest else None
    except StoreError as error:
        _log.warning("the climatology is made anew: %s", error)
        content = None
    if content is None and digest != TOO_FEW:
        content = _make(session, known)
        _memory(session).remember(_key(parts), TOO_FEW if content is None
                                  else session.archive.store.put(content))
    return None if content is None else _read(session, content)


@dataclass(frozen=True, eq=False)
class InForce:
    """The climatology of the newest published day, the content of its file, and how every basin
    stands against it on every published day."""

    normals: Normals
    content: bytes
    standings: dict[date, list[BasinStanding]]

    @property
    def every(self) -> list[BasinStanding]:
        """All standings, by day."""
        return [one for of_day in self.standings.values() for one in of_day]


def in_force(session: Session, newest: Mapping[date, ProductRecord]) -> InForce | None:
    """What the tables go by, from the ledger and the raw store alone; None without a climatology.

    Raises
    ------
    StoreError
        The climatology's file is damaged or gone, in the raw store and as published.
    MalformedInputError
        It is of another grid or other basins: the region has changed since.
    """
    parts = newest[max(newest)].parts
    digest = _memory(session).recall(_key(parts)) if parts.get("climatology") else TOO_FEW
    if not digest:
        return None
    content = _stored(session, digest)
    normals = _read(session, content)
    rows = [row for row, _ in session.ledger.basin_rows() if row.method == normals.method]
    return InForce(normals, content, basin_standings(session, normals.basins, rows))


def basin_standings(session: Session, climatology: Climatology, rows: Iterable[BasinRow]
                    ) -> dict[date, list[BasinStanding]]:
    """Standing of basin means of one method, with the vetoes that the ledger remembers."""
    of_method = list(rows)
    months = sorted({f"{row.day:%Y-%m}" for row in of_method})
    remembered = {key: words for month in months for key, words in _vetoes(session, month).items()}
    vetoes = {(row.day, row.revision): remembered.get(f"{row.day}/{row.revision}", {})
              for row in of_method}
    return standings_of(climatology, session.geometry.basins.identifier, of_method, vetoes=vetoes)


def remember_vetoes(session: Session, day: date, revision: int, product: DayProduct) -> None:
    """Keep in the ledger why no alert may come of the basins of a product."""
    month = f"{day:%Y-%m}"
    vetoes = _vetoes(session, month) | {f"{day}/{revision}": basin_vetoes(
        product, session.geometry.grid, session.geometry.basins,
        most_flagged=session.config.climatology.low_quality_share)}
    session.ledger.memory(VETOES).remember(month, json.dumps(vetoes, sort_keys=True))


def _vetoes(session: Session, month: str) -> dict[str, dict[str, str]]:
    text = session.ledger.memory(VETOES).recall(month)
    vetoes: dict[str, dict[str, str]] = json.loads(text) if text else {}
    return vetoes


def _memory(session: Session) -> LedgerMemory:
    return session.ledger.memory(CLIMATOLOGIES)


def _key(parts: Mapping[str, str]) -> str:
    return fingerprint(*(parts[name] for name in ("climatology", "bundle", "configuration",
                                                  "code")))


def _read(session: Session, content: bytes) -> Normals:
    return read_climatology(content, session.geometry.grid, session.geometry.basins)


def _stored(session: Session, digest: str) -> bytes:
    """From the raw store; a lost copy is put back from the published tree."""
    store, published = session.archive.store, session.workspace.published / tree.CLIMATOLOGY
    try:
        return store.get(digest)
    except StoreError:
        if not published.is_file() or tree.sha256(published.read_bytes()) != digest:
            raise
        store.put(published.read_bytes())
        return store.get(digest)


def _make(session: Session, known: Known) -> bytes | None:
    """Content of the climatology's file; None if too few days of the period have an estimate."""
    method, settings = climatology_method(session, known), session.config.climatology
    first, last = session.config.climatology_period
    days = _sampled_days(session, known)
    _log.info("the climatology of %s is made from %d days of %s to %s", method, len(days), first,
              last)
    sample = _filter_sample if method == "dwlim_st" else _daily_sample
    of_days, *values_mm = sample(session, known, days, method)
    cells, basins = (fit_climatology(of_days, values, first=first, last=last, settings=settings)
                     for values in values_mm)
    if cells is None or basins is None:
        return None
    region, geometry = session.config.region, session.geometry
    return climatology_to_bytes(
        Normals(method, cells, basins), geometry.grid, geometry.basins,
        region_title=region.title, synthetic=region.synthetic, data=DATA[method])


def _sampled_days(session: Session, known: Known) -> list[date]:
    """Days of the period that could have been published, in ascending order."""
    first, last = session.config.climatology_period
    n_stations = usable(known.checked).sum(axis=1)
    of_period = [day for day in known.days if first <= day <= last]
    return [day for day in of_period[::session.config.climatology.stride_days]
            if n_stations[known.row(day)] >= session.config.inversion.minimum_stations]


Sample = tuple[NDArray[np.datetime64], Array, Array]


def _filter_sample(session: Session, known: Known, days: list[date], _method: str) -> Sample:
    """Days that have an estimate, cells and basins on them by the filter, (T, ...)."""
    run = session.space_time(known.checked)
    modes = np.stack([run.filtered(day).signal.water[0] for day in days])
    return np.array(days, "datetime64[D]"), run.model.modes.mean(modes), run.basins.mean(modes)


def _daily_sample(session: Session, known: Known, days: list[date], method: str) -> Sample:
    """The same by a method that inverts each day alone."""
    made = estimate_series(session, known, days, methods=[method], cells=True,
                           progress=lambda *_: None)
    if method not in made:
        return np.zeros(0, "datetime64[D]"), np.zeros((0, 1)), np.zeros((0, 1))
    series = made[method]
    assert series.cells_mm is not None  # noqa: S101  asked for
    return np.array(series.days, "datetime64[D]"), series.cells_mm, series.basins_mm
