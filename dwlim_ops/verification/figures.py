"""The pictures of the verification report, each with its caption."""

from collections.abc import Callable, Sequence
from datetime import date
from functools import partial

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dwlim_ops.config import Span
from dwlim_ops.estimates import MethodSeries
from dwlim_ops.features.sequences import FeatureSet, components
from dwlim_ops.products.figures import styled, to_png
from dwlim_ops.rain import Rain
from dwlim_ops.reconcile import Known
from dwlim_ops.session import Session
from dwlim_ops.simulate.interpolate import virtual_displacement
from dwlim_ops.verification.data import Compared, LeftOut, observed_mm
from dwlim_ops.verification.inputs import (
    basin_shares,
    field_of,
    grace_amplitudes,
    loading_of,
    setting_of,
    stations_of,
    usable_share_of_months,
)
from dwlim_ops.verify import figures_basins, figures_method, figures_stations, figures_storage
from dwlim_ops.verify.coherence import Coherence, wavelet_coherence
from dwlim_ops.verify.document import Picture
from dwlim_ops.verify.grace import MonthlyBasins
from dwlim_ops.verify.report import TREATED
from dwlim_ops.verify.scores import NINETY_PERCENT, TREATMENTS, annual_amplitudes
from dwlim_ops.verify.taylor import TaylorPoints, taylor_diagram

Array = NDArray[np.float64]

#: Stations of the examples: their ranks among the errors of the bundle's card.
EXAMPLE_RANKS = (0.1, 0.5, 0.9)
EXAMPLE_STRIDE_DAYS = 3


def picture(name: str, draw: Callable[[], Figure], *, alternative: str, caption: str) -> Picture:
    """Draw a figure in the look that all pictures share."""
    with styled():
        return Picture(name, to_png(draw()), alternative, caption)


def station_pictures(session: Session, known: Known) -> tuple[Picture, ...]:
    """Records and map of the stations."""
    stations, (months, share) = stations_of(known), usable_share_of_months(known)
    return (picture(
        "stations", lambda: figures_stations.station_records(
            stations, months, share, setting_of(session)),
        alternative=f"Monthly share of usable days of {len(stations.name)} stations, and a map of "
                    f"them: {stations.used.sum()} are used.",
        caption="Counterpart of the paper's Figure 1. Share of each month's days on which a "
                f"station's displacement passed the checks, {known.days[0]} to {known.days[-1]}, "
                "stations sorted from north to south; and their places with the basins."),)


def flow_picture() -> Picture:
    """Flow chart of the method."""
    return picture(
        "flow", figures_method.flow_chart,
        alternative="Flow chart: displacement and loading are corrected and checked; weather "
                    "becomes features and simulated displacement; three estimates give storage.",
        caption="Counterpart of the paper's Figure 2. Loading is subtracted before checks and "
                "training, not after simulation as in the paper's drawing, so that each loading is "
                "subtracted once.")


def decomposition_pictures(session: Session, known: Known) -> tuple[Picture, ...]:
    """The decomposition of a cell's weather as of a day, as the serving bundle has it."""
    simulator, forcing = session.simulator, known.forcing
    if simulator is None or forcing is None or not simulator.usable_rows(forcing).any():
        return ()
    last = int(np.flatnonzero(simulator.usable_rows(forcing))[-1])
    middle = int(session.geometry.cell_of(*(np.array([np.mean(p)])
                                            for p in session.geometry.cells))[0])
    features: FeatureSet = simulator.features
    record_days = int(simulator.rule.record_days(forcing["time"].values[[last]])[0])
    rows = slice(last - record_days + 1, last + 1)
    normalised = simulator.scaler.subset(np.array([middle])).normalise(
        forcing["temperature_k"].values[:, [middle]], forcing["pressure_pa"].values[:, [middle]])
    days = forcing["time"].values[rows].astype("datetime64[D]")
    columns = tuple(figures_method.Decomposition(
        name, days, components(np.ascontiguousarray(values[rows].T), features)[0])
        for name, values in zip(("Temperature", "Pressure"), normalised, strict=True))
    longitude, latitude = (place[middle] for place in session.geometry.cells)
    return (picture(
        "decomposition", lambda: figures_method.decompositions(columns),
        alternative="The normalised temperature and pressure of one cell, and their components "
                    "from fast to slow.",
        caption=f"Counterpart of the paper's Figure 4. {features.kind.upper()} components of the "
                f"normalised temperature and pressure of the cell at {abs(latitude):.1f} "
                f"{'S' if latitude < 0 else 'N'}, {abs(longitude):.1f} "
                f"{'W' if longitude < 0 else 'E'}, as of {days[-1]}: from the {days.size} days "
                "before it and nothing later, as the networks are served. Without unit; the first "
                "row is the series itself."),)


def simulated_pictures(session: Session, known: Known, years: Span) -> tuple[Picture, ...]:
    """Cells without a station, and left-out stations simulated from the weather alone."""
    simulator, forcing = session.simulator, known.forcing
    if simulator is None or forcing is None:
        return ()
    stations, checked = stations_of(known), known.checked
    errors = simulator.bundle.manifest.station_errors
    places = np.array(errors.longitude_deg), np.array(errors.latitude_deg)
    order = np.argsort(errors.rmse_mm)[:np.isfinite(errors.rmse_mm).sum()]
    if not order.size:
        return ()
    chosen = order[[round(rank * (order.size - 1)) for rank in EXAMPLE_RANKS]]
    columns = [int(np.hypot(stations.longitude_deg - places[0][one],
                            stations.latitude_deg - places[1][one]).argmin()) for one in chosen]
    time = forcing["time"].values.astype("datetime64[D]")
    inside = (time >= np.datetime64(years.first)) & (time <= np.datetime64(years.last))
    wanted = inside & simulator.usable_rows(forcing)
    rows = np.flatnonzero(wanted & (time.astype(int) % EXAMPLE_STRIDE_DAYS == 0)).tolist()
    cells = session.geometry.cell_of(*(v[columns] for v in (stations.longitude_deg,
                                                            stations.latitude_deg)))
    if not rows:
        return ()
    networks = simulator.networks(forcing, rows, cells)
    simulated = virtual_displacement(networks, simulator.weights[:, cells]).up_mm
    observed = observed_mm(known, time[rows].tolist())[:, columns]
    examples = [figures_stations.Example(
        f"{stations.name[column]}: RMSE rank {100 * rank:.0f} %", time[rows], observed[:, n],
        simulated[:, n], np.full(len(rows), NINETY_PERCENT * errors.rmse_mm[one]))
        for n, (column, one, rank) in enumerate(zip(columns, chosen, EXAMPLE_RANKS, strict=True))]
    held = session.geometry.holding_cell(checked["longitude_deg"].values[stations.used],
                                         checked["latitude_deg"].values[stations.used])
    holds = np.isin(np.arange(session.geometry.cells[0].size), held)
    return (picture(
        "simulated", lambda: figures_stations.simulated_examples(
            examples, stations, session.geometry.cells, holds, setting_of(session)),
        alternative="Map of cells with and without a station; three stations' displacement beside "
                    "what their weather alone gives.",
        caption=f"Counterpart of the paper's Figure 5. Bundle {simulator.bundle_id}, days that it "
                f"never saw, {time[rows][0]} to {time[rows][-1]}, every {EXAMPLE_STRIDE_DAYS}rd "
                "day. Each station is simulated without the networks of its own cell; the "
                "examples stand at a tenth, half and nine tenths of the bundle's errors, "
                "best first. Vertical displacement, mm; band: 90 % interval from the station's "
                "RMSE."),)


def loading_pictures(session: Session, known: Known) -> tuple[Picture, ...]:
    """Annual amplitude of the modelled loading, if the region has any."""
    loading, stations = loading_of(session, known), stations_of(known)
    if loading is None:
        return ()
    there = loading.reindex(station=np.array(stations.name))
    days = there["time"].values
    amplitude = {name: annual_amplitudes(days, there[name].values)
                 for name in ("ntal_up_mm", "ntol_up_mm")}
    return (picture(
        "loading", lambda: figures_stations.loading_amplitudes(
            stations, amplitude["ntal_up_mm"], amplitude["ntol_up_mm"], setting_of(session)),
        alternative="Maps of the annual amplitude of atmospheric and of oceanic loading.",
        caption="Counterpart of the paper's Figure 6. Annual amplitude of the modelled vertical "
                f"displacement that is subtracted, {str(days[0])[:10]} to {str(days[-1])[:10]}, mm."
    ),)


def left_out_pictures(session: Session, known: Known, left_out: Sequence[LeftOut], years: str
                      ) -> tuple[Picture, ...]:
    """Maps, Taylor diagram and mean series of the stations left out, one role for `dwlim`."""
    shown = {one.section.method: one for one in left_out}
    if not shown:
        return ()
    stations, setting = stations_of(known), setting_of(session)
    scores = {method: one.section.scores for method, one in shown.items()}
    days = max((one.series.days for one in shown.values()), key=len)
    predicted = {method: (np.array(one.series.days, "M8[D]"), np.nanmean(np.where(
        np.isfinite(observed_mm(known, one.series.days)), one.series.predicted_mm, np.nan), axis=1))
        for method, one in shown.items()}
    source = f"Each station predicted from all others of the day, {years}; mm. {_roles(left_out)}"
    source = source.strip()
    return (
        picture("left-out", lambda: figures_stations.left_out_maps(
            stations, {m: s.rmse_mm for m, s in scores.items()},
            {m: s.pcc for m, s in scores.items()}, setting),
            alternative="Maps of RMSE and correlation at left-out stations, one column an "
                        "estimate.",
            caption=f"Counterpart of the paper's Figure 3a and b. {source} One colour scale a "
                    "row."),
        picture("taylor", lambda: taylor_diagram(
            {m: TaylorPoints(s.pcc, s.spread) for m, s in scores.items()}),
            alternative="Taylor diagram of the left-out stations with the medians of each "
                        "estimate.",
            caption=f"Counterpart of the paper's Figure 3c. {source} Angle: correlation; radius: "
                    "standard deviation of the prediction in that of the observations, without "
                    "unit; small dots: stations; large: median over the stations."),
        picture("mean-displacement", lambda: figures_stations.mean_displacement(
            np.array(days, "M8[D]"), np.nanmean(observed_mm(known, days), axis=1), predicted),
            alternative="Mean displacement of the stations, observed and predicted.",
            caption=f"Counterpart of the paper's Figure 3d. Mean over the stations of the day. "
                    f"{source}"))


def _roles(shown: Sequence[LeftOut] | Sequence[Compared]) -> str:
    roles = sorted({one.role for one in shown if one.role})
    return f"dwlim by bundle {', '.join(roles)}." if roles else ""


def storage_pictures(session: Session, known: Known, maps: dict[str, MethodSeries],
                     compared: Sequence[Compared], *, years: tuple[date, date]
                     ) -> tuple[Picture, ...]:
    """Amplitude maps beside GRACE and the mean series of the region."""
    grace = of_years(session, years)
    fields = {method: field_of(session, annual_amplitudes(
        np.array(one.days, "M8[D]"), one.cells_mm)) for method, one in maps.items()
        if one.cells_mm is not None}
    beside = grace_amplitudes(session, known, *years)
    if beside is not None:
        fields["GRACE"] = beside
    shares = basin_shares(session)
    days = {one.section.method: np.array(one.series.days, "M8[D]") for one in compared}
    mean = {one.section.method: one.series.basins_mm @ shares for one in compared}
    span = f"{years[0]} to {years[1]}"
    return (
        picture("amplitudes", lambda: figures_storage.amplitude_maps(fields, setting_of(session)),
                alternative="Maps of the annual amplitude of water storage by each estimate and "
                            "by GRACE, on one colour scale.",
                caption="Counterpart of the paper's Figures 7a and 8. Annual amplitude of water "
                        f"storage, {span}, mm of water, on one colour scale; {_roles(compared)} "
                        "GLDAS 2.2 is not among the comparisons: no file of its storage is part "
                        "of the workspace, and as it assimilates GRACE it would be no "
                        "independent check."),
        picture("mean-storage", lambda: figures_storage.mean_series(
            days, mean, grace.middle, grace.twsa_mm @ shares),
            alternative="Mean water storage of all basins by each estimate and by GRACE.",
            caption="Counterpart of the paper's Figures 7b and 9d. Mean over all basins by area, "
                    f"{span}, mm of water, each about its mean; thin: days, thick: mean of 31 "
                    f"days (tragnss, dwlim). {_roles(compared)}"))


def of_years(session: Session, years: tuple[date, date]) -> MonthlyBasins:
    """GRACE of the months that lie wholly in some years."""
    grace = session.grace
    assert grace is not None  # noqa: S101  verify() refuses its absence
    inside = whole_months(grace, years)
    return MonthlyBasins(grace.start[inside], grace.end[inside], grace.twsa_mm[inside])


def whole_months(grace: MonthlyBasins, years: tuple[date, date]) -> NDArray[np.bool_]:
    """Spans that lie wholly in some years."""
    first, last = (np.datetime64(day) for day in years)
    return (grace.start >= first) & (grace.end <= last + 1)


def basin_pictures(session: Session, compared: Sequence[Compared], every: Sequence[Compared], *,
                   years: tuple[date, date]) -> tuple[Picture, ...]:
    """Series, scores and wavelet coherence of the basins."""
    grace = of_years(session, years)
    names = session.geometry.basins.name
    series = {one.section.method: _basin_series(one) for one in compared}
    span = f"{years[0]} to {years[1]}"
    return (
        picture("basins", lambda: figures_basins.basins_beside_grace(
            series, names, grace.middle, grace.twsa_mm),
            alternative="Water storage of each basin by each estimate and by GRACE.",
            caption=f"Basin means, {span}, mm of water about each mean. {_roles(compared)} "
                    "Thin: days, thick: mean of 31 days (tragnss, dwlim). Band: 90 % interval of "
                    "dwlim_st. Dots: GRACE."),
        picture("scores", lambda: figures_basins.score_heat_maps(
            _heat_maps(every), names, [one.section.label for one in every]),
            alternative="Correlation, efficiency and error of each estimate and basin against "
                        "GRACE, as it is and without the annual cycle.",
            caption=f"Counterpart of the paper's Figure 10. Monthly basin means against GRACE, "
                    f"{span}. First line: both about their means; second: both without their "
                    "annual and semi-annual terms. GRACE and GRACE-FO years are not apart: see "
                    "the text."),
        *_coherence_pictures(session, compared, years))


def _basin_series(one: Compared) -> figures_basins.BasinSeries:
    return figures_basins.BasinSeries(np.array(one.series.days, "M8[D]"), one.series.basins_mm,
                                      one.series.basin_sigma_mm)


def _heat_maps(every: Sequence[Compared]) -> list[figures_basins.HeatMap]:
    return [figures_basins.HeatMap(
        f"{title}, {TREATED[treatment]}",
        np.array([[getattr(score.agreement[treatment], name) for score in one.section.basins]
                  for one in every]).T, decimals, kind)
        for treatment in TREATMENTS if treatment != "detrend"
        for title, name, decimals, kind in (("PCC", "pcc", 2, "correlation"),
                                            ("NSE", "nse", 2, "efficiency"),
                                            ("RMSE mm", "rmse_mm", 0, "error"))]


def _coherence_pictures(session: Session, compared: Sequence[Compared], years: tuple[date, date]
                        ) -> tuple[Picture, ...]:
    names, pictures, span = session.geometry.basins.name, [], f"{years[0]} to {years[1]}"
    grace = session.grace
    assert grace is not None  # noqa: S101
    inside = whole_months(grace, years)
    for one in compared:
        if one.section.method not in ("dwlim", "dwlim_st"):
            continue
        found: dict[str, Coherence | None] = {name: wavelet_coherence(
            grace.middle[inside], one.section.monthly_mm[inside, column],
            grace.twsa_mm[inside, column]) for column, name in enumerate(names)}
        lags = "; ".join(f"{name} {'-' if c is None else '{:.2f}, {:+.1f}'.format(*c.at(12.0))}"
                         for name, c in found.items())
        pictures.append(picture(
            f"coherence-{one.section.method}",
            partial(figures_basins.coherence_panels, found),
            alternative=f"Wavelet coherence of {one.section.label} and GRACE by basin, month and "
                        "period.",
            caption=f"Counterpart of the paper's Figure 9a to c. Squared wavelet coherence of "
                    f"{one.section.label} and GRACE, monthly, {span} (Morlet; smoothed as by "
                    "Torrence and Webster 1999). Paled: touched by the ends of the record or by "
                    "three months without GRACE. Lines: above the 95 % level of red noise; arrows "
                    "to the right: in phase, up: the estimate is ahead by a quarter. "
                    "At one year, squared coherence and lead of the estimate in months: "
                    f"{lags}."))
    return tuple(pictures)


def rain_pictures(session: Session, compared: Sequence[Compared], rain: Rain | None
                  ) -> tuple[Picture, ...]:
    """Storage and rain of the basins."""
    if rain is None:
        return ()
    best = {one.section.method: one for one in compared}
    method = next(name for name in ("dwlim_st", "dwlim", "tragnss") if name in best)
    names = [f"{name} ({n} gauges)" for name, n in
             zip(session.geometry.basins.name, rain.n_gauges, strict=True)]
    series = _basin_series(best[method])
    return (picture(
        "rain", lambda: figures_basins.storage_and_rain(series, method, names, rain.months,
                                                        rain.rain_mm),
        alternative="Water storage of each basin as a line and monthly rain as bars.",
        caption=f"Counterpart of the paper's Figure 11. Water storage by {method}, mm with its "
                "90 % interval, and rain of the month, mm, from the gauges of the sample (24 h to "
                "09 h local time): each cell has the rain of the nearest gauge with at least four "
                "fifths of the month's days. Months without bar: no gauge reported."),)
