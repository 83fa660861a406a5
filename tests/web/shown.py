"""Content for the pictures, created on a running stack: agents, a waiting flow, alert rules, runs."""

from __future__ import annotations

import itertools
import threading
import uuid
from typing import Any

import httpx

Json = dict[str, Any]

AGENTS: dict[str, Json] = {
    "support": {
        "name": "Support desk",
        "model": "demo:",
        "tools": ["calculator", "current_time"],
        "description": "Answers customers, and hands refunds to the clerk.",
        "starters": ["What is 12 * 34, and what time is it in Tokyo?"],
    },
    "planner": {
        "name": "Research planner",
        "model": "demo:",
        "tools": ["calculator", "current_time"],
        "description": "Plans which sources to read, and sums up what they say.",
    },
    "refunds": {
        "name": "Refund clerk",
        "model": "echo:",
        "description": "Pays money back, after somebody has approved it.",
        "instructions": "Check the order first. Never pay back more than was paid, and say why you refuse.",
        "starters": ["Pay back order 4711, please."],
        "tools": [{"name": "echo_tool", "policy": "ask"}],
    },
}
FLOW: Json = {
    "description": "Draft an offer, let a person set the terms, send it.",
    "steps": [
        {"name": "draft", "type": "agent", "agentId": "echo", "message": "input.order"},
        {"name": "total", "type": "tool", "tool": "calculator", "arguments": {"expression": "input.sum"}},
        {
            "name": "terms",
            "type": "wait_for_input",
            "prompt": "On which terms may the offer go out?",
            "schema": {
                "type": "object",
                "properties": {"days": {"type": "integer"}, "express": {"type": "boolean"}},
                "required": ["days"],
            },
        },
        {"name": "offer", "type": "end", "result": 'concat(steps.draft, ": ", steps.total)'},
    ],
}
RULES: dict[str, Json] = {
    "shown-tokens": {"name": "Tokens of the last five minutes", "metric": "tokens", "threshold": 20_000},
    "shown-slow": {"name": "Slow answers", "metric": "latency_p95", "threshold": 8000},
}
QUESTIONS = [
    ("support", "What is 12 * 34, and what time is it in Tokyo?"),
    ("planner", "Compare 17% of 2,480 with 23% of 1,910."),
    ("echo", "/echo tools=2 toolMs=400 think=3 delayMs=20\nThe wheel turns while water runs."),
    ("support", "How much is 249 * 3, and how late is it in Lisbon?"),
    ("planner", "What is (1200 - 75) / 9?"),
]


def prepare(api: httpx.Client) -> tuple[str, str]:
    """Make all of it; return the ids of the richest run and of a conversation."""
    for agent_id, agent in AGENTS.items():
        api.put(f"/api/agents/{agent_id}", json=agent).raise_for_status()
    for rule_id, rule in RULES.items():
        api.put(f"/api/command-center/alerts/{rule_id}", json=rule).raise_for_status()
    api.put("/api/flows/offer", json=FLOW).raise_for_status()
    order = {"input": {"order": "Forty oak planks for the north weir", "sum": "40 * 18.5"}}
    api.post("/api/flows/offer/events", json=order).raise_for_status()
    name = uuid.uuid4().hex
    for number, (speaker, question) in enumerate(QUESTIONS):
        ask(api, f"{name}-{number}", speaker, question)
    run = api.get("/api/runs", params={"conversationId": f"{name}-2"}).json()["items"][0]
    return run["id"], f"{name}-0"


def keep_asking(api: httpx.Client, over: threading.Event, name: str) -> None:
    """Runs for the live page, until it is over, in conversations of this name."""
    for number in itertools.count():
        if over.is_set():
            return
        ask(api, f"live-{name}-{number % 5}", *QUESTIONS[number % len(QUESTIONS)])


def ask(api: httpx.Client, conversation: str, agent: str, question: str) -> None:
    """Ask and wait for the answer."""
    body = {"agentId": agent, "content": question}
    api.post(f"/api/conversations/{conversation}/messages", json=body).raise_for_status()
