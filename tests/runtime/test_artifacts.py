"""The output of `make build`: every module compiled, and functions that start with the built layers only.

The long form (`make soak`) runs `sam build` itself, which installs the locked packages for this machine.
"""

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from local import artifact
from local.app import main as app_main
from millrace.project.init import init
from millrace.project.sources import write_sources
from tests.aws import Aws
from tests.effort import SOAKING
from tests.project.building import follow_tutorial
from tests.runtime.built import FUNCTIONS, LAYERS, RESOURCES, build, build_template, reduced
from tests.runtime.emulator import emulator_of
from tests.runtime.harness import APPS, ROOT
from tests.runtime.host import NULS, url_event

pytestmark = pytest.mark.sam
LIMIT = 250e6
"""Bytes of a function with its layers, unpacked."""


def compiled(folder: Path) -> tuple[set[str], set[str]]:
    """The modules of a folder, and those that have a compiled file."""
    sources = {str(path.relative_to(folder)) for path in folder.rglob("*.py")}
    made = {
        str(path.parent.parent.relative_to(folder) / (path.name.split(".")[0] + ".py"))
        for path in folder.rglob("__pycache__/*.pyc")
    }
    return sources, made


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
    command = [str(layer / "streaming-bootstrap"), sys.executable, "/var/runtime/bootstrap.py"]
    folders, variables = (APPS, layer / "python"), {"_HANDLER": "basic.app"}
    answer = await first_answer(rie, command, folders, variables, tmp_path, url_event())
    assert answer.partition(NULS)[2] == "hello wörld".encode()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """All layers and functions as `make build` makes them, and the Python of Lambda's."""
    return build(tmp_path_factory.mktemp("built"))


@pytest.mark.soak
@pytest.mark.skipif(not SOAKING, reason="installs all packages of all functions: make soak")
@pytest.mark.parametrize("name", FUNCTIONS)
async def test_built_function_starts_with_the_built_layers_only(
    rie: Path, tmp_path: Path, aws: Aws, built: tuple[Path, str], name: str
) -> None:
    build, python = built
    for part in (*LAYERS, name):
        sources, made = compiled(build / part)
        assert sources == made, part
    assert sum(artifact.size(build / part) for part in (*LAYERS, name)) < LIMIT
    properties = RESOURCES[name]["Properties"]
    variables = aws.environment(name) | {"_HANDLER": properties["Handler"]}
    streamed = properties["Handler"] == "app.app"
    path = RESOURCES[name].get("Metadata", {}).get("Routes", ["/"])[0]
    event = url_event(path) if "FunctionUrlConfig" in properties else {"Records": []}
    command = [python, "-m", "awslambdaric", "app.handler"]
    if streamed:
        command = [str(build / "opt/streaming-bootstrap"), python, "/var/runtime/bootstrap.py"]
    folders = (build / name, build / "opt/python", build / "runtime")
    answer = await first_answer(rie, command, folders, variables, tmp_path, event)
    if "FunctionUrlConfig" in properties:
        head = json.loads(answer.partition(NULS)[0])
        assert head["statusCode"] in (200, 401, 404), answer
    else:
        assert "errorType" not in json.loads(answer), answer


@pytest.mark.soak
@pytest.mark.skipif(not SOAKING, reason="installs all packages of the layer: make soak")
async def test_built_function_of_a_project_has_its_own_code(rie: Path, tmp_path: Path, aws: Aws) -> None:
    """The project of the tutorial, whose code also asks for a service that Millrace does not use, and for a
    framework."""
    shop, sources = tmp_path / "shop", tmp_path / "sources"
    init(shop)
    follow_tutorial(shop)
    with (shop / "app" / "shop" / "orders.py").open("a") as file:
        file.write("\n\nMAILER = boto3.client('ses', region_name='us-east-1')\n")
    (shop / "app" / "requirements.txt").write_text("millrace[langgraph]\n")
    write_sources(ROOT, sources, shop / "app")
    assert app_main([str(sources / "template.yaml"), str(sources / "template.app.json")]) == 0
    merged = json.loads((sources / "template.app.json").read_text())["Resources"]
    services = merged["ConversationFunction"]["Properties"]["Environment"]["Variables"]["APP_SERVICES"]
    parts = (*LAYERS, "AppLayer", "ConversationFunction")
    plan = reduced(parts, merged, sources)
    own = {"APP_PACKAGES": "shop", "APP_SERVICES": services, "ORDERS_TABLE": "orders"}
    plan["Resources"]["ConversationFunction"]["Properties"]["Environment"] = {"Variables": own}
    built, python = build_template(tmp_path, plan)
    for part in parts:
        modules, made = compiled(built / part)
        assert modules == made, part
    added = {one.name.partition("-")[0] for one in (built / "AppLayer" / "python").glob("*.dist-info")}
    assert "langgraph" in added
    assert not added & {"millrace", "pydantic", "httpx", "boto3"}
    for layer in parts[:-1]:
        shutil.copytree(built / layer, built / "opt", dirs_exist_ok=True)
    models = {one.name for one in (built / "opt/python/botocore/data").iterdir()}
    assert "ses" in models
    assert "ec2" not in models
    command = [str(built / "opt/streaming-bootstrap"), python, "/var/runtime/bootstrap.py"]
    folders = (built / "ConversationFunction", built / "opt/python")
    variables = aws.environment("ConversationFunction") | own | {"_HANDLER": "app.app"}
    event = url_event("/api/conversations/first/messages")
    answer = await first_answer(rie, command, folders, variables, tmp_path, event)
    assert json.loads(answer.partition(NULS)[0])["statusCode"] == 401, answer


async def first_answer(
    rie: Path,
    command: list[str],
    folders: tuple[Path, ...],
    variables: Mapping[str, str],
    tmp_path: Path,
    event: Any,
) -> bytes:
    """The answer of a function that imports from these folders only, the first of which is its own."""
    surroundings = {
        **variables,
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(map(str, folders)),
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_LAMBDA_FUNCTION_NAME": "built",
    }
    with emulator_of(rie, command, surroundings, tmp_path, folders[0]) as lambda_:
        await lambda_.until_it_listens()
        return await lambda_.invoke(event)
