"""The page's forms, rendered in Node with the responses of a deployment with an extension."""

import json
import subprocess
from typing import Any

import httpx

from local.node import command, environment
from millrace.pipelines.definitions.definition import json_schema
from tests.sdk import PACKAGE, ROOT

WEB = ROOT / "web"
BUNDLE = [
    "--bundle",
    "--format=cjs",
    "--platform=node",
    "--jsx=automatic",
    "--loader=tsx",
    "--log-level=error",
]
EDITOR = """
import { completeBy } from "./src/ui/json/schema";
const offered = (text) => {
  const position = text.indexOf("|");
  const found = completeBy(SCHEMA)({ text: text.replace("|", ""), position });
  return (found?.options ?? []).map(({ label }) => label);
};
console.log(JSON.stringify([
  offered('{"destination": {"type": |}}'),
  offered('{"source": {"type": |}}'),
  offered('{"destination": {"type": "acme", "config": {|}}}'),
]));
"""
FORM = """
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { renderToStaticMarkup } from "react-dom/server";
import { BasicFields } from "./src/pages/agents/BasicFields";
import { draftOf } from "./src/pages/agents/draft";
import { SessionContext } from "./src/app/context";
const known = new QueryClient();
known.setQueryData(["agent-parts"], PARTS);
const form = (
  <SessionContext.Provider value={{ api: {} }}>
    <QueryClientProvider client={known}>
      <BasicFields draft={draftOf({ name: "Clerk" })} change={() => {}} problems={[]} />
    </QueryClientProvider>
  </SessionContext.Provider>
);
console.log(renderToStaticMarkup(form));
"""


def output(code: str, **constants: Any) -> str:
    """The output of a module of the page."""
    given = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in constants.items())
    alias = f"--alias:@millrace/client={PACKAGE / 'src' / 'index.ts'}"
    program = [str(PACKAGE / "node_modules" / ".bin" / "esbuild"), *BUNDLE, alias]
    bundled = _run(program, given + code)
    return _run([*command(["node"]), "-"], bundled)


def _run(program: list[str], text: str) -> str:
    done = subprocess.run(program, input=text, cwd=WEB, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_editor_of_pipelines_offers_the_kinds_of_a_package_and_their_settings(acme: None) -> None:
    destinations, sources, settings = json.loads(output(EDITOR, SCHEMA=json_schema()))
    assert {'"acme"', '"webhook"'} <= set(destinations)
    assert {'"acme"', '"schedule"'} <= set(sources)
    assert {'"url"', '"token"', '"channel"', '"rateLimit"'} <= set(settings)


def test_form_of_agents_offers_the_provider_of_a_package(acme: None, management: httpx.Client) -> None:
    parts = management.get("/api/agent-parts").json()
    assert '<option value="acme:"></option>' in output(FORM, PARTS=parts)


def test_forms_without_the_package_offer_nothing_of_it(management: httpx.Client) -> None:
    destinations, sources, _ = json.loads(output(EDITOR, SCHEMA=json_schema()))
    assert '"webhook"' in destinations
    assert '"acme"' not in destinations + sources
    assert "acme" not in output(FORM, PARTS=management.get("/api/agent-parts").json())
