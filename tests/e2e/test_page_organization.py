"""Settings on the running stack: sign-outs, retention, exports and erasures."""

import csv
import io
import json
import re
import zipfile
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browsing import signed_in, tab_to
from tests.stack import RunningStack
from tests.web.conftest import browser, chromium

__all__ = ["browser", "chromium"]

TICK = Path(__file__).parents[2] / "events" / "record" / "tick.json"


@pytest.fixture
def api(stack: RunningStack, organization: str) -> httpx.Client:
    return httpx.Client(base_url=stack.url, headers=stack.headers(organization), timeout=90)


def talk(api: httpx.Client, conversation: str) -> None:
    body = {"agentId": "echo", "content": "hello"}
    api.post(f"/api/conversations/{conversation}/messages", json=body).raise_for_status()


def test_audit_log_is_filtered_and_saved_as_files(
    stack: RunningStack, browser: Browser, organization: str, api: httpx.Client, tmp_path: Path
) -> None:
    for name in ("One", "Two"):
        api.post("/api/keys", json={"name": name, "scopes": ["chat"]}).raise_for_status()
    api.patch("/api/limits", json={"organization": {"tokensPerDay": 1000}}).raise_for_status()
    with signed_in(browser, stack, organization, path="/settings#audit") as page:
        rows = page.get_by_role("row")
        expect(rows.filter(has_text="PATCH /api/limits")).to_have_count(1)
        operation = page.get_by_label("Operation")
        operation.fill("POST /api/keys")
        operation.press("Enter")
        expect(rows.filter(has_text="PATCH /api/limits")).to_have_count(0)
        expect(rows.filter(has_text="POST /api/keys")).to_have_count(2)
        [_, *entries] = csv.reader(saved(page, "CSV, for spreadsheets", tmp_path).splitlines())
        assert [row[3] for row in entries] == ["POST /api/keys"] * 2
        lines = saved(page, "JSON Lines", tmp_path).splitlines()
        listed = api.get("/api/audit", params={"action": "POST /api/keys"}).json()["items"]
        assert [json.loads(line) for line in lines] == listed
        page.get_by_label("Kind").select_option("refusal")
        expect(page.get_by_text("No entries")).to_be_visible()


def saved(page: Page, name: str, folder: Path) -> str:
    """The text of the file that an item of the export menu makes."""
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name=name).click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path.read_text()


def test_retention_is_set_by_keyboard_after_its_consequence_was_said(
    stack: RunningStack, browser: Browser, organization: str, api: httpx.Client
) -> None:
    with signed_in(browser, stack, organization, path="/settings#data") as page:
        days = page.get_by_label("Days")
        days.focus()
        page.keyboard.type("30")
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="Keep conversations for 30 days?")
        expect(dialog).to_contain_text("cannot be undone")
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        assert api.get("/api/retention").json() == {"conversationDays": None}
        days.press("Enter")
        dialog.get_by_role("button", name="Keep and delete").press("Enter")
        expect(page.get_by_text("Conversations are kept for 30 days.")).to_be_visible()
        assert api.get("/api/retention").json() == {"conversationDays": 30}
        days.fill("")
        days.press("Enter")
        expect(page.get_by_text("Conversations are kept forever.")).to_be_visible()
        assert api.get("/api/retention").json() == {"conversationDays": None}


def test_user_and_admin_are_signed_out_everywhere(
    stack: RunningStack, browser: Browser, organization: str, api: httpx.Client
) -> None:
    with signed_in(browser, stack, organization, path="/settings#access") as page:
        expect(page.get_by_text("Nobody has been signed out.")).to_be_visible()
        page.get_by_role("button", name="Sign out others…").click()
        dialog = page.get_by_role("dialog", name="Sign out others")
        expect(dialog.get_by_role("button", name="Sign out the user")).to_be_disabled()
        dialog.get_by_label("User").fill("somebody-else")
        dialog.get_by_role("button", name="Sign out the user").click()
        expect(page.get_by_role("row").filter(has_text="somebody-else")).to_be_visible()
        page.get_by_role("button", name="Sign me out everywhere").click()
        page.get_by_role("dialog").get_by_role("button", name="Sign out everywhere").click()
        expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    other = stack.headers(organization, f"other@{organization}.example")
    listed = httpx.get(f"{stack.url}/api/revocations", headers=other).json()["items"]
    me = httpx.get(f"{stack.url}/api/audit", headers=other).json()["items"][-1]["userId"]
    assert [one["userId"] for one in listed] == [me, "somebody-else"]


def test_user_is_erased_after_the_id_was_typed_twice(
    stack: RunningStack, browser: Browser, organization: str, api: httpx.Client
) -> None:
    customer = httpx.Client(
        base_url=stack.url,
        headers=stack.headers(organization, f"customer@{organization}.example"),
        timeout=90,
    )
    talk(customer, "private")
    user = api.get("/api/runs", params={"conversationId": "private"}).json()["items"][0]["createdBy"]
    with signed_in(browser, stack, organization, path="/settings#data") as page:
        page.get_by_role("button", name="Erase a user…").click()
        dialog = page.get_by_role("dialog", name="Erase a user")
        erase = dialog.get_by_role("button", name="Erase the user")
        dialog.get_by_label("User").fill(user)
        dialog.get_by_label("Type the id again, to confirm").fill(user[:-1])
        expect(erase).to_be_disabled()
        dialog.get_by_label("Type the id again, to confirm").fill(user)
        erase.click()
        row = page.get_by_role("row").filter(has_text=user)
        expect(row).to_contain_text(re.compile("running|done"))
        sweep_until_done(stack, api, "erasures")
        expect(row).to_contain_text("done")
    assert api.get("/api/conversations/private").status_code == 404


def sweep_until_done(stack: RunningStack, api: httpx.Client, what: str) -> None:
    """Call what EventBridge calls each minute, until all of a list is done: another sweep may be at it."""
    name = stack.deployment["functions"]["RecordFunction"]["name"]
    for _ in range(100):
        answer = stack.client("lambda").invoke(FunctionName=name, Payload=TICK.read_bytes())
        assert "FunctionError" not in answer, answer["Payload"].read()
        if {one["state"] for one in api.get(f"/api/{what}").json()["items"]} == {"done"}:
            return
    raise AssertionError(f"not all {what} are done")


def test_export_is_made_downloaded_and_deleted(
    stack: RunningStack, browser: Browser, organization: str, api: httpx.Client
) -> None:
    talk(api, "exported")
    user = api.get("/api/runs", params={"conversationId": "exported"}).json()["items"][0]["createdBy"]
    with signed_in(browser, stack, organization, path="/settings#data") as page:
        page.get_by_role("button", name="Export…").click()
        dialog = page.get_by_role("dialog", name="Export")
        dialog.get_by_label("User").fill(user)
        dialog.get_by_role("button", name="Export").click()
        row = page.get_by_role("row").filter(has_text=user)
        expect(row).to_be_visible()
        sweep_until_done(stack, api, "exports")
        expect(row).to_contain_text("done")
        actions = row.get_by_role("button", name=f"Actions for the export of {user}")
        actions.click()
        page.get_by_role("menuitem", name="Download…").click()
        archive = page.get_by_role("dialog").get_by_role("link", name=re.compile(r"\.zip$")).first
        content = httpx.get(archive.get_attribute("href") or "").content
        with zipfile.ZipFile(io.BytesIO(content)) as unpacked:
            assert any(b"hello" in unpacked.read(name) for name in unpacked.namelist())
        page.keyboard.press("Escape")
        actions.click()
        page.get_by_role("menuitem", name="Delete").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(page.get_by_text("No exports yet.")).to_be_visible()


def test_export_erasure_and_sign_out_need_no_pointer(
    stack: RunningStack, browser: Browser, organization: str
) -> None:
    with signed_in(browser, stack, organization, path="/settings#data") as page:
        rows = page.get_by_role("row")
        expect(page.get_by_text("No exports yet.")).to_be_visible()
        press(page, "Export…")
        tab_to(page, "User")
        page.keyboard.type("somebody")
        page.keyboard.press("Enter")
        expect(rows.filter(has_text="somebody")).to_be_visible()
        press(page, "Actions for the export of somebody")
        expect(page.get_by_role("menuitem", name=re.compile("Cancel|Delete"))).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.get_by_role("menu")).to_have_count(0)
        press(page, "Erase a user…")
        expect(page.get_by_label("User", exact=True)).to_be_focused()
        page.keyboard.type("nobody")
        tab_to(page, "Type the id again, to confirm")
        page.keyboard.type("nobody")
        page.keyboard.press("Enter")
        expect(rows.filter(has_text="nobody")).to_be_visible()
        tab_to(page, "Data")
        for tab in ("Audit log", "Sign-outs"):
            page.keyboard.press("ArrowLeft")
            expect(page.get_by_role("tab", name=tab)).to_be_focused()
        expect(page.get_by_role("button", name="Sign out others…")).to_be_visible()
        press(page, "Sign out others…")
        tab_to(page, "User")
        page.keyboard.type("somebody")
        page.keyboard.press("Enter")
        expect(rows.filter(has_text="somebody")).to_be_visible()
        press(page, "Sign me out everywhere")
        press(page, "Sign out everywhere")
        expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()


def press(page: Page, name: str) -> None:
    """Go to a button by Tab, and press it."""
    tab_to(page, name)
    page.keyboard.press("Enter")


def test_organization_is_erased_only_by_its_name(
    stack: RunningStack, browser: Browser, organization: str, api: httpx.Client
) -> None:
    talk(api, "kept")
    with signed_in(browser, stack, organization, path="/settings#data") as page:
        page.get_by_role("button", name="Erase the organization…").click()
        dialog = page.get_by_role("dialog", name="Erase the organization")
        name = dialog.get_by_label("Organization, to confirm")
        name.fill("another")
        dialog.get_by_role("button", name="Erase everything").click()
        expect(dialog.get_by_role("alert")).to_be_visible()
        assert api.get("/api/erasures").json()["items"] == []
        name.fill(organization)
        dialog.get_by_role("button", name="Erase everything").click()
        expect(page.get_by_role("row").filter(has_text="The organization")).to_be_visible()


def test_customer_is_told_that_these_are_for_admins(
    stack: RunningStack, browser: Browser, organization: str
) -> None:
    parts = {
        "Sign-outs": "Sign-outs are",
        "Audit log": "The audit log is",
        "Data": "Retention and erasure are",
    }
    with signed_in(browser, stack, organization, "customer", path="/settings") as page:
        for tab, said in parts.items():
            page.get_by_role("tab", name=tab).click()
            expect(page.get_by_text(f"{said} for admins.")).to_be_visible()
        expect(page.get_by_role("button", name="Erase")).to_have_count(0)
        page.get_by_role("link", name="Pipelines").click()
        expect(page.get_by_text("Your role cannot see this.")).to_be_visible()
        expect(page.get_by_role("button", name="Try again")).to_have_count(0)
