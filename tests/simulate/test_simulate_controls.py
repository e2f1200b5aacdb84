import numpy as np

from dwlim_ops.simulate.controls import select_controls


def stations():
    random = np.random.default_rng(3)
    n = 400
    temperature, pressure = random.normal(290, 5, (n, 5)), random.normal(1e5, 500, (n, 5))
    up = random.normal(0, 1, (n, 5))
    up[:, 0] -= 0.4 * (temperature[:, 0] - 290)
    up[:, 1] += 0.004 * (pressure[:, 1] - 1e5)
    up[150:, 2] = np.nan
    up[:, 3] = 2.0
    return up, temperature, pressure, np.arange(n) < 300


def test_chooses_by_the_larger_absolute_correlation():
    up, temperature, pressure, training = stations()
    got = select_controls(up, temperature, pressure, training=training, minimum_correlation=0.5,
                          minimum_days=200)
    assert got.index.tolist() == [0, 1]
    np.testing.assert_allclose(got.correlation_temperature[0],
                               np.corrcoef(up[:300, 0], temperature[:300, 0])[0, 1])
    np.testing.assert_allclose(got.correlation_pressure[1],
                               np.corrcoef(up[:300, 1], pressure[:300, 1])[0, 1])
    assert got.correlation_temperature[0] < -0.5
    assert got.reason[:2] == ("", "")
    assert got.reason[2] == "150 complete training days, fewer than 200"
    assert got.reason[3] == "displacement or weather does not vary"
    assert got.reason[4].startswith("|correlation| 0.")
    assert np.isnan(got.correlation_temperature[2])


def test_days_outside_training_do_not_count():
    up, temperature, pressure, training = stations()
    arguments = {"training": training, "minimum_correlation": 0.05, "minimum_days": 100}
    before = select_controls(up, temperature, pressure, **arguments)
    up[~training] = 1e3 * temperature[~training]
    after = select_controls(up, temperature, pressure, **arguments)
    np.testing.assert_array_equal(before.correlation_temperature, after.correlation_temperature)
    assert before.reason == after.reason


def test_gaps_in_any_series_leave_the_day_out():
    up, temperature, pressure, training = stations()
    pressure[:40, 0] = np.nan
    temperature[40:60, 0] = np.nan
    got = select_controls(up, temperature, pressure, training=training, minimum_correlation=0.5,
                          minimum_days=200)
    np.testing.assert_allclose(got.correlation_temperature[0],
                               np.corrcoef(up[60:300, 0], temperature[60:300, 0])[0, 1])
