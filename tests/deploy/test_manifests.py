"""What is deployed is hardened, drains as the processes do, and names settings that exist."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from typer.main import get_command

from nerava.__main__ import app
from nerava.platform.secrets import SecretKind
from nerava.settings import ServerSettings, knobs, unknown_names
from nerava.worker import STOP_PATIENCE_S
from tests.deploy.reading import DEPLOY, ROOT, compose, manifests, pods, settings_in, template

OURS: Final = {"nerava", "nerava:local"}
COMPOSE_ONLY: Final = {"NERAVA_DATABASE_PASSWORD"}
"""What the compose file asks its caller for; no setting of the product."""


def named(kind: str, name: str) -> dict[str, Any]:
    """Return one object."""
    (found,) = [one for one in manifests() if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def settings() -> dict[str, str]:
    """Return the settings that the cluster gives every process."""
    data: dict[str, str] = named("ConfigMap", "nerava-settings")["data"]
    return data


def test_no_setting_is_misspelt() -> None:
    assert unknown_names(settings()) == []
    used = settings_in([manifests(), compose()]) - COMPOSE_ONLY
    assert sorted(used - {knob.name for knob in knobs()}) == []


def test_the_guide_names_every_secret_that_production_needs() -> None:
    guide = (ROOT / "docs" / "operating.md").read_text()

    assert [kind.setting for kind in SecretKind if kind.setting not in guide] == []


@pytest.mark.parametrize(("name", "pod"), list(pods()))
def test_every_container_can_do_as_little_as_possible(name: str, pod: dict[str, Any]) -> None:
    assert pod["automountServiceAccountToken"] is False
    rights = pod["securityContext"]
    assert (rights["runAsNonRoot"], rights["runAsUser"]) == (True, 10001)
    assert rights["seccompProfile"] == {"type": "RuntimeDefault"}
    for one in [*pod["containers"], *pod.get("initContainers", ())]:
        assert one["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"cpu", "memory"} <= one["resources"]["requests"].keys()
        assert "memory" in one["resources"]["limits"]
        mounts = {mount["name"] for mount in one["volumeMounts"]}
        assert mounts <= {volume["name"] for volume in pod["volumes"]}


@pytest.mark.parametrize(("name", "pod"), list(pods()))
def test_every_command_is_one_that_there_is(name: str, pod: dict[str, Any]) -> None:
    known = get_command(app)
    for one in pod["containers"]:
        scripts = [shlex.split(line) for line in one.get("command", [""])[-1].splitlines()]
        for words in (
            [one["args"]] if "args" in one else [line[1:] for line in scripts if line[:1] == ["nerava"]]
        ):
            with known.make_context("nerava", list(words), resilient_parsing=True) as context:
                command = known.get_command(context, words[0])  # type: ignore[attr-defined]
            assert command is not None, words
            assert command.make_context(words[0], list(words[1:])), words


@pytest.mark.parametrize("process", ["web", "worker"])
def test_processes_are_two_survive_a_drain_and_are_never_all_taken(process: str) -> None:
    deployment, budget = (
        named("Deployment", f"nerava-{process}"),
        named("PodDisruptionBudget", f"nerava-{process}"),
    )
    labels = deployment["spec"]["selector"]["matchLabels"]

    assert deployment["spec"]["replicas"] > budget["spec"]["minAvailable"] >= 1
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert budget["spec"]["selector"]["matchLabels"] == labels
    assert deployment["spec"]["template"]["metadata"]["labels"] == labels


def test_the_cluster_waits_longer_than_a_process_takes_to_end() -> None:
    server = ServerSettings(
        drain_s=int(settings()["NERAVA_SERVER__DRAIN_S"]), grace_s=int(settings()["NERAVA_SERVER__GRACE_S"])
    )
    for process in ("web", "worker"):
        pod = named("Deployment", f"nerava-{process}")["spec"]["template"]["spec"]
        assert pod["terminationGracePeriodSeconds"] > server.drain_s + server.grace_s + STOP_PATIENCE_S
    (web,) = named("Deployment", "nerava-web")["spec"]["template"]["spec"]["containers"]
    ready = web["readinessProbe"]
    assert (ready["httpGet"]["path"], web["livenessProbe"]["httpGet"]["path"]) == ("/readyz", "/livez")
    # It is out of the service before it stops serving.
    assert ready["periodSeconds"] * ready["failureThreshold"] < server.drain_s


def test_the_schema_is_changed_by_a_job_of_the_owner_and_by_nobody_else() -> None:
    for name, pod in pods():
        for one in pod["containers"]:
            owner = "nerava-owner" in str(one.get("env", ""))
            assert owner == (name.split("/")[0] in {"Job", "CronJob"}), name
            assert ("migrate" in one.get("args", [])) == (name == "Job/nerava-migrate")


def test_a_kubectl_puts_it_together() -> None:
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("kubectl is not installed")
    done = subprocess.run(
        [program, "kustomize", DEPLOY / "kubernetes"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert len(list(yaml.safe_load_all(done.stdout))) == len(manifests())
    assert "image: registry.example/nerava:" in done.stdout


def test_services_of_the_compose_file_are_hardened_and_started_in_order() -> None:
    services = compose()["services"]

    assert {"postgres", "valkey", "migrate", "web", "worker", "prometheus", "grafana", "collector"} <= set(
        services
    )
    for name, one in services.items():
        assert ":" in one["image"], name
        assert not one["image"].endswith(":latest"), name
        if name not in {"postgres", "state"}:
            assert one["read_only"] is True, name
            assert one["cap_drop"] == ["ALL"], name
        for port in one.get("ports", ()):
            assert port.startswith("127.0.0.1:"), name
        for volume in one.get("volumes", ()):
            source = volume.split(":")[0]
            assert (
                (DEPLOY / source).exists() if source.startswith("./") else source in compose()["volumes"]
            ), volume
    for process in ("web", "worker"):
        assert services[process]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
        assert services[process]["stop_grace_period"] == "60s"


def test_scripts_of_the_compose_file_are_sound() -> None:
    script = DEPLOY / "compose" / "application-role.sh"
    assert script.stat().st_mode & 0o111
    subprocess.run(["/bin/sh", "-n", script], check=True)


def test_the_collector_hands_on_traces_of_nobody() -> None:
    body = yaml.safe_load((DEPLOY / "otel" / "collector.yaml").read_text())
    for pipeline in body["service"]["pipelines"].values():
        for kind in ("receivers", "processors", "exporters"):
            assert set(pipeline[kind]) <= body[kind].keys()
        assert pipeline["processors"][0] == "memory_limiter"
        assert "attributes/nobody" in pipeline["processors"]
    dropped = {one["key"] for one in body["processors"]["attributes/nobody"]["actions"]}
    assert {"url.query", "client.address", "http.request.header.authorization"} <= dropped


def test_alarms_of_the_cloud_ring_somebody_and_say_what_they_mean() -> None:
    body = template()
    alarms = {
        name: one["Properties"]
        for name, one in body["Resources"].items()
        if one["Type"] == "AWS::CloudWatch::Alarm"
    }
    runbooks = (ROOT / "docs" / "runbooks.md").read_text()

    assert len(alarms) > 8
    for name, one in alarms.items():
        assert one["AlarmActions"], name
        assert one["TreatMissingData"] in {"breaching", "notBreaching"}, name
        (runbook,) = re.findall(r"runbooks/#(\w+)", str(one["AlarmDescription"]))
        assert f"\n## {runbook}\n".lower() in runbooks.lower(), name
    referred = set(re.findall(r"'Ref': '(\w+)'", str(body["Resources"])))
    assert referred <= body["Parameters"].keys() | body["Resources"].keys() | {"AWS"}


def test_a_linter_of_templates_has_nothing_to_say() -> None:
    program = shutil.which("cfn-lint")
    if program is None:
        pytest.skip("cfn-lint is not installed; pip has it")
    done = subprocess.run(
        [program, "--non-zero-exit-code", "warning", "--", Path("deploy/aws/alarms.yaml")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
