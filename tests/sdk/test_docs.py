"""The snippets of `docs/sdk-typescript.md` run, in Node and in a browser."""

from playwright.sync_api import Browser, expect

from tests.sdk import blocks, bundle, constants, run_module
from tests.stack import RunningStack
from tests.web.conftest import browser, chromium

__all__ = ["browser", "chromium"]

DOCUMENT = "sdk-typescript.md"


def joined(snippets: list[str]) -> str:
    """The snippets one after the other in one module: the first one makes the client, the others use it."""
    lines = [snippet.splitlines(keepends=True) for snippet in snippets]
    imports = [line for snippet in lines for line in snippet if line.startswith("import ")]
    first, *others = ["".join(line for line in one if not line.startswith("import ")) for one in lines]
    return "".join([*imports, first, *(f"{{\n{other}}}\n" for other in others)])


async def test_snippets_run_in_node(stack: RunningStack) -> None:
    known = constants(baseUrl=stack.url, token=stack.token("sdk-docs"))
    written = await run_module(known + joined(blocks(DOCUMENT, "js")))
    first, *lines = written.splitlines()
    assert first == "Hello!stop"
    assert lines[0] == "done One more."
    assert lines[1].isdigit()
    assert lines[2:] == ["first", "ok", "stopped", lines[-1]]
    assert lines[-1].startswith("agent_not_found ")


MOUNT = """
import { createRoot } from "react-dom/client";
import { createElement } from "react";
import { Millrace } from "@millrace/client";

globalThis.show = ({ token, conversationId }) => {
  const client = new Millrace({ token });
  const place = document.body.appendChild(document.createElement("main"));
  createRoot(place).render(createElement(Chat, { client, conversationId }));
};
"""


def test_react_component_shows_a_conversation(stack: RunningStack, browser: Browser) -> None:
    (component,) = blocks(DOCUMENT, "jsx")
    page = browser.new_page()
    page.goto(f"{stack.url}/api/health")
    page.evaluate(bundle(component + MOUNT, ".jsx"))
    page.evaluate("(given) => show(given)", {"token": stack.token("sdk-react"), "conversationId": "shown"})
    expect(page.locator("output")).to_have_text("ready")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("article p")).to_have_text("Hello!")
    expect(page.locator("output")).to_have_text("ready")
    page.close()
