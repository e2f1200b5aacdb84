import numpy as np
import pytest

from dwlim_ops.errors import ContractError
from dwlim_ops.simulate.unseen_errors import cell_sigma_mm, station_errors


def test_scores_are_those_of_the_complete_tested_days():
    random = np.random.default_rng(0)
    observed = random.normal(0, 3, (200, 3))
    simulated = 0.5 * observed + random.normal(0, 1, observed.shape) + 0.7
    observed[20:40, 0] = np.nan
    simulated[100:130, 1] = np.nan
    observed[5:, 2] = np.nan
    tested = np.arange(200) >= 10
    got = station_errors(observed, simulated, tested=tested, minimum_days=50)
    for station in (0, 1):
        use = tested & np.isfinite(observed[:, station] + simulated[:, station])
        o, s = observed[use, station], simulated[use, station]
        assert got.n_days[station] == use.sum()
        np.testing.assert_allclose(got.rmse_mm[station], np.sqrt(np.mean((s - o) ** 2)))
        np.testing.assert_allclose(got.bias_mm[station], np.mean(s - o))
        np.testing.assert_allclose(got.pcc[station], np.corrcoef(o, s)[0, 1])
        np.testing.assert_allclose(got.nse[station], 1 - np.mean((s - o) ** 2) / np.var(o))
    for scores in (got.rmse_mm, got.bias_mm, got.pcc, got.nse):
        assert np.isnan(scores[2])


def test_a_constant_simulation_has_an_error_but_no_correlation():
    observed = np.random.default_rng(0).normal(size=(50, 1))
    got = station_errors(observed, np.zeros((50, 1)), tested=np.ones(50, bool), minimum_days=10)
    assert np.isnan(got.pcc[0])
    np.testing.assert_allclose(got.rmse_mm[0] ** 2, (observed**2).mean())


def line(*places):
    return np.asarray(places, float)


def test_cell_sigma_follows_neighbours_and_is_the_overall_error_far_away():
    random = np.random.default_rng(2)
    sites = np.linspace(0, 4000, 400)
    rmse = np.exp(np.log(4.0) + 0.5 * np.sin(sites / 637.0) + random.normal(0, 0.1, 400))
    targets = line(1000.0, 3000.0, 1e6)
    rmse[7] = np.nan
    got = cell_sigma_mm(rmse, np.abs(sites[:, None] - sites), np.abs(sites[:, None] - targets),
                        length_km=800.0, noise_ratio=0.1)
    np.testing.assert_allclose(got[:2], 4.0 * np.exp([0.5, -0.5]), rtol=0.1)
    np.testing.assert_allclose(got[2], np.sqrt(np.nanmean(rmse**2)), rtol=0.03)


def test_scatter_between_stations_counts_as_error_of_cells():
    rmse = np.exp(np.random.default_rng(5).normal(1.0, 0.4, 300))
    sites = np.linspace(0, 1e6, 300)
    got = cell_sigma_mm(rmse, np.abs(sites[:, None] - sites), np.full((300, 1), 1e9),
                        length_km=10.0, noise_ratio=4.0)
    np.testing.assert_allclose(got, np.sqrt((rmse**2).mean()), rtol=0.02)


def test_equal_errors_give_that_error_everywhere():
    sites, targets = line(0, 100, 500), line(0, 250, 9000)
    got = cell_sigma_mm(np.full(3, 4.2), np.abs(sites[:, None] - sites),
                        np.abs(sites[:, None] - targets), length_km=300.0, noise_ratio=0.5)
    np.testing.assert_allclose(got, 4.2)


def test_no_scored_station_is_refused():
    with pytest.raises(ContractError, match="no usable station error"):
        cell_sigma_mm(np.array([np.nan]), np.zeros((1, 1)), np.ones((1, 2)), length_km=300.0,
                      noise_ratio=0.5)
