"""Figures hold what was put in: data of the axes, not pixels."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text

from dwlim_ops.verify import figures_basins, figures_method, figures_stations, figures_storage
from dwlim_ops.verify.coherence import wavelet_coherence
from dwlim_ops.verify.drawing import METHODS, Field, Setting, limit
from dwlim_ops.verify.figures_basins import BasinSeries, HeatMap

SQUARE = np.array([[0, 0], [10, 0], [10, 8], [0, 8], [0, 0]], float)
SETTING = Setting([SQUARE], np.array([[[5.0, 0.0], [5.0, 8.0]]]), (0, 0, 10, 8))
DAYS = np.arange("2010-01-01", "2012-01-01", dtype="datetime64[D]")
NAMES = ("North", "South", "West")


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.fixture
def stations():
    return figures_stations.Stations(
        ("A", "B", "C"), np.array([1.0, 5.0, 9.0]), np.array([1.0, 7.0, 4.0]),
        np.array([True, True, False]))


def line_of(axes, method):
    label = METHODS[method].label
    (line,) = [one for one in axes.get_lines() if one.get_label() == label]
    return line


def text_of(figure):
    return " ".join(one.get_text() for one in figure.findobj(Text))


def test_records_stand_from_north_to_south(stations):
    months = np.arange("2010-01", "2010-05", dtype="datetime64[M]").astype("datetime64[D]") + 14
    share = np.array([0.1, 0.5, 0.9]) * np.ones((4, 1))
    figure = figures_stations.station_records(stations, months, share, SETTING)
    (mesh,) = figure.axes[0].collections
    shown = np.ma.filled(mesh.get_array(), np.nan).reshape(3, 4)
    assert shown[:, 0].tolist() == [0.5, 0.9, 0.1]
    used, unused = (one.get_offsets() for one in figure.axes[1].collections[-2:])
    assert np.array_equal(used, [[1, 1], [5, 7]])
    assert np.array_equal(unused, [[9, 4]])


def test_left_out_maps_share_their_colours(stations):
    errors = {"tragnss": np.array([1.0, 2.0, np.nan]), "dwlim": np.array([4.0, 5.0, 6.0])}
    correlation = {"tragnss": np.array([0.1, 0.2, np.nan]), "dwlim": np.array([-0.4, 0.5, 0.6])}
    figure = figures_stations.left_out_maps(stations, errors, correlation, SETTING)
    dots = [axes.collections[-1] for axes in figure.axes[:4]]
    assert dots[0].get_array().tolist() == [1.0, 2.0]
    assert dots[1].get_array().tolist() == [4.0, 5.0, 6.0]
    assert dots[3].get_array().tolist() == [-0.4, 0.5, 0.6]
    assert dots[0].get_clim() == dots[1].get_clim()
    assert dots[2].get_clim() == dots[3].get_clim() == (-1, 1)


def test_examples_show_observed_simulated_and_band(stations, random):
    observed, simulated = random.normal(size=(2, DAYS.size))
    example = figures_stations.Example("A", DAYS, observed, simulated, np.full(DAYS.size, 2.0))
    cells = np.array([2.0, 6.0]), np.array([2.0, 6.0])
    figure = figures_stations.simulated_examples([example], stations, cells,
                                                 np.array([True, False]), SETTING)
    place, panel = figure.axes
    dots, line = panel.get_lines()
    assert np.array_equal(dots.get_ydata(), observed)
    assert np.array_equal(line.get_ydata(), simulated)
    (band,) = panel.collections
    assert band.get_paths()[0].vertices[:, 1].max() == pytest.approx(simulated.max() + 2)
    assert "cells simulated (1)" in [one.get_label() for one in place.collections]


def test_loading_amplitudes_are_mapped_on_one_scale(stations):
    figure = figures_stations.loading_amplitudes(
        stations, np.array([3.0, 4.0, np.nan]), np.array([0.2, 0.3, 0.1]), SETTING)
    ntal, ntol = (axes.collections[-1] for axes in figure.axes[:2])
    assert ntal.get_clim() == ntol.get_clim() == (0, 4.0)
    assert ntol.get_array().tolist() == [0.2, 0.3, 0.1]
    assert "NTAL, mean 3.50 mm" in text_of(figure)


def test_amplitude_maps_have_one_scale_and_the_given_values(random):
    lon, lat = np.arange(0.5, 10), np.arange(0.5, 8)
    fields = {name: Field(lon, lat, size * random.uniform(0, 1, (8, 10)))
              for name, size in (("tragnss", 1.0), ("dwlim_st", 2.0), ("GRACE", 50.0))}
    fields["tragnss"].values[0, 0] = np.nan
    figure = figures_storage.amplitude_maps(fields, SETTING)
    meshes = [axes.collections[0] for axes in figure.axes[:3]]
    for mesh, field in zip(meshes, fields.values(), strict=True):
        shown = np.ma.filled(mesh.get_array(), np.nan).reshape(8, 10)
        assert np.array_equal(shown, field.values, equal_nan=True)
        assert mesh.get_clim() == (0.0, pytest.approx(np.quantile(fields["GRACE"].values, 0.98)))
    assert [axes.get_title(loc="left") for axes in figure.axes[:3]] == [
        METHODS[name].label for name in fields]


def test_days_alone_are_shown_with_their_running_mean_and_smooth_ones_as_they_are(random):
    values = random.normal(size=DAYS.size)
    figure = figures_storage.mean_series(
        dict.fromkeys(("tragnss", "dwlim_st"), DAYS), {"tragnss": values, "dwlim_st": values},
        DAYS[::30], np.zeros(DAYS[::30].size))
    (axes,) = figure.axes
    centred = values - values.mean()
    assert line_of(axes, "dwlim_st").get_ydata() == pytest.approx(centred)
    smooth = line_of(axes, "tragnss").get_ydata()
    assert smooth[100] == pytest.approx(centred[85:116].mean())
    assert any(np.array_equal(line.get_ydata(), centred) for line in axes.get_lines())


def test_lines_break_where_months_are_absent():
    days = np.concatenate([DAYS[:100], DAYS[200:300]])
    figure = figures_storage.mean_series({"dwlim_st": days}, {"dwlim_st": np.arange(200.0)},
                                         DAYS[[10, 40, 160]], np.ones(3))
    (axes,) = figure.axes
    assert np.flatnonzero(np.isnan(line_of(axes, "dwlim_st").get_ydata())).tolist() == [100]
    assert np.isnan(line_of(axes, "GRACE").get_ydata()).tolist() == [False, False, True, False]


def test_basins_stand_beside_grace_about_their_means(random):
    twsa, grace = random.normal(size=(DAYS.size, 3)), random.normal(5, 1, (24, 3))
    grace[3, 0] = np.nan
    series = {"dwlim_st": BasinSeries(DAYS, twsa, np.ones_like(twsa))}
    figure = figures_basins.basins_beside_grace(series, NAMES, DAYS[15::31][:24], grace)
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in shown] == list(NAMES)
    dots = line_of(shown[0], "GRACE").get_ydata()
    assert dots[np.isfinite(dots)] == pytest.approx(
        np.delete(grace[:, 0], 3) - np.delete(grace[:, 0], 3).mean())
    assert line_of(shown[2], "dwlim_st").get_ydata() == pytest.approx(
        twsa[:, 2] - twsa[:, 2].mean())


def test_rain_is_drawn_as_bars_of_the_months(random):
    twsa, rain = random.normal(size=(DAYS.size, 3)), random.uniform(0, 90, (24, 3))
    rain[4] = np.nan
    months = np.arange("2010-01", "2012-01", dtype="datetime64[M]").astype("datetime64[D]")
    figure = figures_basins.storage_and_rain(BasinSeries(DAYS, twsa, np.ones_like(twsa)),
                                             "dwlim_st", NAMES, months, rain)
    bars = [axes for axes in figure.axes if axes.patches]
    assert len(bars) == 3
    for column, axes in enumerate(bars):
        heights = [bar.get_height() for bar in axes.patches]
        assert heights == pytest.approx(np.nan_to_num(rain[:, column]))
        assert axes.get_ylim()[1] > 2 * np.nanmax(rain[:, column])


def test_heat_maps_show_every_number():
    values = np.array([[0.91, -0.2], [np.nan, 0.5], [0.1, 1.0]])
    figure = figures_basins.score_heat_maps(
        [HeatMap("PCC", values, 2, "correlation"), HeatMap("NSE", 9 * values, 1, "efficiency"),
         HeatMap("RMSE mm", 100 * np.abs(values), 0, "error")], NAMES, ("tragnss", "dwlim"))
    for axes, size in zip(figure.axes[:3], (1, 9, 100), strict=True):
        (image,) = axes.get_images()
        shown = np.ma.filled(image.get_array(), np.nan)
        assert np.abs(shown) == pytest.approx(size * np.abs(values), nan_ok=True)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["0.91", "-0.20", "-", "0.50", "0.10", "1.00"]
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == list(NAMES)


def test_coherence_panels_hold_the_coherence(random):
    middle = np.arange("2010-01", "2015-01", dtype="datetime64[M]").astype("datetime64[D]") + 14
    series = random.normal(size=(2, 60))
    found = wavelet_coherence(middle, *series, n_surrogates=5)
    figure = figures_basins.coherence_panels({"North": found, "South": None})
    mesh = figure.axes[0].collections[0]
    shown = np.ma.filled(mesh.get_array(), np.nan).reshape(found.squared.shape)
    assert np.array_equal(shown, found.squared)
    assert mesh.get_clim() == (0, 1)
    assert "too few months" in text_of(figure)


def test_no_panel_without_any_coherence():
    assert "too few months" in text_of(figures_basins.coherence_panels({"North": None}))


def test_the_flow_chart_names_every_stage_and_estimate():
    words = text_of(figures_method.flow_chart())
    for name in ("Correct", "Check", "Features", "Simulate", "tragnss", "dwlim", "dwlim_st"):
        assert name in words


def test_decompositions_show_every_component(random):
    parts = random.normal(size=(2, 4, DAYS.size))
    figure = figures_method.decompositions(tuple(
        figures_method.Decomposition(name, DAYS, one)
        for name, one in zip(("Temperature", "Pressure"), parts, strict=True)))
    grid = np.array(figure.axes).reshape(4, 2)
    for row in range(4):
        for column in range(2):
            (line,) = grid[row, column].get_lines()
            assert np.array_equal(line.get_ydata(), parts[column, row])


def test_methods_are_told_apart_by_colour_and_mark():
    colours = {to_hex(style.colour) for style in METHODS.values()}
    assert len(colours) == len({style.marker for style in METHODS.values()}) == len(METHODS)


def test_the_limit_keeps_the_largest_map_inside():
    assert limit([np.arange(101.0), np.array([np.nan, 5.0])]) == pytest.approx(98)
    assert limit([np.zeros(3)]) == 1.0
    assert limit([]) == 1.0
