"""What is installed is what was tested: every version is pinned exactly, and holds what we ask."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LINES = [line for line in (ROOT / "constraints.txt").read_text().splitlines()
         if line and not line.startswith("#")]
PINS = {canonicalize_name(line.partition("==")[0]): line.partition("==")[2] for line in LINES}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def wanted():
    """Requirements of the project and of what tests need."""
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    return [one for group in groups for one in map(Requirement, group) if one.name != "dwlim-ops"]


def test_every_line_is_one_exact_version():
    assert [line for line in LINES if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9A-Za-z.!+]+",
                                                       line)] == []
    assert len(PINS) == len(LINES)


def test_the_pins_are_what_the_project_asks_for():
    assert [one.name for one in wanted() if canonicalize_name(one.name) not in PINS] == []
    assert [str(one) for one in wanted()
            if not one.specifier.contains(PINS[canonicalize_name(one.name)], prereleases=True)
            ] == []


def reached():
    """Every package that the project brings, and those bring in turn, on this machine."""
    names, waiting = set(), [(canonicalize_name(one.name), frozenset(one.extras))
                             for one in wanted()]
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in names:
            continue
        names.add((name, extras))
        for text in metadata.requires(name) or []:
            one = Requirement(text)
            if one.marker is None or any(one.marker.evaluate({"extra": extra})
                                         for extra in extras or {""}):
                waiting.append((canonicalize_name(one.name), frozenset(one.extras)))
    return {name for name, _ in names}


def test_what_the_dependencies_bring_is_pinned_too():
    assert sorted(reached() - PINS.keys()) == []


def test_what_runs_here_is_what_is_pinned():
    differing = {name: (metadata.version(name), PINS[name]) for name in reached() & PINS.keys()
                 if metadata.version(name).partition("+")[0] != PINS[name]}
    assert differing == {}
