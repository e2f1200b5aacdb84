"""The JSON schemas hold for what is published, and for nothing else."""

import json
from importlib import resources

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from dwlim_ops.contracts import CATEGORIES, TIERS
from dwlim_ops.products.contents import METHODS

NAMES = ("latest", "status")
STANDING = {"method": "dwlim_st", "date": "2016-12-31", "standardized_anomaly": -1.2,
            "percentile": 11.5, "category": "D1", "probabilities": [0.0] * 3 + [1.0] + [0.0] * 7,
            "veto": ""}


def schema(name):
    path = resources.files("dwlim_ops.publish") / "schemas" / f"{name}.schema.json"
    return json.loads(path.read_text())


def faults(name, content):
    validator = Draft202012Validator(schema(name), format_checker=FormatChecker())
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(content)]


def published(workspace, name):
    return json.loads((workspace.published / f"{name}.json").read_text())


@pytest.mark.parametrize("name", NAMES)
def test_it_is_a_schema_of_2020_12(name):
    assert schema(name)["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema(name))


def objects(node):
    if isinstance(node, dict):
        if node.get("type") == "object":
            yield node
        for inner in node.values():
            yield from objects(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from objects(inner)


@pytest.mark.parametrize("name", NAMES)
def test_no_unknown_key_is_let_through(name):
    for node in objects(schema(name)):
        assert "additionalProperties" in node
        assert "properties" not in node or node["additionalProperties"] is False


def test_the_closed_sets_are_those_of_the_code():
    latest = schema("latest")
    assert latest["properties"]["tier"]["enum"] == list(TIERS)
    assert latest["properties"]["published_method"]["enum"] == list(METHODS)
    assert latest["$defs"]["standing"]["properties"]["category"]["enum"] == list(CATEGORIES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("workspace_name", ["ticked", "served"])
def test_what_is_published_keeps_it(request, name, workspace_name):
    assert faults(name, published(request.getfixturevalue(workspace_name), name)) == []


def test_a_standing_is_known(served):
    latest = published(served, "latest")
    for basin in latest["basins"]:
        basin["standing"] = STANDING
    assert faults("latest", latest) == []
    latest["basins"][0]["standing"] = {**STANDING, "category": "D5"}
    latest["basins"][1]["standing"] = {**STANDING, "probabilities": [1.0]}
    assert len(faults("latest", latest)) == 2


@pytest.mark.parametrize(("name", "change", "fault"), [
    ("latest", {"surprise": 1}, "surprise"),
    ("latest", {"day": "2016-13-31"}, "2016-13-31"),
    ("latest", {"sha256": "abc"}, "abc"),
    ("latest", {"tier": "final"}, "final"),
    ("latest", {"path": "../secret"}, "secret"),
    ("latest", {"schema_version": 2}, "1 was expected"),
    ("latest", {"quality": {}}, "n_land_cells"),
    ("status", {"outcome": "fine"}, "fine"),
    ("status", {"as_of": "yesterday"}, "yesterday"),
    ("status", {"quarantined": [{"source": "gnss"}]}, "stream"),
])
def test_a_fault_is_found(ticked, name, change, fault):
    found = faults(name, published(ticked, name) | change)
    assert found
    assert fault in " ".join(found)


@pytest.mark.parametrize("name", NAMES)
def test_every_key_is_needed(ticked, name):
    content = published(ticked, name)
    for key in content:
        without = {other: value for other, value in content.items() if other != key}
        assert any(key in text for text in faults(name, without)), key


@pytest.mark.slow
def test_the_sample_keeps_them(tmp_path, command):
    assert command("init", tmp_path / "ws", "--region", "australia")[0] == 0
    assert command("replay", tmp_path / "ws", "--from", "2017-06-24", "--to", "2017-06-24")[0] == 0
    for name in NAMES:
        content = json.loads((tmp_path / "ws/published" / f"{name}.json").read_text())
        assert faults(name, content) == []
