"""One frozen model of `dwlim.toml`: what it takes, what it refuses, and in what words."""

import copy
import tomllib
from datetime import date

import pydantic
import pytest
import synthetic

from dwlim_ops.config import parse_config, read_config
from dwlim_ops.errors import ConfigError
from dwlim_ops.regions import built_in_regions, region_folder


@pytest.fixture
def content():
    return copy.deepcopy(synthetic.configuration())


def put(content, key, value):
    """Set `a.b.c` in nested tables, which are made where they lack."""
    *tables, last = key.split(".")
    for table in tables:
        content = content.setdefault(table, {})
    content[last] = value


def refused(content):
    with pytest.raises(ConfigError) as caught:
        parse_config(content, where="my.toml")
    return caught.value


@pytest.mark.parametrize("name", built_in_regions())
def test_the_built_in_regions_read(name):
    config = read_config(region_folder(name) / "region.toml")
    assert config.region.name == name
    assert (region_folder(name) / config.region.outline).is_file()
    assert (region_folder(name) / config.region.basins).is_file()


def test_what_is_written_is_what_is_read(content, tmp_path):
    synthetic.write_config(tmp_path, content)
    config = read_config(tmp_path / "dwlim.toml")
    assert config == parse_config(content, where="elsewhere")
    assert config.region.reference_start == synthetic.REFERENCE[0]
    assert config.qc.minimum_reference_days == 300
    assert config.training["small"].features.window_days == 200
    assert config.inversion.beta == 0.05


def test_a_configuration_does_not_change(content):
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        parse_config(content, where="x").region.name = "other"


@pytest.mark.parametrize("key", [
    "colour", "region.colour", "sources.colour", "sources.gnss.colour", "sources.weather.colour",
    "qc.colour", "forcing.colour", "forcing.temperature.colour", "models.colour",
    "inversion.colour", "ledger.colour", "retention.colour", "products.colour",
    "schedule.colour", "training.small.colour",
    "training.small.features.colour", "training.small.networks.colour",
    "training.small.training.colour",
])
def test_an_unknown_key_is_refused_at_every_level(content, key):
    if key.startswith("forcing.temperature"):
        put(content, "forcing.temperature", {"length_km": 1.0, "noise_ratio": 0.1})
    put(content, key, 3)
    error = refused(content)
    assert error.what.startswith("unknown key")
    assert error.where == f"my.toml: {key}"
    assert error.got == "3"
    assert error.expected
    assert "README" in error.remedy


@pytest.mark.parametrize(("key", "value"), [
    ("region.name", "Two Words"), ("region.grid_deg", 0), ("region.cell_deg", "wide"),
    ("region.widen_deg", -1), ("region.reference_start", "some day"), ("region.citations", 4),
    ("sources.gnss.kind", "ftp"), ("sources.gnss.latency_days", -1),
    ("sources.gnss.already_removed", ["hydrology"]), ("sources.gnss.frame", "cx"),
    ("sources.gnss.unit", "inch"), ("qc.step_mode", "guess"), ("qc.minimum_days", "many"),
    ("forcing.minimum_sites", "three"), ("inversion.beta", -1), ("inversion.beta", "best"),
    ("inversion.sigma", "none"), ("inversion.minimum_stations", 2),
    ("products.published_method", "dwlim_xt"), ("schedule.horizon_days", 0),
    ("schedule.horizon_days", 4001), ("products.map_days", -1), ("retention.superseded_days", -1),
    ("retention.refused_days", "never"), ("ledger.lock_timeout_s", 0),
    ("schedule.tick_timeout_s", 1), ("sources.gnss.rapid_latency_days", -1),
    ("sources.weather.era5t_latency_days", "soon"), ("training.small.stride_days", 0),
    ("training.small.scaler", "none"), ("training.small.features.kind", "wavelet"),
    ("training.small.features.window_days", "long"), ("training.small.networks.n_seeds", 1.5),
    ("training.small.test.last", "2016-02-30"),
])
def test_a_value_that_cannot_be_used_is_named(content, key, value):
    put(content, key, value)
    error = refused(content)
    assert key in error.where
    assert error.where.startswith("my.toml: ")
    assert error.expected
    assert str(value).strip("[]'") in error.got


@pytest.mark.parametrize("key", [
    "region", "sources", "region.outline", "region.reference_end",
    "training.small.features", "training.small.test",
])
def test_a_missing_key_is_named(content, key):
    *tables, last = key.split(".")
    inner = content
    for table in tables:
        inner = inner[table]
    del inner[last]
    error = refused(content)
    assert error.where == f"my.toml: {key}"
    assert error.what.startswith("key is missing")


@pytest.mark.parametrize(("changes", "words"), [
    ({"region.reference_end": date(2015, 1, 1)}, "reference_end must be after reference_start"),
    ({"sources.gnss": {"kind": "folder", "latency_days": 1, "folder": "a"}}, "folder and sites"),
    ({"sources.weather": {"kind": "folder", "latency_days": 1, "sites": "a"}}, "folder and sites"),
    ({"inversion.beta": "paper"}, "sigma = 'unit'"),
    ({"sources.gnss.rapid_folder": "a"}, "rapid_folder and rapid_latency_days go together"),
    ({"sources.gnss.rapid_latency_days": 1}, "rapid_folder and rapid_latency_days go together"),
    ({"sources.weather.preview_latency_days": 1}, "belong to the sample"),
    ({"sources.weather.era5t_latency_days": 5}, "belong to the sample"),
    ({"ledger.url": "sqlite:///elsewhere.db"}, "postgresql+psycopg://"),
    ({"ledger.url": "mysql://db/x"}, "postgresql+psycopg://"),
    ({"ledger.url": "postgresql+psycopg://me:secret@db/x"}, "no password in the file"),
    ({"schedule.tick_cron": "hourly"}, "tick_cron has five fields"),
    ({"inversion.beta": "paper", "inversion.sigma": "series"}, "sigma = 'unit'"),
    ({"training.small.validation.first": date(2016, 3, 31)}, "must not share a day"),
    ({"training.small.test.first": date(2015, 9, 1),
      "training.small.test.last": date(2015, 9, 2)}, "must not share a day"),
])
def test_fields_that_contradict_each_other_are_refused(content, changes, words):
    for key, value in changes.items():
        put(content, key, value)
    assert words in str(refused(content))


def test_the_papers_beta_goes_with_unit_sigma(content):
    content["inversion"] = {"beta": "paper", "sigma": "unit"}
    assert parse_config(content, where="x").inversion.beta == "paper"


def test_impossible_sizes_of_features_are_refused(content):
    content["training"]["small"]["features"]["sequence_days"] = 400
    with pytest.raises(ConfigError, match="sequence_days"):
        parse_config(content, where="x")


def test_several_faults_are_counted_in_one_sentence(content):
    content["colour"] = content["region"]["colour"] = 1
    error = refused(content)
    assert "1 more" in str(error)
    assert "colour" in str(error)
    assert "\n" not in str(error)


def test_no_file_says_how_to_make_one(tmp_path):
    with pytest.raises(ConfigError, match="dwlim init"):
        read_config(tmp_path / "dwlim.toml")


@pytest.mark.parametrize("text", [b"[region", b"\xff\xfe", b"a = 1\na = 2\n"])
def test_a_file_that_is_not_toml_is_named(tmp_path, text):
    (tmp_path / "dwlim.toml").write_bytes(text)
    with pytest.raises(ConfigError, match=r"dwlim\.toml.*TOML"):
        read_config(tmp_path / "dwlim.toml")


def test_without_weather_a_region_is_complete(content):
    del content["sources"]["weather"]
    assert parse_config(content, where="x").sources.weather is None


def test_sizes_that_no_feature_set_can_have_are_refused_with_the_file():
    content = tomllib.loads((region_folder("australia") / "region.toml").read_text())
    content["training"]["causal"]["features"]["window_days"] = 3
    with pytest.raises(ConfigError, match=r"somewhere\.toml: feature set: impossible sizes"):
        parse_config(content, where="somewhere.toml")


@pytest.mark.parametrize("url", ["sqlite", "postgresql+psycopg://water@db.example:5432/dwlim",
                                 "postgresql+psycopg://water@/dwlim?host=/run/postgresql"])
def test_the_ledger_may_lie_here_or_in_postgresql(content, url):
    content["ledger"] = {"url": url}
    assert parse_config(content, where="x").ledger.url == url


def test_streams_of_the_sample_each_have_a_latency(content):
    content["sources"]["gnss"] = {"kind": "sample", "latency_days": 14, "rapid_latency_days": 2}
    content["sources"]["weather"] = {"kind": "sample", "latency_days": 90,
                                     "preview_latency_days": 1, "era5t_latency_days": 5}
    parse_config(content, where="x")
