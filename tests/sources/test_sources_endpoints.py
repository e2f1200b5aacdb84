"""The table of services: defaults, config, environment, secrets."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from dwlim_ops.errors import ConfigError
from dwlim_ops.sources.endpoints import (
    NEED_CREDENTIALS,
    SERVICES,
    EndpointSettings,
    endpoint_table,
    read_netrc,
    read_private,
)

SECRET, LOGIN = "5ecret-cccccccc", "urs.earthdata.nasa.gov"
EARTHDATA = ("gesdisc", "opendap", "podaac")


def _table(configured=None, environment=None, netrc=None, **options):
    return endpoint_table(configured or {}, environment or {}, netrc or {}, **options)


def test_every_service_of_the_project_is_there_and_none_is_dead():
    table = _table()
    assert set(table) == set(SERVICES) == {
        "ngl", "cds", "gesdisc", "cmr", "opendap", "esmgfz", "ecmwf_open", "csr", "podaac"}
    assert set(SERVICES) >= NEED_CREDENTIALS
    addresses = [e.base_url for group in table.values() for e in group]
    assert not [a for a in addresses if "hydro1" in a]
    assert table["esmgfz"][0].host == "rz-vm115.gfz.de:8080"
    assert len(table["esmgfz"]) == 3


def test_we_are_polite():
    limits = {"ngl": 4, "esmgfz": 2, "csr": 1, "cds": 2, "cmr": 8, "gesdisc": 8, "podaac": 8}
    table = _table()
    for name, most in limits.items():
        assert all(e.concurrency <= most for e in table[name]), name


def test_only_esmgfz_is_asked_in_clear_text():
    plain = {name for name, group in _table().items()
             if any(e.base_url.startswith("http:") for e in group)}
    assert plain == {"esmgfz"}


def test_config_overrides_the_table_and_the_environment_overrides_both():
    chosen = EndpointSettings(base_url="https://mirror.example.org/ngl", concurrency=1,
                              max_bytes=10, allowed_hosts=("a.example.org",))
    (endpoint,) = _table({"ngl": chosen})["ngl"]
    assert endpoint.base_url == "https://mirror.example.org/ngl"
    assert (endpoint.concurrency, endpoint.max_bytes) == (1, 10)
    assert endpoint.allowed_hosts == ("a.example.org",)
    assert endpoint.requests_per_second == _table()["ngl"][0].requests_per_second
    (endpoint,) = _table({"ngl": chosen}, {"DWLIM_NGL_BASE_URL": "http://127.0.0.1:8"})["ngl"]
    assert (endpoint.base_url, endpoint.concurrency) == ("http://127.0.0.1:8", 1)


def test_a_service_may_have_several_addresses():
    chosen = EndpointSettings(base_urls=("https://a.example.org", "https://b.example.org"))
    assert [e.host for e in _table({"esmgfz": chosen})["esmgfz"]] == [
        "a.example.org", "b.example.org"]
    env = {"DWLIM_ESMGFZ_BASE_URL": "http://localhost:1, http://localhost:2"}
    assert [e.host for e in _table({"esmgfz": chosen}, env)["esmgfz"]] == [
        "localhost:1", "localhost:2"]


def test_a_token_goes_to_its_own_services_only():
    table = _table(environment={"EARTHDATA_TOKEN": SECRET + "\n"})
    holders = {name for name, group in table.items() if any(e.token for e in group)}
    assert holders == set(EARTHDATA)
    assert all(table[name][0].auth == "bearer" for name in EARTHDATA)


def test_a_token_wins_over_netrc_and_netrc_over_nothing():
    netrc = {LOGIN: ("me", SECRET)}
    (endpoint,) = _table(netrc=netrc)["gesdisc"]
    assert (endpoint.auth, endpoint.user, endpoint.password, endpoint.login_host) == (
        "basic", "me", SECRET, LOGIN)
    (endpoint,) = _table(environment={"EARTHDATA_TOKEN": "t"}, netrc=netrc)["gesdisc"]
    assert (endpoint.auth, endpoint.token, endpoint.password) == ("bearer", "t", "")
    (endpoint,) = _table(environment={"EARTHDATA_TOKEN": " "})["gesdisc"]
    assert (endpoint.auth, endpoint.login_host) == ("none", LOGIN)


def test_a_netrc_entry_of_the_data_host_is_not_used_where_a_login_host_is():
    netrc = {"data.gesdisc.earthdata.nasa.gov": ("me", SECRET), "geodesy.unr.edu": ("me", SECRET)}
    table = _table(netrc=netrc)
    assert table["gesdisc"][0].auth == "none"
    assert table["ngl"][0].auth == "basic"


def test_the_token_of_the_datastores_comes_from_environment_or_file():
    rc = f"# mine\nurl: https://cds.example.org/api\nkey: {SECRET}\n"
    (endpoint,) = _table(datastores_file=rc)["cds"]
    assert (endpoint.base_url, endpoint.auth, endpoint.token) == (
        "https://cds.example.org/api", "private_token", SECRET)
    env = {"ECMWF_DATASTORES_KEY": "other", "DWLIM_CDS_BASE_URL": "http://127.0.0.1:9/api"}
    (endpoint,) = _table(environment=env, datastores_file=rc)["cds"]
    assert (endpoint.base_url, endpoint.token) == ("http://127.0.0.1:9/api", "other")


def test_another_variable_may_hold_the_token():
    chosen = EndpointSettings.model_validate({"token_env": "MY_MIRROR"})
    (endpoint,) = _table({"ngl": chosen}, {"MY_MIRROR": SECRET})["ngl"]
    assert (endpoint.auth, endpoint.token) == ("bearer", SECRET)


def test_a_replica_may_have_its_own_login_host():
    env = {"DWLIM_GESDISC_BASE_URL": "http://127.0.0.1:1", "DWLIM_GESDISC_LOGIN_HOST":
           "127.0.0.1:2"}
    (endpoint,) = _table(environment=env, netrc={"127.0.0.1": ("me", SECRET)})["gesdisc"]
    assert (endpoint.auth, endpoint.login_host) == ("basic", "127.0.0.1:2")


@pytest.mark.parametrize(("configured", "environment"), [
    ({"nlg": EndpointSettings()}, {}),
    ({}, {"DWLIM_NLG_BASE_URL": "https://example.org"}),
    ({}, {"DWLIM_NGL_BASE_URL": "geodesy.unr.edu"}),
    ({}, {"DWLIM_NGL_BASE_URL": f"https://me:{SECRET}@example.org"}),
    ({}, {"DWLIM_NGL_BASE_URL": "https://[::1"}),
    ({}, {"DWLIM_CDS_BASE_URL": "http://example.org", "ECMWF_DATASTORES_KEY": SECRET}),
    ({}, {"EARTHDATA_TOKEN": f"{SECRET}\nX-Evil: 1"}),
])
def test_what_cannot_be_served_is_refused_without_quoting_secrets(configured, environment):
    with pytest.raises(ConfigError) as caught:
        _table(configured, environment)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("facts", [
    {"token": SECRET}, {"base_url": "https://a", "base_urls": ("https://b",)}, {"base_urls": ()},
    {"concurrency": 0}, {"requests_per_second": 0}, {"deadline_s": float("inf")},
    {"attempts": 0}, {"max_bytes": -1}, {"token_env": "lower"}, {"read_timeout_s": float("nan")},
])
def test_settings_that_make_no_sense_are_refused(facts):
    with pytest.raises(ValidationError):
        EndpointSettings(**facts)


def test_the_table_shows_no_secret():
    env = {"EARTHDATA_TOKEN": SECRET, "ECMWF_DATASTORES_KEY": SECRET, "EARTHSCOPE_TOKEN": SECRET}
    assert SECRET not in repr(_table(environment=env, netrc={"geodesy.unr.edu": ("me", SECRET)}))


def test_netrc_is_read(tmp_path):
    path = tmp_path / "netrc"
    assert read_netrc(path) == {}
    path.write_text(f"machine {LOGIN}\n  login me password {SECRET}\ndefault login x password y\n")
    path.chmod(0o600)
    assert read_netrc(path) == {LOGIN: ("me", SECRET)}
    assert "machine" in read_private(path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_netrc_that_others_can_open_is_refused(tmp_path, mode):
    path = tmp_path / "netrc"
    path.write_text("machine a login b password c\n")
    path.chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_netrc(path)


@pytest.mark.parametrize("content", [
    f"machine a login me passwort {SECRET}\n".encode(), b"\xff\xfe", f"{SECRET}".encode(),
])
def test_a_netrc_that_cannot_be_read_is_refused_without_quoting_it(tmp_path, content):
    path = tmp_path / "netrc"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError) as caught:
        read_netrc(path)
    assert SECRET not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_folder_in_place_of_the_file_is_refused(tmp_path):
    with pytest.raises(ConfigError):
        read_private(tmp_path)


@given(st.text(max_size=200))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_any_datastores_file_gives_a_table_or_a_clear_error(text):
    try:
        (endpoint,) = _table(datastores_file=text)["cds"]
    except ConfigError:
        return
    assert endpoint.auth in {"none", "private_token"}
