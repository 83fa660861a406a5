"""The runtime as a package: built, installed and used as its README says, outside this repository."""

import json
import os
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.runtime.emulator import emulator_of
from tests.runtime.harness import interpreters, launch
from tests.runtime.host import NULS, Host, url_event
from tests.runtime.project import blocks, build_wheel, image_command, make_environment, run, snippet, uv

pytestmark = pytest.mark.xdist_group("runtime-package")  # one worker builds and installs
COUNTED = b"data: 1\n\ndata: 2\n\ndata: 3\n\n"
# As OpenTelemetry's and Datadog's: a handler of their own instead of the function's, then the command.
OTHER_WRAPPER = """#!/bin/sh
export OTHER_WRAPPER_RAN=yes ORIG_HANDLER="$_HANDLER" _HANDLER=otel_wrapper.lambda_handler
exec "$@"
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built package."""
    return build_wheel(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with FastAPI and the package."""
    folder = tmp_path_factory.mktemp("project") / "environment"
    return make_environment(folder, sys.executable, "fastapi", wheel)


@pytest.fixture
def task_root(tmp_path: Path) -> Path:
    """The project's folder, with the README's app in it."""
    folder = tmp_path / "task"
    folder.mkdir()
    (folder / "main.py").write_text(snippet("main.py"))
    return folder


def variables(task_root: Path, programs: Path, **more: str) -> Mapping[str, str]:
    """An environment in which nothing leads to this repository."""
    path = f"{programs}:/usr/bin:/bin"
    return {"PATH": path, "HOME": str(task_root), "LAMBDA_TASK_ROOT": str(task_root), **more}


def script(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_wheel_holds_the_package_its_types_its_license_and_the_wrapper(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = archive.read(next(name for name in names if name.endswith("METADATA"))).decode()
    assert "streaming_runtime/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert any(name.endswith("scripts/streaming-bootstrap") for name in names)
    assert not any("millrace/" in name or "tests/" in name for name in names)
    assert "Requires-Dist" not in metadata
    assert "License-Expression: MIT" in metadata


async def test_project_outside_streams_fastapi_by_the_readme(
    rie: Path, programs: Path, task_root: Path, tmp_path: Path
) -> None:
    command = [str(programs / "python"), *image_command()[1:]]
    with emulator_of(rie, command, variables(task_root, programs), tmp_path, task_root) as lambda_:
        await lambda_.until_it_listens()
        head, _, body = (await lambda_.invoke(url_event("/count"))).partition(NULS)
    prelude = json.loads(head)
    assert prelude["statusCode"] == 200
    assert prelude["headers"]["content-type"].startswith("text/event-stream")
    assert body == COUNTED


async def test_each_yield_of_the_readme_s_app_is_a_chunk_of_its_own(
    host: Host, programs: Path, task_root: Path, tmp_path: Path
) -> None:
    surroundings = variables(task_root, programs, AWS_LAMBDA_RUNTIME_API=host.address)
    command = [str(programs / "python"), *image_command()[1:]]
    with launch(command, surroundings, tmp_path, task_root):
        call = await host.invoke(url_event("/count")).done()
    assert call.chunks[1:] == [b"data: 1\n\n", b"data: 2\n\n", b"data: 3\n\n"]


async def test_async_generator_of_the_readme_is_streamed(
    host: Host, programs: Path, task_root: Path, tmp_path: Path
) -> None:
    (task_root / "words.py").write_text(snippet("words.py"))
    surroundings = variables(task_root, programs, AWS_LAMBDA_RUNTIME_API=host.address)
    command = [str(programs / "python"), "-m", "streaming_runtime", "words.handler"]
    with launch(command, surroundings, tmp_path, task_root):
        call = await host.invoke(url_event("/one-two")).done()
    assert call.prelude["headers"] == {"content-type": "text/event-stream"}
    assert call.chunks[1:] == [b"data: one\n\n", b"data: two\n\n"]


async def test_another_wrapper_runs_around_the_runtime_and_cannot_replace_the_app(
    host: Host, programs: Path, task_root: Path, tmp_path: Path
) -> None:
    other = script(tmp_path / "other wrapper", OTHER_WRAPPER)
    with (task_root / "main.py").open("a") as main:
        main.write('\n\n@app.get("/seen")\nasync def seen() -> list[str | None]:\n    import os\n')
        main.write('    return [os.environ.get("OTHER_WRAPPER_RAN"), os.environ.get("ORIG_HANDLER")]\n')
    surroundings = variables(
        task_root,
        programs,
        AWS_LAMBDA_RUNTIME_API=host.address,
        _HANDLER="main.app",
        STREAMING_RUNTIME_WRAPPER=str(other),
    )
    command = [programs / "streaming-bootstrap", programs / "python", "/var/runtime/bootstrap.py"]
    with launch([str(part) for part in command], surroundings, tmp_path, task_root):
        call = await host.invoke(url_event("/seen")).done()
    assert json.loads(call.body) == ["yes", "main.app"]


@pytest.mark.parametrize("written", ["run.sh", "bin/streaming-bootstrap"])
async def test_package_beside_the_app_is_started_by_the_readme_s_wrapper(
    host: Host, wheel: Path, tmp_path: Path, written: str
) -> None:
    task_root = tmp_path / "task"
    run(uv(), "pip", "install", "-q", "--offline", "--python", sys.executable, "--target", task_root, wheel)
    (task_root / "main.py").write_text((Path(__file__).parent / "apps" / "basic.py").read_text())
    script(task_root / "run.sh", next(block for block in blocks("sh") if block.startswith("#!")))
    surroundings = variables(
        task_root, Path(os.devnull), AWS_LAMBDA_RUNTIME_API=host.address, _HANDLER="main.app"
    )
    command = [str(task_root / written), sys.executable, "/var/runtime/bootstrap.py"]
    with launch(command, surroundings, tmp_path, task_root):
        call = await host.invoke().done()
    assert call.body == "hello wörld".encode()


@pytest.mark.parametrize("python", interpreters().items(), ids=lambda item: item[0])
async def test_wheel_runs_in_a_clean_environment_of_each_python(
    host: Host, wheel: Path, tmp_path: Path, python: tuple[str, str]
) -> None:
    programs = make_environment(tmp_path / "environment", python[1], wheel)
    apps = Path(__file__).parent / "apps"
    surroundings = variables(apps, programs, AWS_LAMBDA_RUNTIME_API=host.address)
    with launch([str(programs / "streaming-bootstrap"), "basic:app"], surroundings, tmp_path, apps):
        call = await host.invoke().done()
    assert call.body == "hello wörld".encode()
