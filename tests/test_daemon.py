"""Which processes the daemon starts, with which environment, where they listen."""

import pytest
import synthetic

from dwlim_ops.config import parse_config
from dwlim_ops.daemon import API_URL, AUTHENTICATION, AUTHENTICATION_OF_CLIENTS, _children

PASSWORD = "desk:of-no-use"  # noqa: S105  # a made-up one


@pytest.fixture
def children(workspace):
    """The processes for an environment and a table [daemon]."""
    def make(environment, **daemon):
        config = parse_config(synthetic.configuration() | {"daemon": daemon}, where="test")
        return _children(workspace, config, environment)

    return make


def test_without_a_server_one_is_started_before_the_runner(children):
    server, runner = children({"PATH": "/bin"}, prefect_port=4299)
    assert server.command[1:4] == ["-m", "prefect", "server"]
    assert runner.command[1:3] == ["-m", "flows.service"]
    assert runner.environment[API_URL] == "http://127.0.0.1:4299/api"
    assert server.environment["PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED"] == "events,flow_runs"
    assert runner.environment["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"
    assert server.environment["PATH"] == "/bin"


def test_a_server_that_is_there_is_used_as_it_is(children):
    environment = {API_URL: "https://prefect.example/api", AUTHENTICATION_OF_CLIENTS: PASSWORD}
    (runner,) = children(environment)
    assert environment.items() <= runner.environment.items()
    assert "PREFECT_SERVER_CORS_ALLOWED_ORIGINS" not in runner.environment


def test_the_scheduler_listens_on_loopback_wherever_the_tree_is_shown(children):
    server, _ = children({}, host="0.0.0.0")  # noqa: S104
    line = list(server.command)
    assert line[line.index("--host") + 1] == "127.0.0.1"
    assert server.environment["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"] == "http://127.0.0.1:4200"


def test_clients_get_the_password_and_no_command_line_does(children):
    server, runner = children({AUTHENTICATION: PASSWORD})
    assert server.environment[AUTHENTICATION] == PASSWORD
    assert runner.environment[AUTHENTICATION_OF_CLIENTS] == PASSWORD
    assert not any(PASSWORD in word for child in (server, runner) for word in child.command)


def test_without_a_password_none_is_set(children):
    server, runner = children({AUTHENTICATION: ""})
    assert AUTHENTICATION_OF_CLIENTS not in server.environment
    assert AUTHENTICATION_OF_CLIENTS not in runner.environment


def test_what_the_operator_has_set_wins(children):
    mine = {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "60", AUTHENTICATION_OF_CLIENTS: "other",
            AUTHENTICATION: PASSWORD, "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events"}
    for child in children(mine):
        assert mine.items() <= child.environment.items()
