"""Reads what is under deploy/, for the tests that hold it against the product."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parents[2]
DEPLOY: Final = ROOT / "deploy"


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction of a Dockerfile, in the stage it belongs to."""

    stage: str
    word: str
    rest: str


def dockerfile() -> list[Step]:
    """Return the instructions of the image, lines that go on joined."""
    text = re.sub(r"^\s*#.*\n", "", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE)
    steps, stage = [], ""
    for line in text.replace("\\\n", " ").splitlines():
        if not line.strip():
            continue
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            stage = rest.partition(" AS ")[2]
        steps.append(Step(stage, word, rest.strip()))
    return steps


def manifests() -> list[dict[str, Any]]:
    """Return every object that `kubectl apply -k` would make."""
    folder = DEPLOY / "kubernetes"
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    assert {*listed, "kustomization.yaml"} == {path.name for path in folder.iterdir()}
    return [one for name in listed for one in yaml.safe_load_all((folder / name).read_text())]


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every pod by the name of what makes it."""
    for one in manifests():
        name = f"{one['kind']}/{one['metadata']['name']}"
        match one["kind"]:
            case "Deployment" | "Job":
                yield name, one["spec"]["template"]["spec"]
            case "CronJob":
                yield name, one["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def compose() -> dict[str, Any]:
    """Return the services of the compose file, and its volumes."""
    body: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return body


class _Template(yaml.SafeLoader):
    """Reads the short forms of CloudFormation's functions."""


def _function(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix == "Ref" else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(node, deep=True)}  # type: ignore[arg-type]


_Template.add_multi_constructor("!", _function)  # type: ignore[no-untyped-call]


def template() -> dict[str, Any]:
    """Return the alarms of CloudWatch."""
    body: dict[str, Any] = yaml.load((DEPLOY / "aws" / "alarms.yaml").read_text(), Loader=_Template)  # noqa: S506 - a safe loader
    return body


def settings_in(value: object) -> set[str]:
    """Return every name of ours that stands anywhere in a document."""
    return set(re.findall(r"NERAVA_[A-Z0-9_]+", json.dumps(value, default=str)))
