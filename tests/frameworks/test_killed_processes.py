"""A real process of a framework's agent, killed in the middle of an answer, and the one that continues."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.api.conftest import issuer, keys_url, organization, quick_looks
from tests.aws import Aws
from tests.effort import effort
from tests.fakes.model_server import Gate
from tests.frameworks.examples import EXAMPLES
from tests.frameworks.test_behind_protocols import WHOLE, Native, Stage, conversation_settings, stage

__all__ = ["conversation_settings", "issuer", "keys_url", "organization", "quick_looks", "stage"]

ROOT = Path(__file__).parents[2]
APP = """\
from tests.frameworks.examples import EXAMPLES

example = EXAMPLES[{name!r}].made({url!r})
"""


@contextmanager
def process_of(
    stage: Stage, name: str, aws: Aws, folder: Path
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`millrace.serve` with the example as its own code, and its address."""
    package = folder / "killed_app"
    package.mkdir()
    (package / "__init__.py").write_text(APP.format(name=name, url=f"{stage.model.url}/v1"))
    settings = stage.face.platform.settings
    environ = aws.environment("ConversationFunction") | {
        "OIDC_ISSUER": settings.oidc_issuer,
        "OIDC_AUDIENCE": settings.oidc_audience,
        "OIDC_JWKS_URL": settings.oidc_jwks_url,
        "APP_PACKAGES": package.name,
        "PYTHONPATH": f"{folder}:{ROOT}",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "millrace.serve", "--port", "0", "--only", "conversation"],
        env=environ, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        line = next(one for one in process.stderr if "running on" in one)
        yield process, line.split("running on ")[1].split()[0]
    finally:
        process.kill()
        process.wait(30)
        process.stderr.close()  # type: ignore[union-attr]


@pytest.mark.parametrize("stage", [*EXAMPLES][: effort(1, len(EXAMPLES))], indirect=True)
def test_run_of_a_killed_process_goes_on_in_another_one(
    stage: Stage, request: pytest.FixtureRequest, aws_environment: Aws, tmp_path: Path
) -> None:
    name = request.node.callspec.params["stage"]
    stage.model.gate = Gate()
    with process_of(stage, name, aws_environment, tmp_path) as (process, url):
        with httpx.Client(base_url=url, headers=stage.face.headers, timeout=60) as chat:
            reader = Native(Stage(stage.face, chat, stage.model, stage.tool))
            reader.read(until_text=True)
            process.kill()
            process.wait(30)
    stage.take_over(reader.run_id)
    reader.stage = stage
    reader.resume()
    assert reader.text == WHOLE
    assert reader.tools == [f"step__{stage.tool}"]
    # In the log as it is, with what was taken back: the tool was begun once.
    begun = [one.data["name"] for one in reader.events if one.data["type"] == "tool_call"]
    assert begun.count(f"step__{stage.tool}") == 1
    answered = [
        any(one["role"] == "tool" for one in asked.json["messages"]) for asked in stage.model.exchanges
    ]
    assert answered == [False, True, True]
