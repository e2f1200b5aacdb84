"""Secrets as files: in the environment of the program that needs them, nowhere else."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.credentials import FOLDER, with_credentials
from dwlim_ops.errors import ConfigError

SECRET = "s3cret-\N{GREEK SMALL LETTER ALPHA}"  # noqa: S105  # of no use


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "EARTHDATA_TOKEN").write_text(f"{SECRET}\n", encoding="utf-8")
    (tmp_path / "EMPTY").write_text("\n")
    (tmp_path / "notes.txt").write_text("not a variable")
    (tmp_path / "lower_case").write_text("not a variable")
    return tmp_path


def test_a_file_becomes_a_variable_without_its_line_end(folder):
    assert with_credentials({FOLDER: str(folder), "PATH": "/bin"}) == {
        FOLDER: str(folder), "PATH": "/bin", "EARTHDATA_TOKEN": SECRET}


def test_a_variable_that_is_set_wins(folder):
    assert with_credentials({FOLDER: str(folder), "EARTHDATA_TOKEN": "mine"}) == {
        FOLDER: str(folder), "EARTHDATA_TOKEN": "mine"}


@pytest.mark.parametrize("environment", [{}, {FOLDER: ""}, {"PATH": "/bin"}])
def test_without_a_folder_nothing_changes(environment):
    assert with_credentials(environment) == environment


def test_what_is_given_stays_as_it_is(folder):
    environment = {FOLDER: str(folder)}
    with_credentials(environment)
    assert environment == {FOLDER: str(folder)}


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match="absent: the credentials cannot be read"):
        with_credentials({FOLDER: str(tmp_path / "absent")})


@pytest.mark.parametrize("content", [b"a\0b", b"\xff\xfe"])
def test_what_cannot_be_a_variable_is_refused_without_being_shown(tmp_path, content):
    (tmp_path / "KEY").write_bytes(b"visible" + content)
    with pytest.raises(ConfigError, match="not text") as error:
        with_credentials({FOLDER: str(tmp_path)})
    assert "visible" not in str(error.value)


@settings(max_examples=30, derandomize=True, deadline=None)
@given(text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_any_text_survives(tmp_path_factory, text):
    folder = tmp_path_factory.mktemp("any")
    (folder / "KEY").write_text(text, encoding="utf-8", newline="")
    assert with_credentials({FOLDER: str(folder)}).get("KEY", "").split() == text.split()


def run(*command, folder=""):
    return subprocess.run([sys.executable, "-m", "dwlim_ops.credentials", *command], check=False,
                          capture_output=True, text=True, timeout=60,
                          env={**os.environ, FOLDER: str(folder)})


def test_the_program_gets_them_in_its_environment_and_not_on_its_command_line(folder):
    tell = ("import json, os, pathlib; print(json.dumps([os.environ['EARTHDATA_TOKEN'], "
            "pathlib.Path('/proc/self/cmdline').read_text()]))")
    done = run(sys.executable, "-c", tell, folder=folder)
    assert done.returncode == 0, done.stderr
    token, line = json.loads(done.stdout)
    assert token == SECRET
    assert SECRET not in line


def test_its_exit_code_is_that_of_the_program():
    assert run(sys.executable, "-c", "raise SystemExit(3)").returncode == 3


@pytest.mark.parametrize("command", [(), ("no-such-program-here",)])
def test_a_program_that_is_not_there_is_a_usage_error(command):
    done = run(*command)
    assert done.returncode == 2
    assert "no such program" in done.stderr
    assert "Traceback" not in done.stderr


def test_credentials_that_cannot_be_read_are_a_usage_error(tmp_path):
    done = run(sys.executable, "-c", "", folder=tmp_path / "absent")
    assert done.returncode == 2
    assert str(Path(tmp_path / "absent")) in done.stderr
