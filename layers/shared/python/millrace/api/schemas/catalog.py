"""Every model that an operation may name, and examples for those that people write or read first."""

from collections.abc import Iterator
from types import ModuleType
from typing import Any

from pydantic import BaseModel

from millrace.api.schemas import (
    a2a,
    about,
    agents,
    api_keys,
    audit,
    chat,
    command_center,
    conversations,
    definitions,
    erasures,
    exports,
    files,
    flows,
    limits,
    operations,
    pipelines,
    protocols,
    revocations,
    runs,
    voice,
)

_MODULES = (
    a2a,
    about,
    agents,
    api_keys,
    audit,
    chat,
    command_center,
    conversations,
    definitions,
    erasures,
    exports,
    files,
    flows,
    limits,
    operations,
    pipelines,
    protocols,
    revocations,
    runs,
    voice,
)


def _models(module: ModuleType) -> Iterator[tuple[str, type[BaseModel]]]:
    for name, found in vars(module).items():
        if isinstance(found, type) and issubclass(found, BaseModel) and not name.startswith("_"):
            yield name, found


MODELS: dict[str, type[BaseModel]] = {name: found for module in _MODULES for name, found in _models(module)}

EXAMPLES: dict[str, Any] = {
    "AgentAnswer": {
        "runId": "run_01JDK6W4Q2V7",
        "conversationId": "order-4711",
        "messageId": "msg_01JDK6W4Q2V8",
        "role": "assistant",
        "content": "Your order left the warehouse this morning.",
        "toolCalls": [{"id": "call_1", "name": "order_status", "ok": True, "summary": "shipped"}],
        "usage": {"input": 412, "output": 38, "total": 450},
        "cost": 0.0018,
        "finishReason": "stop",
        "durationMs": 1840,
    },
    "AlertSettings": {"name": "Many errors", "metric": "error_rate", "op": "gt", "threshold": 0.05},
    "Error": {
        "error": {
            "code": "run_active",
            "message": "The agent is still answering.",
            "requestId": "8d0a2c8e-5a55-4d0c-9c39-6f1f4e3a1b0c",
            "runId": "run_01JDK6W4Q2V7",
        }
    },
    "FlowEvent": {"input": {"orderId": "4711"}},
    "InjectMessage": {"content": "Please answer in French."},
    "NewAgent": {
        "id": "support",
        "name": "Support",
        "model": "anthropic:claude-sonnet-4-5",
        "instructions": "You answer questions about orders.",
        "tools": ["calculator"],
    },
    "ChatRequest": {
        "id": "order-4711",
        "messages": [{"id": "m1", "role": "user", "parts": [{"type": "text", "text": "Where is my order?"}]}],
        "trigger": "submit-message",
    },
    "LimitChanges": {"organization": {"costPerDay": 50}, "user": {"tokensPerDay": 200000}},
    "NewStop": {"agentId": "support", "reason": "It promises refunds."},
    "NewApiKey": {"name": "Backend", "scopes": ["chat"], "days": 90},
    "NewConversation": {"id": "order-4711", "agentId": "support", "title": "Order 4711"},
    "NewFlow": {
        "name": "triage",
        "steps": [{"name": "classify", "type": "agent", "agentId": "support", "message": "input.text"}],
    },
    "NewSecret": {"value": "https://hooks.slack.com/services/T0/B0/xyz", "hosts": ["hooks.slack.com"]},
    "NewShare": {"userId": "auth0|5f7c8ec7c33c6c004bbafe82", "access": "read"},
    "NewTicket": {"path": "/api/conversations/order-4711/stream"},
    "OpenAiSpeech": {"model": "tts-1", "input": "Good morning.", "voice": "alloy", "response_format": "mp3"},
    "PipelineDefinition": {
        "name": "Failed runs to Slack",
        "source": {"type": "agent_execution", "statuses": ["failed"]},
        "destination": {
            "type": "notification",
            "config": {
                "channel": "slack",
                "webhook": "${secrets.SLACK_WEBHOOK}",
                "template": "{{agentName}} failed: {{error.message}}",
            },
        },
    },
    "PipelineItem": {"payload": {"orderId": "4711", "total": 99.5}, "id": "order-4711", "type": "order"},
    "PipelineItems": [{"orderId": "4711", "total": 99.5}, {"orderId": "4712", "total": 12}],
    "ReplayRequest": {"from": "2026-11-26T08:00:00Z", "to": "2026-11-26T09:00:00Z"},
    "RunEvent": {"type": "token", "token": "Your order "},
    "UiMessageChunk": {"type": "text-delta", "id": "t4", "delta": "Your order "},
    "SendMessage": {"content": "Where is my order?", "agentId": "support"},
    "Speak": {"text": "Good morning.", "voice": "alloy", "format": "mp3"},
}
"""They are valid: a test holds them against their schemas."""
