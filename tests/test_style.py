"""The house rules that no linter knows."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted(path for path in [*(ROOT / "dwlim_ops").rglob("*.py"),
                                   *(ROOT / "flows").rglob("*.py")]
                 if "migrations" not in path.parts)
LONGEST_MODULE, LONGEST_FUNCTION, LONGEST_FLOW = 400, 60, 100
ALLOWED_AT_THE_TOP = {
    "flows", "dwlim_ops", "models_store", "tests", "deploy", "pyproject.toml", "README.md",
    "Makefile", "CHANGELOG.md", "LICENSE", "constraints.txt",
}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_and_functions_stay_small(path):
    text = path.read_text()
    limit = LONGEST_FLOW if path.parent.name == "flows" else LONGEST_MODULE
    assert len(text.splitlines()) <= limit
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            assert length <= LONGEST_FUNCTION, f"{node.name} has {length} lines"


def test_only_the_agreed_names_stand_at_the_top():
    ignored = (ROOT / ".gitignore").read_text().split()
    found = {p.name for p in ROOT.iterdir() if not p.name.startswith(".")}
    assert found - {name.strip("/") for name in ignored} <= ALLOWED_AT_THE_TOP


CLOCKLESS = [p for p in MODULES if p.parent.name not in ("flows", "cli")]


@pytest.mark.parametrize("path", CLOCKLESS, ids=lambda p: str(p.relative_to(ROOT)))
def test_only_the_command_line_and_the_flows_read_the_clock(path):
    reads = [node.lineno for node in ast.walk(ast.parse(path.read_text()))
             if isinstance(node, ast.Attribute) and node.attr in {"now", "utcnow", "today"}]
    assert reads == []
