"""The reference's snippets, unchanged, against the running stack: in Node and in a browser."""

import re
import subprocess

import httpx
import pytest
from playwright.sync_api import Browser

from local.node import environment
from tests.sdk import PACKAGE, SNIPPETS, bundle, constants, run_module, snippet
from tests.stack import RunningStack
from tests.web.conftest import browser, chromium

__all__ = ["browser", "chromium"]

PIPELINE = {
    "name": "reference",
    "source": {"type": "agent_execution"},
    "destination": {"type": "webhook", "config": {"url": "https://example.com/hook"}},
}
ALL = "".join(f"{{\n{snippet(name)}}}\n" for name in SNIPPETS)
SECRET = {"value": "token", "hosts": ["api.mixpanel.com"]}


def organization_with_what_the_snippets_name(stack: RunningStack, organization: str) -> str:
    """Create the conversation, the pipeline and the secret of the reference; return a token."""
    with httpx.Client(base_url=stack.url, headers=stack.headers(organization=organization)) as http:
        http.post("/api/conversations", json={"id": "conv-123", "agentId": "echo"}).raise_for_status()
        http.put("/api/streaming/secrets/MIXPANEL_TOKEN", json=SECRET).raise_for_status()
        http.put("/api/streaming/pipelines/pipeline-123", json=PIPELINE).raise_for_status()
    return stack.token(organization)


def check_effects(stack: RunningStack, organization: str, written: str) -> None:
    """Check the effects of the snippets, and their output."""
    with httpx.Client(base_url=stack.url, headers=stack.headers(organization=organization)) as http:
        pipelines = {one["name"]: one for one in http.get("/api/streaming/pipelines").json()["items"]}
        checkpoints = http.get("/api/streaming/pipelines/pipeline-123/checkpoints").json()["items"]
        messages = http.get("/api/conversations/conv-123/messages").json()["items"]
    assert pipelines["agent-events-to-analytics"]["state"] == "running"
    assert pipelines["reference"]["state"] == "stopped"
    assert len(checkpoints) == 1
    assert len({message["runId"] for message in messages}) == 1
    assert "quantum computing" in written
    assert re.search(r"Tokens used: \d+", written)
    assert "itemsProcessed" in written
    assert "backpressure" not in written


@pytest.mark.parametrize("version", ["24", "20"])
async def test_snippets_of_the_reference_run_in_node(stack: RunningStack, version: str) -> None:
    organization = f"sdk-node-{version}"
    token = organization_with_what_the_snippets_name(stack, organization)
    head = 'import { Millrace } from "@millrace/client";\n'
    head += constants(baseUrl=stack.url, token=token, pipelineId="pipeline-123")
    head += "const client = new Millrace({ baseUrl, token });\n"
    check_effects(stack, organization, await run_module(head + ALL, version=version))


def test_snippets_of_the_reference_fit_the_types() -> None:
    """But for nulls: the reference reads `event.usage.total`, and usage may be unknown."""
    program = [str(PACKAGE / "node_modules/.bin/tsc"), "-p", "tsconfig.reference.json"]
    checked = subprocess.run(program, capture_output=True, text=True, env=environment(), cwd=PACKAGE)
    assert checked.returncode == 0, checked.stdout


PAGE = """
import { Millrace } from "@millrace/client";
globalThis.Millrace = Millrace;
"""

RUN = """async ({ token, pipelineId }) => {
  const written = [];
  const process = { stdout: { write: (text) => written.push(text) } };
  const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));
  const log = (...values) => written.push(values.map(text).join(" "));
  const console = { log, warn: log };
  const client = new Millrace({ token });
  {SNIPPETS}
  return written.join("");
}"""


def test_snippets_of_the_reference_run_in_a_browser(stack: RunningStack, browser: Browser) -> None:
    token = organization_with_what_the_snippets_name(stack, "sdk-browser")
    page = browser.new_page()
    page.goto(f"{stack.url}/api/health")
    page.evaluate(bundle(PAGE))
    given = {"token": token, "pipelineId": "pipeline-123"}
    written = page.evaluate(RUN.replace("{SNIPPETS}", ALL), given)
    page.close()
    check_effects(stack, "sdk-browser", written)
