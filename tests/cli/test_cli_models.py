"""The commands `dwlim models`."""

import dataclasses
import json
import tomllib

import numpy as np
import pytest
import synthetic

from dwlim_ops.simulate.bundle import WEIGHTS, write_bundle
from dwlim_ops.simulate.store import existing, pointer

AS_OF = "2017-01-02T18:00:00Z"


def variant(bundle, **changes):
    return dataclasses.replace(bundle, manifest=bundle.manifest.model_copy(update=changes))


@pytest.fixture
def store(trained):
    return trained.root / "models"


@pytest.fixture
def region(store):
    return store / synthetic.REGION


def test_list_check_promote_and_back(trained, command, store, region, trained_bundle):
    (small,) = existing(region)
    other = write_bundle(store, variant(trained_bundle, name="other"))
    assert command("models", "promote", trained.root, other)[:2] == (0, "")
    assert command("models", "promote", trained.root, other, "--role", "spare")[0] == 0
    assert pointer(region) == (other, {"spare": other})
    code, out, _ = command("models", "list", trained.root)
    assert code == 0
    assert next(line for line in out.splitlines() if other in line).count("current, spare") == 1
    assert command("models", "check", trained.root) == (
        0, f"{other} is whole and gives its known answer\n", "")
    code, out, _ = command("models", "rollback", trained.root)
    assert (code, out) == (0, f"{small}\n")
    assert pointer(region) == (small, {"spare": other})
    last = tomllib.loads((region / "current.toml").read_text())["history"][-1]
    assert (last["bundle"], last["previous"], last["rolled_back"]) == (small, other, True)
    assert last["promoted_at"].tzinfo is not None


def refused(command, *arguments):
    code, out, err = command("models", *arguments)
    assert (code, out) == (2, "")
    assert "Traceback" not in err
    (line,) = [line for line in err.splitlines() if " INFO " not in line]
    return line


def test_a_rollback_without_a_way_is_refused(trained, command, store, region, trained_bundle):
    before = (region / "current.toml").read_bytes()
    assert "nothing to go back to" in refused(command, "rollback", trained.root)
    assert "spare: nothing to go back" in refused(command, "rollback", trained.root,
                                                  "--role", "spare")
    assert (region / "current.toml").read_bytes() == before
    (small,) = existing(region)
    other = write_bundle(store, variant(trained_bundle, name="other"))
    assert command("models", "promote", trained.root, other)[0] == 0
    (region / small / WEIGHTS).write_bytes(b"else")
    assert "altered" in refused(command, "rollback", trained.root)
    assert pointer(region)[0] == other


def cut(bundle):
    """The same for fewer cells."""
    return dataclasses.replace(bundle, scaler={
        name: np.ascontiguousarray(values[:-1]) for name, values in bundle.scaler.items()})


@pytest.mark.parametrize(("change", "words"), [
    (lambda b: variant(b, region="elsewhere"), "made for another region"),
    (lambda b: variant(b, feature_names=b.manifest.feature_names[::-1]), "features differ"),
    (lambda b: variant(b, feature_set=b.manifest.feature_set | {"engine": "quantum"}), "engine"),
    (lambda b: variant(b, feature_set=b.manifest.feature_set | {"kind": "wavelet"}), "kind"),
    (cut, "made for other cells"),
])
def test_a_bundle_that_does_not_serve_is_not_promoted(
        command, store, trained_bundle, change, words):
    region = store / synthetic.REGION
    (small,) = existing(region)
    bundle = change(trained_bundle)
    bundle_id = write_bundle(store, bundle)
    if bundle.manifest.region != synthetic.REGION:
        (store / bundle.manifest.region / bundle_id).rename(region / bundle_id)
    assert words in refused(command, "promote", store.parent, bundle_id)
    assert pointer(region) == (small, {})


def test_drift_tells_what_it_can_and_why_not_the_rest(trained, command):
    code, out, _ = command("models", "drift", trained.root, "--as-of", AS_OF)
    assert code == 0
    assert out.startswith("ok: toyland, small-")
    assert "features: 1 windows of this season" in out
    assert "published residual: 2 days of the last 90" in out
    assert "displacement: ok, scatter of all 30 stations" in out


def test_drift_is_three_and_names_the_station(workspace, command):
    random = np.random.default_rng(1)

    def noisier(lines):
        rows = [line.split() for line in lines]
        return [*lines[:-90], *(f"{day} {float(up) + 6 * random.standard_normal():.4f} {sigma}"
                                for day, up, sigma in rows[-90:])]

    synthetic.edit(workspace.root / "inbox/gnss/s005.up", noisier)
    command("run", workspace.root, "--as-of", AS_OF)
    code, out, _ = command("models", "drift", workspace.root, "--as-of", AS_OF)
    assert code == 3
    assert out.startswith("drifted: toyland")
    assert [line.split()[:2] for line in out.splitlines() if line.startswith("    ")] == [
        ["S005:", "drifted,"]]
    code, out, _ = command("models", "drift", workspace.root, "--as-of", AS_OF, "--json")
    assert code == 3
    assert json.loads(out)["drifted"] == ["S005"]


def test_the_table_of_features_holds_number_and_limits(trained, command, monkeypatch):
    from dwlim_ops import drift
    from dwlim_ops.verify.drift import feature_drift, recent_window

    random = np.random.default_rng(0)
    windows = random.standard_normal((9, 90, 5, 2))
    lines = feature_drift(["temperature_original", "pressure_original"],
                          windows[0] + [9.0, 0.0], list(windows[1:]), [0, 1] * 4)
    section = drift.FeatureSection("", recent_window(synthetic.DAY, 90), 8, 4, lines)
    monkeypatch.setattr(drift, "_features", lambda *_, **__: section)
    code, out, _ = command("models", "drift", trained.root, "--as-of", AS_OF)
    assert code == 3
    assert "2016-10-03 to 2016-12-31 against 8 windows of training, 4 of the season" in out
    rows = {name: next(line for line in out.splitlines() if name in line)
            for name in ("temperature_original", "pressure_original")}
    shift = lines[0].mean_shift
    assert f"{shift.value:+.2f} ({shift.watch_beyond:.2f}, {shift.drifted_beyond:.2f})" in rows[
        "temperature_original"]
    assert "drifted" in rows["temperature_original"]
    assert " ok " in rows["pressure_original"]


def test_drift_without_displacement_is_a_matter_of_usage(workspace, command):
    assert "no displacement is known" in refused(command, "drift", workspace.root)
