"""The commands `dwlim alerts`."""

import json

import pytest
import synthetic


@pytest.fixture
def with_recipient(workspace):
    def write(address):
        content = synthetic.configuration() | {"alerts": {"recipients": [
            {"name": "desk", "kind": "webhook", "address": address}]}}
        synthetic.write_config(workspace.root, content)
        return workspace.root

    return write


def test_nothing_is_active_in_a_fresh_workspace(workspace, command):
    code, out, _ = command("alerts", "list", workspace.root)
    assert code == 0
    assert "deliveries: none" in out
    code, out, _ = command("alerts", "list", workspace.root, "--all", "--json")
    assert json.loads(out) == {"messages": [], "outbox": {}}


def test_a_drill_arrives_and_is_listed(with_recipient, command, httpserver):
    httpserver.expect_request("/hook").respond_with_data("")
    root = with_recipient(httpserver.url_for("/hook"))
    code, out, _ = command("alerts", "drill", root, "--basin", "12")
    assert code == 0
    assert "dwlim-toyland-12-drill-0001-001: EXERCISE: drill of the alert chain" in out
    assert len(httpserver.log) == 1
    assert (root / "published/alerts/cap/dwlim-toyland-12-drill-0001-001.xml").exists()
    code, out, _ = command("alerts", "list", root)
    assert "Exercise" in out
    assert "deliveries: 1 delivered" in out
    code, out, _ = command("alerts", "list", root, "--json")
    (message,) = json.loads(out)["messages"]
    assert (message["status"], message["drill"], message["hazard"]) == ("Exercise", True, "drought")


def test_a_drill_that_does_not_arrive_says_so_and_is_tried_again(with_recipient, command):
    root = with_recipient("http://127.0.0.1:9/")
    code, out, _ = command("alerts", "drill", root, "--wet")
    assert code == 3
    assert "an alert waits to be delivered to desk: ConnectionError" in out
    code, out, _ = command("alerts", "deliver", root)
    assert code == 3
    assert "an alert waits to be delivered to desk" in out


def test_with_nothing_to_deliver_all_is_done(workspace, command):
    assert command("alerts", "deliver", workspace.root)[0] == 0


def test_a_basin_that_is_not_there_is_a_usage_error(workspace, command):
    code, _, error = command("alerts", "drill", workspace.root, "--basin", "Nile")
    assert code == 2
    assert "no such basin" in error
