"""The output of `make build`: every module compiled, and functions that start with the built layers only.

The long form (`make soak`) runs `sam build` itself, which installs the locked packages for this machine.
"""

import asyncio
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from local import artifact
from tests.aws import TEMPLATE, Aws
from tests.effort import SOAKING
from tests.runtime.emulator import emulator_of
from tests.runtime.harness import APPS, ROOT, interpreters
from tests.runtime.host import NULS, url_event

pytestmark = pytest.mark.sam
LIMIT = 250e6
"""Bytes of a function with its layers, unpacked."""
MACHINE = "arm64" if platform.machine() == "aarch64" else "x86_64"


def compiled(folder: Path) -> tuple[set[str], set[str]]:
    """The modules of a folder, and those that have a compiled file."""
    sources = {str(path.relative_to(folder)) for path in folder.rglob("*.py")}
    made = {
        str(path.parent.parent.relative_to(folder) / (path.name.split(".")[0] + ".py"))
        for path in folder.rglob("__pycache__/*.pyc")
    }
    return sources, made


def reduced(keep: tuple[str, ...]) -> dict[str, Any]:
    """The template with these layers and functions only, for this machine."""
    resources = {}
    for name in keep:
        one = yaml_parse(TEMPLATE.read_text())["Resources"][name]
        given = one["Properties"]
        kept = {key: given[key] for key in ("Handler",) if key in given}
        for key in ("CodeUri", "ContentUri"):
            if key in given:
                kept[key] = str(ROOT / given[key])
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


async def test_layer_that_sam_does_not_build_is_compiled_and_starts_alone(rie: Path, tmp_path: Path) -> None:
    build = tmp_path / "build"
    build.mkdir()
    (build / "template.yaml").write_text(json.dumps(reduced(("RuntimeLayer",))))
    assert artifact.main([str(build), sys.executable]) == 0
    found = json.loads((build / "template.yaml").read_text())["Resources"]["RuntimeLayer"]["Properties"]
    layer = build / found["ContentUri"]
    assert layer.parent == build
    assert os.access(layer / "streaming-bootstrap", os.X_OK)
    sources, made = compiled(layer)
    assert sources
    assert sources == made
    answer = await first_answer(rie, layer, APPS, sys.executable, {"_HANDLER": "basic.app"}, tmp_path)
    assert answer.partition(NULS)[2] == "hello wörld".encode()


@pytest.mark.soak
@pytest.mark.skipif(not SOAKING, reason="installs all packages of the layer: make soak")
async def test_built_functions_start_with_the_built_layers_only(
    rie: Path, tmp_path: Path, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = interpreters()["3.13"]
    monkeypatch.setenv("PATH", f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}")
    build, template = tmp_path / "build", tmp_path / "template.json"
    template.write_text(json.dumps(reduced(("RuntimeLayer", "SharedLayer", "ConversationFunction"))))
    sam = [str(ROOT / ".venv-sam/bin/sam"), "build", "-t", str(template), "-b", str(build)]
    await asyncio.to_thread(run_quietly, sam, tmp_path)
    assert artifact.main([str(build), python]) == 0
    for part in ("RuntimeLayer", "SharedLayer", "ConversationFunction"):
        sources, made = compiled(build / part)
        assert sources == made, part
    assert artifact.size(build) < LIMIT
    opt = tmp_path / "opt"  # where Lambda puts the layers together
    for layer in ("RuntimeLayer", "SharedLayer"):
        shutil.copytree(build / layer, opt, dirs_exist_ok=True)
    variables = aws.environment("ConversationFunction") | {"_HANDLER": "app.app"}
    answer = await first_answer(
        rie, opt, build / "ConversationFunction", python, variables, tmp_path, path="/api/conversations"
    )
    prelude, _, body = answer.partition(NULS)
    assert json.loads(prelude)["statusCode"] == 401
    assert json.loads(body)["error"]["code"] == "token_missing"


def run_quietly(command: list[str], folder: Path) -> None:
    environment = {**os.environ, "SAM_CLI_TELEMETRY": "0"}
    subprocess.run(command, env=environment, check=True, cwd=folder, capture_output=True)


async def first_answer(
    rie: Path,
    layer: Path,
    code: Path,
    python: str,
    variables: Mapping[str, str],
    tmp_path: Path,
    path: str = "/",
) -> bytes:
    """The answer of a function whose only packages are the layer's."""
    command = [str(layer / "streaming-bootstrap"), python, "/var/runtime/bootstrap.py"]
    surroundings = {
        **variables,
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{code}{os.pathsep}{layer / 'python'}",
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_LAMBDA_FUNCTION_NAME": "built",
    }
    with emulator_of(rie, command, surroundings, tmp_path, code) as lambda_:
        await lambda_.until_it_listens()
        return await lambda_.invoke(url_event(path))
