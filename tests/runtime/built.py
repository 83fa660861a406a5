"""All layers and functions as `make build` creates them, but for this machine, so that they start here."""

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local import artifact
from tests.runtime.harness import ROOT, interpreters
from tests.templates import written

RESOURCES: dict[str, Any] = written()["Resources"]
LAYERS = ("RuntimeLayer", "SharedLayer")
FUNCTIONS = tuple(name for name, one in RESOURCES.items() if one["Type"] == "AWS::Serverless::Function")
MACHINE = "arm64" if platform.machine() == "aarch64" else "x86_64"


def reduced(
    keep: tuple[str, ...], all_resources: Mapping[str, Any] = RESOURCES, root: Path = ROOT
) -> dict[str, Any]:
    """The template with these layers and functions only, for this machine."""
    resources = {}
    for name in keep:
        one = all_resources[name]
        given = one["Properties"]
        kept = {key: given[key] for key in ("Handler",) if key in given}
        for key in ("CodeUri", "ContentUri"):
            if key in given:
                kept[key] = str(root / given[key])
        if "Handler" in kept:
            kept |= {"Runtime": "python3.13", "Architectures": [MACHINE]}
        else:
            kept |= {"CompatibleRuntimes": ["python3.13"], "CompatibleArchitectures": [MACHINE]}
        metadata = one.get("Metadata", {})
        if "BuildMethod" in metadata:
            metadata = {"BuildMethod": "python3.13", "BuildArchitecture": MACHINE}
        resources[name] = {"Type": one["Type"], "Properties": kept, "Metadata": metadata}
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": resources,
    }


def build(folder: Path) -> tuple[Path, str]:
    """Build everything in a folder. Return where it is, and Lambda's Python. Beside what is deployed: `opt`,
    where Lambda puts the layers together, and `runtime`, which Lambda has itself."""
    built, python = build_template(folder, reduced((*LAYERS, *FUNCTIONS)))
    ric = ["pip", "install", "-q", "--python", python, "--target", str(built / "runtime"), "awslambdaric"]
    run_quietly([str(ROOT / ".venv/bin/uv"), *ric], folder)
    for layer in LAYERS:
        shutil.copytree(built / layer, built / "opt", dirs_exist_ok=True)
    return built, python


def build_template(folder: Path, template: Mapping[str, Any]) -> tuple[Path, str]:
    """Build a template as `make build` does. Return where it is, and Lambda's Python."""
    python = interpreters()["3.13"]
    built, path = folder / "build", folder / "template.json"
    path.write_text(json.dumps(template))
    sam = [str(ROOT / ".venv-sam/bin/sam"), "build", "-t", str(path), "-b", str(built)]
    run_quietly(sam, folder, PATH=f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}")
    assert artifact.main([str(built), python]) == 0
    return built, python


def run_quietly(command: list[str], folder: Path, **variables: str) -> None:
    environment = {**os.environ, "SAM_CLI_TELEMETRY": "0", **variables}
    subprocess.run(command, env=environment, check=True, cwd=folder, capture_output=True)
