import dataclasses
import hashlib
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from dwlim_ops.errors import BundleError
from dwlim_ops.simulate.bundle import Bundle, check_serves, read_bundle, write_bundle
from dwlim_ops.simulate.error_covariance import ErrorCovariance
from dwlim_ops.simulate.lstm import StationLstms, simulate
from dwlim_ops.simulate.manifest import (
    Controls,
    Interpolation,
    Manifest,
    Span,
    StationErrorTable,
    StationNoise,
    manifest_toml,
    read_manifest,
)
from dwlim_ops.simulate.train import TrainingSettings

NAMES = ("temperature_1", "temperature_2", "pressure_1")


def make_bundle(name="meemd", seed=0, **changes) -> Bundle:
    random = np.random.default_rng(seed)

    def draw(*shape):
        return random.uniform(-1, 1, shape).astype(np.float32)

    lstms = StationLstms(draw(2, 3, 16, 3), draw(2, 3, 16, 4), draw(2, 3, 16), draw(2, 3, 4),
                         draw(2, 3), draw(2), 2 + draw(2))
    manifest = Manifest(
        region="testland", name=name, code_version="0.1.0", sequence_days=6,
        scaler_kind="per_cell", feature_names=NAMES,
        feature_set={"kind": "meemd", "window_days": 1461, "as \"of\"": True, "noise": {"sd": 0.2}},
        training=Span(first=date(2009, 1, 1), last=date(2013, 12, 31)),
        validation=Span(first=date(2014, 1, 1), last=date(2014, 12, 31)),
        test=Span(first=date(2015, 1, 1), last=date(2016, 12, 31)),
        training_settings=TrainingSettings(hidden_size=4, n_seeds=3),
        interpolation=Interpolation(),
        scores={"median_pcc_unseen": np.float64(0.1234), "median_rmse_mm_unseen": 4.5},
        data_sha256={"gnss": "ab" * 32},
        controls=Controls(station=("ALIC", "DARW"), longitude_deg=(133.9, 131.1),
                          latitude_deg=(-23.7, -12.8)),
        station_errors=StationErrorTable(
            station=("ALIC", "DARW", "Ñ\n01"), longitude_deg=(133.9, 131.1, 115.0),
            latitude_deg=(-23.7, -12.8, -30.0), rmse_mm=(3.25, 6.5, np.nan),
            pcc=(0.25, 0.5, np.nan), nse=(-0.5, 0.125, np.nan)),
        error_covariance=ErrorCovariance(0.75, 0.0, 2.5, 1300.0, 0.25, 0.28),
        station_noise=StationNoise(station=("ALIC",), longitude_deg=(133.9,),
                                   latitude_deg=(-23.7,), sigma_mm=(3.25,)),
    )
    bundle = Bundle(manifest, lstms, {"mean": draw(2, 3), "sd": 1 + draw(2, 3)}, draw(5, 6, 3))
    return dataclasses.replace(bundle, **changes)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def rewrite(folder: Path, *, text=lambda t: t, files=()) -> Path:
    """Alter a bundle as someone with the right hashes would; returns its new folder."""
    manifest = (folder / "bundle.toml").read_text()
    for name, data in files:
        old = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        manifest = manifest.replace(old, hashlib.sha256(data).hexdigest())
        (folder / name).write_bytes(data)
    manifest = text(manifest)
    (folder / "bundle.toml").write_text(manifest)
    sha = hashlib.sha256(manifest.encode()).hexdigest()[:16]
    return folder.rename(folder.parent / f"meemd-{sha}")


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "testland" / write_bundle(tmp_path, make_bundle())


def test_a_bundle_comes_back_whole(folder):
    written, got = make_bundle(), read_bundle(folder)
    assert manifest_toml(got.manifest, {}) == manifest_toml(written.manifest, {})
    for name, array in written.lstms.arrays().items():
        np.testing.assert_array_equal(getattr(got.lstms, name), array)
    for name, values in written.scaler.items():
        np.testing.assert_array_equal(got.scaler[name], values)
    np.testing.assert_array_equal(simulate(got.lstms, got.known_sequences),
                                  simulate(written.lstms, written.known_sequences))


def test_equal_bundles_have_equal_bytes_and_id_and_others_do_not(folder, tmp_path):
    other = tmp_path / "elsewhere"
    assert write_bundle(other, make_bundle()) == folder.name
    assert contents(other / "testland" / folder.name) == contents(folder)
    digest = hashlib.sha256((folder / "bundle.toml").read_bytes()).hexdigest()
    assert folder.name == f"meemd-{digest[:16]}"
    assert write_bundle(other, make_bundle(seed=1)) != folder.name
    before = folder.stat().st_mtime_ns
    assert write_bundle(tmp_path, make_bundle()) == folder.name
    assert folder.stat().st_mtime_ns == before
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


def test_the_card_shows_scores_on_unseen_stations_and_years(folder):
    card = (folder / "card.md").read_text()
    for text in ("2015-01-01 to 2016-12-31", "| median_pcc_unseen | 0.123 |", "| PCC | 2 | 0.38 |",
                 "| DARW | 6.50 | 0.50 | 0.12 |", "`temperature_2`", "| window_days | 1461 |",
                 "| length_km | 1300 |", "all controls", "| learning_rate | 0.003 |"):
        assert text in card


@pytest.mark.parametrize("name", ["bundle.toml", "weights.safetensors", "known_answer.npz",
                                  "card.md"])
def test_a_missing_or_altered_file_is_refused(folder, name):
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(BundleError, match="altered") as caught:
        read_bundle(folder)
    assert name in caught.value.where
    assert caught.value.expected
    assert caught.value.got
    assert caught.value.remedy
    (folder / name).unlink()
    with pytest.raises(BundleError, match=f"missing.*expected {name}"):
        read_bundle(folder)


def npz(path: Path, sequences: np.ndarray, up_mm: np.ndarray) -> bytes:
    np.savez(path, sequences=sequences, up_mm=up_mm)
    return path.read_bytes()


def test_a_missed_known_answer_is_refused(folder, tmp_path):
    bundle = make_bundle()
    answer = simulate(bundle.lstms, bundle.known_sequences)
    answer[0, 0, 0] += 5e-5
    near = rewrite(folder, files=[("known_answer.npz",
                                   npz(tmp_path / "a.npz", bundle.known_sequences, answer))])
    read_bundle(near)
    answer[0, 0, 0] += 1e-3
    far = rewrite(near, files=[("known_answer.npz",
                                npz(tmp_path / "a.npz", bundle.known_sequences, answer))])
    with pytest.raises(BundleError, match=r"known answer is missed.*at most 0.0001 mm"):
        read_bundle(far)
    short = rewrite(far, files=[("known_answer.npz",
                                 npz(tmp_path / "a.npz", bundle.known_sequences, answer[:1]))])
    with pytest.raises(BundleError, match="wrong shape"):
        read_bundle(short)


@pytest.mark.parametrize(("old", "new", "message"), [
    ("schema_version = 1", "schema_version = 2", "unknown schema version.*got 2"),
    ("schema_version = 1", "schema_version = ", "not readable as TOML"),
    ("sequence_days = 6", 'sequence_days = "six"', "sequence_days: Input should be"),
    ("sequence_days = 6", "sequence_days = 6\nsurprise = 1", "surprise: Extra inputs"),
    ("sequence_days = 6", "sequence_days = 7", "known sequences disagrees"),
    ('    "temperature_2",\n', "", "features disagrees.*expected 2.*got 3"),
    ('    "ALIC",\n    "DARW",\n', '    "ALIC",\n', "columns differ in length"),
    ("n_seeds = 3", "n_seeds = 5", "seeds disagrees"),
])
def test_a_manifest_that_does_not_fit_is_refused(folder, old, new, message):
    altered = rewrite(folder, text=lambda t: t.replace(old, new, 1))
    with pytest.raises(BundleError, match=message):
        read_bundle(altered)


def test_arrays_that_cannot_be_served_are_refused(folder, tmp_path):
    bundle = make_bundle()
    inputs = bundle.lstms.inputs.copy()
    inputs[1, 2, 3, 0] = np.nan
    with pytest.raises(BundleError, match=r"lstms.inputs: value is not finite.*1 NaN"):
        write_bundle(tmp_path, dataclasses.replace(
            bundle, lstms=dataclasses.replace(bundle.lstms, inputs=inputs)))
    with pytest.raises(BundleError, match="known sequences disagrees"):
        write_bundle(tmp_path, dataclasses.replace(
            bundle, known_sequences=bundle.known_sequences[:0]))
    altered = rewrite(folder, files=[("weights.safetensors", b"\0" * 64)])
    with pytest.raises(BundleError, match="arrays are not those of a bundle"):
        read_bundle(altered)


def test_another_region_or_order_of_features_is_refused(folder):
    bundle = read_bundle(folder)
    check_serves(bundle, region="testland", feature_names=list(NAMES))
    with pytest.raises(BundleError, match="another region"):
        check_serves(bundle, region="elsewhere", feature_names=NAMES)
    with pytest.raises(BundleError, match="differ in name or order"):
        check_serves(bundle, region="testland", feature_names=NAMES[::-1])


def test_manifest_text_reads_back():
    manifest = make_bundle().manifest
    text = manifest_toml(manifest, {"card.md": "00"})
    again, files = read_manifest(text, where="here")
    assert files == {"card.md": "00"}
    assert manifest_toml(again, files) == text
    assert again.interpolation == manifest.interpolation
    assert again.training_settings == manifest.training_settings


def test_a_bundle_of_before_the_error_covariance_is_still_read(tmp_path):
    made = make_bundle()
    early = dataclasses.replace(made, manifest=made.manifest.model_copy(update={
        "error_covariance": None, "station_noise": None, "interpolation": Interpolation()}))
    folder = tmp_path / "testland" / write_bundle(tmp_path, early)
    assert "error_covariance" not in (folder / "bundle.toml").read_text()
    assert "Errors of simulated displacement" not in (folder / "card.md").read_text()
    assert read_bundle(folder).manifest.error_covariance is None


@pytest.mark.parametrize(("old", "new", "match"), [
    ("gain = 0.75", "gain = 1.5", "gain"),
    ("length_km = 1300.0", "length_km = 0.0", "length_km"),
    ("smooth_sigma_mm = 2.5", "smooth_sigma_mm = nan", "smooth_sigma_mm"),
    ("[station_noise]", "[station_other]", "station_other"),
])
def test_an_impossible_error_covariance_is_refused(folder, old, new, match):
    altered = rewrite(folder, text=lambda text: text.replace(old, new))
    with pytest.raises(BundleError, match=match):
        read_bundle(altered)


def test_the_card_shows_the_errors(folder):
    card = (folder / "card.md").read_text()
    assert "| smooth_sigma_mm | 2.5 |" in card
