"""The human-readable page of a model bundle, rendered from what the bundle declares."""

from collections.abc import Sequence
from math import isfinite
from statistics import median, quantiles

from dwlim_ops.simulate.manifest import Manifest, Span


def render_card(manifest: Manifest) -> str:
    """Markdown text of `card.md`: what the model is, where it may be used, how good it is."""
    m, settings = manifest, manifest.training_settings
    return "\n".join([
        f"# Displacement model `{m.name}` for region `{m.region}`",
        "",
        f"{len(m.controls.station)} control stations, {settings.n_seeds} LSTMs each with "
        f"{settings.hidden_size} hidden units, reading {len(m.feature_names)} features over "
        f"{m.sequence_days} days and giving the vertical displacement (mm) of the last day. "
        f"Written by dwlim_ops {m.code_version}.",
        "",
        "## Scores on unseen stations and unseen years",
        "",
        f"Each station was simulated without its own networks, on days of the test span "
        f"{_span(m.test)}. Scores are against GNSS, whose noise is in them.",
        "",
        *_summary(m),
        *_table(("score", "value"), [(name, f"{value:.3g}") for name, value in m.scores.items()]),
        "## Training",
        "",
        f"Trained on {_span(m.training)}, stopped and chosen on {_span(m.validation)}.",
        "",
        *_table(("setting", "value"), [(k, str(v)) for k, v in vars(settings).items()]),
        "## Features",
        "",
        f"Scaler: {m.scaler_kind}. In this order: {', '.join(f'`{n}`' for n in m.feature_names)}.",
        "",
        *_table(("setting", "value"), [(k, str(v)) for k, v in m.feature_set.items()]),
        "## Interpolation to cells",
        "",
        *_interpolation(m),
        *_errors(m),
        "## Control stations",
        "",
        *_table(("station", "longitude, deg", "latitude, deg"), [
            (s, f"{lon:.3f}", f"{lat:.3f}") for s, lon, lat in zip(
                m.controls.station, m.controls.longitude_deg, m.controls.latitude_deg,
                strict=True)]),
        "## Errors by station",
        "",
        *_table(("station", "RMSE, mm", "PCC", "NSE"), [
            (s, f"{rmse:.2f}", f"{pcc:.2f}", f"{nse:.2f}") for s, rmse, pcc, nse in zip(
                m.station_errors.station, m.station_errors.rmse_mm, m.station_errors.pcc,
                m.station_errors.nse, strict=True)]),
        "## Data",
        "",
        *_table(("data", "sha256"), list(m.data_sha256.items())),
    ])


def _span(span: Span) -> str:
    return f"{span.first} to {span.last}"


def _summary(manifest: Manifest) -> list[str]:
    rows = []
    errors = manifest.station_errors
    for name, column in (("RMSE, mm", errors.rmse_mm), ("PCC", errors.pcc), ("NSE", errors.nse)):
        scored = [value for value in column if isfinite(value)]
        if len(scored) > 1:
            low, _, high = quantiles(scored, n=4, method="inclusive")
            rows.append((name, str(len(scored)), f"{median(scored):.2f}", f"{low:.2f}",
                         f"{high:.2f}"))
    return _table(("over stations", "stations", "median", "lower quartile", "upper quartile"), rows)


def _interpolation(manifest: Manifest) -> list[str]:
    used = manifest.interpolation
    near = f"the {used.n_controls} nearest" if used.n_controls else "all"
    lines = [f"Inverse distance, power {used.power:g}, {near} controls."]
    return [*lines, ""]


def _errors(manifest: Manifest) -> list[str]:
    errors = manifest.error_covariance
    if errors is None:
        return []
    return [
        "## Errors of simulated displacement", "",
        "From the stations and days of the scores, without the noise of the observations: gain of "
        "the simulation, standard deviation of the error that all places share, of the one that "
        "falls with distance, of the local one, and the share of the displacement's variance that "
        "the simulation explains.", "",
        *_table(("parameter", "value"), [(k, f"{v:.4g}") for k, v in vars(errors).items()]),
    ]


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    lines = [header, tuple("---" for _ in header), *rows]
    return [*("| " + " | ".join(line) + " |" for line in lines), ""]
