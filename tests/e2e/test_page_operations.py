"""The pages of pipelines, agents, flows and alerts on the running stack, in a real browser."""

import json
import re
import uuid
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.browsing import page
from tests.stack import RunningStack
from tests.web.conftest import browser, chromium

__all__ = ["browser", "chromium", "page"]


@pytest.fixture
def name() -> str:
    return f"test-{uuid.uuid4().hex[:8]}"


def write(editor: Locator, value: Any) -> None:
    """Put a JSON value in the place of what a code editor has."""
    editor.press("Control+a")
    editor.page.keyboard.insert_text(json.dumps(value, indent=1))


def definition(name: str, url: str, expression: str) -> dict[str, Any]:
    return {
        "name": name,
        "source": {"type": "webhook"},
        "transforms": [
            {"type": "filter", "config": {"field": "n", "operator": "exists", "value": True}},
            {"type": "map", "config": {"expression": {"n": expression}}},
        ],
        "destination": {"type": "webhook", "config": {"url": f"{url}/_local/events"}},
    }


def send(page: Page, payload: dict[str, Any]) -> None:
    page.get_by_role("button", name="Send a test event").click()
    dialog = page.get_by_role("dialog", name="Send a test event")
    write(dialog.get_by_role("textbox", name="Payload"), payload)
    dialog.get_by_role("button", name="Send").click()
    expect(dialog).to_have_count(0)


def test_pipeline_is_built_tried_started_fed_broken_and_redriven(
    stack: RunningStack, page: Page, name: str
) -> None:
    page.goto("/pipelines")
    page.get_by_role("link", name="New pipeline").first.click()
    write(page.get_by_role("textbox", name="Definition"), definition(name, stack.url, "-n"))
    write(page.get_by_role("textbox", name="Events"), [{"n": 4}, {"m": 1}])
    page.get_by_role("button", name="Dry run").click()
    traced = page.get_by_role("list", name="Events").get_by_role("listitem")
    expect(traced.filter(has_text="map: mapped")).to_have_count(1)
    expect(traced.filter(has_text="filter: dropped")).to_have_count(1)
    page.get_by_role("button", name="Create").click()

    page.get_by_role("button", name="Start").click()
    send(page, {"n": 4})
    chain = page.get_by_role("list", name="From the source to the destinations")
    expect(chain.get_by_text("1 in, 1 out")).to_have_count(2)
    expect(page.get_by_role("img", name=re.compile(r"Delivered: delivered .*at most 1"))).to_be_visible()
    send(page, {"n": "no number"})
    page.get_by_role("tab", name="Dead letters").click()
    groups = page.get_by_role("table", name="Dead letters by error")
    expect(groups.get_by_role("cell", name="step 2")).to_be_visible()
    groups.get_by_role("rowheader").get_by_role("button").click()
    shown = page.get_by_role("dialog")
    shown.get_by_role("listitem").locator("summary").click()
    expect(shown.get_by_text("no number")).to_be_visible()
    page.keyboard.press("Escape")

    page.get_by_role("tab", name="Definition").click()
    write(page.get_by_role("textbox", name="Definition"), definition(name, stack.url, "toString(n)"))
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved as version 2.")).to_be_visible()
    page.get_by_role("tab", name="Dead letters").click()
    groups.get_by_role("button", name="Redrive").click()
    expect(page.get_by_text("No dead letters.")).to_be_visible()
    expect(page.get_by_text("1 sent again")).to_be_visible()

    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    page.get_by_role("tab", name="Versions").click()
    page.get_by_role("button", name="Compare").click()
    comparison = page.get_by_role("dialog", name="Version 1 compared with the current one")
    expect(comparison.get_by_text("transforms.1.config.expression.n")).to_be_visible()
    comparison.get_by_role("button", name="Restore version 1").click()
    expect(page.get_by_role("rowheader", name="3 (current)")).to_be_visible()
    page.get_by_role("tab", name="Events").click()
    expect(
        page.get_by_role("table", name="Accepted events, the newest first").get_by_role("row")
    ).to_have_count(3)
    page.get_by_role("button", name="More").click()
    page.get_by_role("menuitem", name="Stop").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop").click()
    expect(page.get_by_text("stopped").first).to_be_visible()


def test_definition_that_is_refused_is_marked_where_it_is_wrong(page: Page, name: str) -> None:
    page.goto("/pipelines/+new")
    wrong = definition(name, "https://example.com", "-n")
    wrong["transforms"][1]["config"]["expression"] = {"n": "upper("}
    write(page.get_by_role("textbox", name="Definition"), wrong)
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("alert").get_by_text("transforms.1.config.expression.n")).to_be_visible()


def test_agent_with_a_tool_that_asks_is_made_and_tried(page: Page, name: str) -> None:
    page.goto("/agents")
    page.get_by_role("link", name="New agent").click()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Model").fill("demo:")
    tool = page.get_by_label("Tool to add")
    tool.fill("calculator")
    tool.press("Enter")
    page.get_by_label("When calculator asks").select_option("Always asks")
    page.get_by_role("button", name="Create").click()
    chat = page.get_by_role("region", name="Test chat")
    box = chat.get_by_role("textbox", name="Message")
    box.fill("What is 12 * 34?")
    with page.expect_request(re.compile(r"/api/conversations$")) as made:
        box.press("Enter")
    assert json.loads(made.value.post_data or "")["listed"] is False
    chat.get_by_role("button", name="Approve").click()
    expect(chat.get_by_text("12 * 34 = 408")).to_be_visible()
    page.reload()
    expect(page.get_by_label("When calculator asks")).to_have_value("ask")
    expect(box).not_to_be_focused()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="Agents")).to_be_visible()
    expect(page.get_by_role("link", name=name)).to_have_count(0)


def test_flow_is_made_run_and_answered(page: Page, name: str) -> None:
    steps = [
        {"name": "draft", "type": "agent", "agentId": "echo", "message": "input"},
        {
            "name": "terms",
            "type": "wait_for_input",
            "prompt": "Which terms?",
            "schema": {
                "type": "object",
                "properties": {"days": {"type": "integer"}, "express": {"type": "boolean"}},
                "required": ["days"],
            },
        },
        {"name": "result", "type": "end", "result": 'concat(steps.draft, " in ", steps.terms.days, " days")'},
    ]
    page.goto("/flows/+new")
    write(page.get_by_role("textbox", name="Definition"), {"name": name, "steps": steps})
    page.get_by_role("button", name="Create").click()
    run = page.get_by_role("button", name="Run", exact=True)
    write(page.get_by_role("textbox", name="Input"), "delivered")
    run.click()
    form = page.get_by_role("region", name="Input for terms")
    expect(form).to_be_visible()
    page.reload()
    page.get_by_role("table", name="Executions, the latest first").get_by_role("button").click()
    form.get_by_label("days").fill("3")
    form.get_by_label("express").check()
    form.get_by_role("button", name="Answer").click()
    expect(page.get_by_text("delivered in 3 days").last).to_be_visible()
    expect(page.locator(".step-box[data-state=completed]")).to_have_count(3)

    gone = {"error": {"code": "run_expired", "message": "The events of the run are no longer kept."}}
    page.route("**/api/runs/*/stream", lambda route: route.fulfill(status=404, json=gone))
    page.get_by_role("table", name="Executions, the latest first").get_by_role("button").click()
    expect(page.get_by_text("The events of the run are no longer kept.")).to_be_visible()
    expect(page.get_by_role("region", name="Results").get_by_text('"days": 3')).to_be_visible()


def test_alert_rule_is_made_drawn_and_triggered(stack: RunningStack, page: Page, name: str) -> None:
    page.goto("/alerts")
    page.get_by_role("button", name="New rule").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill(name)
    dialog.get_by_label("Metric").select_option("Tokens")
    dialog.get_by_label("Threshold").fill("1")
    expect(dialog.get_by_role("img", name=re.compile("Tokens: value"))).to_be_visible()
    dialog.get_by_role("button", name="Create").click()
    rule = page.get_by_role("listitem", name=name)
    expect(rule.get_by_text("triggers")).to_be_visible()
    path = f"{stack.url}/api/conversations/{name}/messages"
    message = {"agentId": "echo", "content": "some words to count"}
    assert httpx.post(path, json=message, headers=stack.headers(), timeout=60).status_code == 200
    expect(rule.get_by_text(re.compile("triggered .*(just now|ago)"))).to_be_visible()
    rule.get_by_role("button", name="Actions").click()
    page.get_by_role("menuitem", name="History").click()
    history = page.get_by_role("dialog").get_by_role("table")
    expect(history.get_by_text("ongoing")).to_be_visible()
    page.keyboard.press("Escape")
    rule.get_by_role("button", name="Actions").click()
    page.get_by_role("menuitem", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(rule).to_have_count(0)
