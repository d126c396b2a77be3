"""The manifests say what the program does: its commands, settings, ports and paths, and labels that find each other.

Their form was checked against Kubernetes' own schemas (docs/decisions/); here it is that they agree with this code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.api.routes import ROUTES
from streams.cli.main import COMMANDS
from streams.contract.settings import PREFIX, Settings

BASE = Path(__file__).parent.parent.parent / "k8s" / "base"
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((BASE / "kustomization.yaml").read_text())
OBJECTS: list[dict[str, Any]] = [
    each for name in KUSTOMIZATION["resources"] for each in yaml.safe_load_all((BASE / name).read_text())
]
WORKLOADS = {o["metadata"]["name"]: o for o in OBJECTS if o["kind"] in ("Deployment", "StatefulSet")}
SERVICES = {o["metadata"]["name"]: o for o in OBJECTS if o["kind"] == "Service"}
CONFIG = dict(line.split("=", 1) for line in KUSTOMIZATION["configMapGenerator"][0]["literals"])
DEFAULTS = Settings()

workload = pytest.mark.parametrize("name", WORKLOADS)


def container(name: str) -> dict[str, Any]:
    (only,) = WORKLOADS[name]["spec"]["template"]["spec"]["containers"]
    found: dict[str, Any] = only
    return found


def ports(name: str) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for port in container(name)["ports"]}


def test_every_manifest_is_part_of_the_base() -> None:
    there = {path.name for path in BASE.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(KUSTOMIZATION["resources"]) == there


@workload
def test_what_runs_is_a_command_of_ours(name: str) -> None:
    program, command = container(name)["args"]
    assert program == "credence"
    assert command in COMMANDS
    assert name == f"credence-{command}"


@workload
def test_every_variable_is_a_setting_with_a_value_it_can_have(name: str) -> None:
    assert container(name)["envFrom"] == [{"configMapRef": {"name": KUSTOMIZATION["configMapGenerator"][0]["name"]}}]
    given = {each["name"]: each.get("value", "of the pod") for each in container(name).get("env", ())}
    known = {PREFIX + field.upper() for field in DEFAULTS.__dataclass_fields__}
    assert given.keys() | CONFIG.keys() <= known
    Settings.from_env(CONFIG | given)


@workload
def test_ports_are_those_that_the_process_listens_on_at_an_address_that_probes_reach(name: str) -> None:
    settings = Settings.from_env(CONFIG)
    expected = {"http": settings.api_port} if name == "credence-api" else {"metrics": settings.metrics_port}
    assert ports(name) == expected
    assert settings.api_host == settings.metrics_host == "0.0.0.0"
    scraped = WORKLOADS[name]["spec"]["template"]["metadata"]["annotations"]["prometheus.io/port"]
    assert [int(scraped)] == list(expected.values())


@workload
def test_probes_ask_what_is_served(name: str) -> None:
    served = {path for method, path, *_ in ROUTES if method == "GET"} if name == "credence-api" else {"/metrics"}
    probes = [probe for key, probe in container(name).items() if key.endswith("Probe")]
    assert probes
    for probe in probes:
        assert probe["httpGet"]["path"] in served
        assert probe["httpGet"]["port"] in ports(name)


@workload
def test_nothing_can_be_written_to_but_the_folder_that_the_process_is_given(name: str) -> None:
    pod = WORKLOADS[name]["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert container(name)["securityContext"]["readOnlyRootFilesystem"] is True
    assert [list(volume) for volume in pod["volumes"]] == [["name", "emptyDir"]]
    (mount,) = container(name)["volumeMounts"]
    assert mount == {"name": pod["volumes"][0]["name"], "mountPath": "/tmp"}  # where temporary files go, too
    given = CONFIG | {each["name"]: each.get("value", "") for each in container(name).get("env", ())}
    folders = [given["CREDENCE_HOME"], given.get("CREDENCE_DATA_DIR") or DEFAULTS.data_dir]
    assert all(not folder or Path(folder).is_relative_to("/tmp") for folder in folders)


@workload
def test_labels_and_services_find_the_pods(name: str) -> None:
    spec = WORKLOADS[name]["spec"]
    labels = spec["template"]["metadata"]["labels"]
    assert spec["selector"]["matchLabels"] == labels
    service = SERVICES[spec.get("serviceName", name)]
    assert service["spec"]["selector"] == labels
    assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports(name).keys()
    assert [s for s in SERVICES.values() if s["spec"]["selector"] == labels] == [service]
