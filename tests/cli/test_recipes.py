"""docs/recipes.md: every file is applied, every program runs."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from millrace.client import Client
from tests.api.conftest import chat, issuer, keys_url, organization, platform, settings
from tests.api.test_round_trip import urls
from tests.cli.test_apply import apply, client

__all__ = [
    "apply",
    "chat",
    "client",
    "issuer",
    "keys_url",
    "organization",
    "platform",
    "settings",
    "urls",
]

GUIDE = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text()
RECIPES = {part.partition("\n")[0]: part for part in GUIDE.split("\n## ")[1:]}
FILES = {
    name: found[0]
    for name, part in RECIPES.items()
    if (found := re.findall(r"```yaml\n(.*?)```", part, re.DOTALL))
}
PUSH = {"repository": {"full_name": "acme/shop", "private": True}, "sender": {"login": "ann"}}


def test_there_are_files_and_programs() -> None:
    assert len(FILES) >= 4
    assert "```js" in RECIPES["A browser client on another origin"]


@pytest.fixture
def applied(client: Client, apply: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("ORDERS_DB", "SLACK_WEBHOOK", "GITHUB_SECRET"):
        monkeypatch.setenv(name, "https://hooks.slack.com/services/T/B/x")

    def command(recipe: str) -> Client:
        file = tmp_path / "recipe.yaml"
        file.write_text(FILES[recipe])
        done = apply(file, "--yes")
        assert done.code == 0, done.err
        assert apply(file, "--dry-run").code == 0
        return client

    return command


@pytest.mark.parametrize("recipe", FILES)
def test_file_of_a_recipe_is_applied(applied: Any, recipe: str) -> None:
    applied(recipe)


def test_github_recipe_keeps_the_types_that_it_names(applied: Any) -> None:
    streaming = applied("GitHub's webhook by event type").streaming
    (pipeline,) = streaming.list_pipelines()
    assert pipeline.id.startswith("pipeline_")
    for kind, kept in (("push", True), ("star", False)):
        event = {"payload": PUSH, "type": kind}
        (tried,) = streaming.dry_run(pipeline.id, events=[event]).events
        outputs = tried.outputs
        assert bool(outputs) is kept
        if kept:
            assert outputs[0] == {"kind": "push", "repository": "acme/shop", "by": "ann"}


def test_browser_recipe_streams_an_answer(chat: httpx.Client, tmp_path: Path) -> None:
    """In Node, whose fetch is the browser's."""
    part = RECIPES["A browser client on another origin"]
    (program,) = re.findall(r"```js\n(.*?)```", part, re.DOTALL)
    token = chat.headers["authorization"].removeprefix("Bearer ")
    values = {"baseUrl": str(chat.base_url), "conversationId": "recipe", "token": token}
    head = "".join(f"const {name} = {value!r};\n" for name, value in values.items())
    file = tmp_path / "page.mjs"
    file.write_text(head + program)
    done = subprocess.run(
        [sys.executable, "-m", "local.node", "node", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ,
    )
    assert done.returncode == 0, done.stderr
    assert '"type":"done"' in done.stdout.replace(" ", "")
