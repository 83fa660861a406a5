"""The life of a project outside this checkout, which follows the tutorial: created and run with the built
wheel, used from a page on its own origin, and upgraded by one version."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Locator, expect

from local import child
from millrace.client import Client
from tests.project.building import build_site, environment, follow_tutorial, millrace
from tests.web.conftest import browser, chromium

__all__ = ["browser", "chromium"]

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
ANN = "ann@example.com"
SECONDS = 200.0
TIMEOUT_MS = 60_000
NEXT = "99.0.0"
NEWS = f"\n## [{NEXT}] - 2026-12-01\n\n### Added\n- Parcels fly.\n"


class Running:
    """`millrace run` of a project, until it is stopped; `output` is what it has said so far."""

    def __init__(self, site: Path, shop: Path) -> None:
        self.output: list[str] = []
        self._changed = threading.Condition()
        command = [sys.executable, "-u", "-m", "millrace.cli", "run", "--port", "0"]
        self._process = subprocess.Popen(
            child.command(command, signal.SIGTERM),
            cwd=shop,
            # Functions import the product from the environment, which here is that of the checkout.
            env=environment(site, shop) | {"SPEECH_ENGINE": "espeak", "FUNCTIONS_PYTHONPATH": str(site)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = self.wait_for(r"Millrace runs on (http://localhost:\d+)")[1]
        self.port = self.url.rpartition(":")[2]

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self.output.append(line)
                self._changed.notify_all()
        with self._changed:
            self.output.append("(the end)")
            self._changed.notify_all()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The first match in the output, as soon as it is there."""

        def found() -> re.Match[str] | None:
            return re.search(pattern, "".join(self.output))

        with self._changed:
            self._changed.wait_for(lambda: found() or "(the end)" in self.output, SECONDS)
        match = found()
        assert match is not None, f"no {pattern} in:\n{''.join(self.output)}"
        return match

    def stop(self) -> None:
        """End it as Ctrl-C does, which saves what is kept."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(SECONDS)
        self._reader.join(SECONDS)
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextmanager
def running(site: Path, shop: Path) -> Iterator[Running]:
    stack = Running(site, shop)
    try:
        yield stack
    finally:
        stack.stop()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_site(tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def shop(site: Path, tmp_path: Path) -> Path:
    """The project of the tutorial."""
    millrace(site, tmp_path, "init", "shop")
    follow_tutorial(tmp_path / "shop")
    return tmp_path / "shop"


def upgraded(site: Path, folder: Path) -> Path:
    """The same package as its next version: what `pip` would install for another number."""
    newer = folder / "newer"
    shutil.copytree(site, newer, copy_function=os.link)
    (old,) = newer.glob("millrace-*.dist-info")
    rewrite(
        old / "METADATA", lambda text: text.replace(f"Version: {version('millrace')}", f"Version: {NEXT}")
    )
    rewrite(newer / "millrace" / "__init__.py", lambda text: text.replace(version("millrace"), NEXT))
    rewrite(newer / "millrace" / "CHANGELOG.md", lambda text: text + NEWS)
    old.rename(newer / f"millrace-{NEXT}.dist-info")
    return newer


def rewrite(path: Path, change: Callable[[str], str]) -> None:
    """Write a file anew, which may be a hard link to another one's content."""
    text = change(path.read_text())
    path.unlink()
    path.write_text(text)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """An origin that serves a folder as `python -m http.server` does."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_project_lives_from_its_first_run_to_an_upgrade(
    site: Path, shop: Path, browser: Browser, tmp_path: Path
) -> None:
    with running(site, shop) as stack:
        at = {"MILLRACE_PORT": stack.port}
        stack.wait_for("created: flows.follow-up")
        seeded = millrace(site, shop, "exec", sys.executable, "seed.py", ANN, "dev@example.com", **at)
        assert f"A-1 is an order of {ANN}" in seeded
        token = millrace(site, shop, "token", **at).strip()
        with Client(stack.url, token) as client:
            agents = [one.id for one in client.agents.list()]
            said = client.conversations.send_message("first", "Where is A-2?", agent_id="support")
            flow = client.flows.run("follow-up", {"order": "A-2"})
        assert agents[0] == "support"
        assert said.content == "The order A-2 is sent."
        assert flow.result == "The order A-2 is sent."
        millrace(site, shop, "client", "web", **at)
        password = millrace(
            site, shop, "token", "--user", ANN, "--role", "customer", "--password", **at
        ).strip()
        with refund_on_page(browser, shop / "web", password) as shown:
            (call,) = map(json.loads, millrace(site, shop, "approvals", "list", "--json", **at).splitlines())
            assert call["arguments"] == {"order": "A-1", "amount": 60.0}
            millrace(site, shop, "runs", "answer", call["runId"], "--approve", **at)
            expect(shown).to_have_text("60.00 EUR are paid back for the order A-1.", timeout=TIMEOUT_MS)
    greeted = '{"agentId": "support", "content": "Where is my order A-1?"}'
    assert greeted in "".join(stack.output)
    assert "is used here for the first time" not in "".join(stack.output)

    with running(upgraded(site, tmp_path), shop) as stack:
        upgrade = stack.wait_for(r"Millrace (\S+) is used here for the first time; it was (\S+)\.")
        assert upgrade.groups() == (NEXT, version("millrace"))
        assert "Parcels fly." in "".join(stack.output)
        at = {"MILLRACE_PORT": stack.port}
        token = millrace(site, shop, "token", **at).strip()
        with Client(stack.url, token) as client:
            history = client.request("GET", "/api/conversations/first/messages")["items"]
            again = client.conversations.send_message("first", "Where is A-2?", agent_id="support")
        texts = [part["text"] for one in history for part in one["content"] if "text" in part]
        assert texts == ["Where is A-2?", "The order A-2 is sent."]
        assert again.content == "The order A-2 is sent."
        version_there = httpx.get(f"{stack.url}/api/health", headers={"authorization": f"Bearer {token}"})
        assert version_there.json()["version"] == NEXT


@contextmanager
def refund_on_page(browser: Browser, folder: Path, password: str) -> Iterator[Locator]:
    """A customer asks on a page of another origin, which waits for somebody of the shop: what it shows."""
    with served(folder) as origin:
        page = browser.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        page.goto(origin)
        shown = page.get_by_role("status")
        page.get_by_label("E-mail").fill(ANN)
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
        expect(shown).to_contain_text("password", ignore_case=True, timeout=TIMEOUT_MS)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("button", name="Ask").click()
        expect(shown).to_have_text("The order A-1 is sent.", timeout=TIMEOUT_MS)
        page.get_by_label("Question").fill("Refund 60 EUR of A-1")
        page.get_by_role("button", name="Ask").click()
        expect(shown).to_have_text("A colleague looks at it ...", timeout=TIMEOUT_MS)
        yield shown
        page.close()
