"""The texts of the OpenAPI document that do not come from an operation."""

from typing import Any

ABOUT = """\
Real-time streaming for AI agents, in your own AWS account.

Send a bearer token of your OIDC issuer, or an API key, with each request. Streams are Server-Sent Events:
each `data` is one JSON event of the schema that is named for `text/event-stream`, and each `id` says where
to continue after a lost connection (`Last-Event-ID`). Errors are JSON,
`{"error": {"code", "message", "requestId"}}`; `code` is stable, `message` is for people. Clients must
ignore fields and event types that they do not know.
"""
TAGS = (
    ("/api/conversations", "conversations", "Conversations, messages, live messages and shares"),
    ("/api/chat", "AI SDK", "Conversations as chats of the AI SDK"),
    ("/api/runs", "runs", "Runs and their events"),
    ("/api/approvals", "approvals", "Calls that wait for a person"),
    ("/api/memories", "memories", "What agents remember about users"),
    ("/api/files", "files", "Images and files of messages"),
    ("/api/limits", "limits", "Limits, and stops of agents"),
    ("/api/usage", "limits", ""),
    ("/api/revocations", "revocations", "Revocation of tokens"),
    ("/api/erasures", "erasures", "Deleting all data of a user or the organization"),
    ("/api/exports", "exports", "Downloading all data of a user or the organization"),
    ("/api/retention", "retention", "How long conversations are kept"),
    ("/api/audit", "audit", "Who did what"),
    ("/api/keys", "API keys", "API keys of servers"),
    ("/api/agents", "agents", "Agents and their tools"),
    ("/api/a2a", "a2a", "Tasks of agents, for clients of A2A"),
    ("/api/flows", "flows", "Flows and their executions"),
    (
        "/api/streaming/pipelines/{pipeline_id}/dead-letters",
        "dead letters",
        "Events that failed, and sending them again",
    ),
    ("/api/streaming/secrets", "secrets", "Secrets that pipelines use"),
    ("/api/streaming/templates", "templates", "Pipeline definitions for common cases"),
    ("/api/streaming", "pipelines", "Pipelines, their states, and the events that are pushed into them"),
    ("/hooks", "webhooks", "Webhooks of other services"),
    ("/api/command-center/alerts", "alerts", "Alert rules"),
    ("/api/command-center", "command center", "What happens in the organization's runs"),
    ("/api/voice", "voice", "Speech"),
    ("/v1/audio", "voice", ""),
    ("/v1/models", "openai", "The API of OpenAI's clients"),
    ("/v1/chat", "openai", ""),
    ("/v1/responses", "openai", ""),
    ("/agui", "ag-ui", "The protocol AG-UI 1.0"),
    ("/api/stream-tickets", "tickets", "Tickets for clients that cannot send a token"),
    ("/api", "about", "The API itself"),
)
"""The first matching prefix determines the tag of an operation."""
PATH_PARAMETERS = {
    "chat_id": "The chat's id, which is its conversation's, or the id of a stream (`x-workflow-run-id`)",
    "agent_id": "The agent's id",
    "task_id": "The task's id, which is that of its run",
    "checkpoint_id": "The checkpoint's id",
    "conversation_id": "The conversation's id: 1 to 128 of `A-Z a-z 0-9 _ . : ~ -`",
    "execution_id": "The execution's id",
    "dead_letter_id": "The dead letter's id",
    "file_id": "The id of the file",
    "model": "`agent:` and the agent's id",
    "response_id": "The response's id",
    "export_id": "The export's id",
    "key_id": "The API key's id",
    "memory_id": "The memory's id",
    "message_id": "The live message's id",
    "name": "The name of the flow, or of the secret",
    "number": "The destination's number, from 0, in the order of the definition",
    "pipeline_id": "The pipeline's id",
    "redrive_id": "The redrive's id",
    "rule_id": "The alert rule's id",
    "run_id": "The run's id",
    "template_id": "The template's id",
    "version": "The version, from 1",
    "stream_id": "The id of a speech, from `X-Stream-Id`",
}
PARAMETERS = {
    "code": "Only dead letters with this code",
    "cursor": "`nextCursor` of the previous page; by default the first page",
    "from": "Only events that were accepted at or after this time (ISO 8601)",
    "limit": "The maximum number of items in the page",
    "place": "Only dead letters of this place: `step:<n>` or `destination:<n>`",
    "to": "Only events that were accepted before this time (ISO 8601)",
}
"""Parameters that FastAPI reads from signatures, for operations that do not describe them."""
WHOLE_NUMBERS = frozenset({"number", "version"})
HEADERS = {
    "location": "The path of what was created",
    "retry-after": "The seconds to wait before the request is sent again",
    "x-request-id": "The id under which the request is logged",
    "x-run-id": "The id of the run",
    "x-workflow-run-id": "The id under which this stream can be resumed",
    "x-workflow-stream-tail-index": "The number of the last chunk; only with `startIndex`",
    "x-stream-id": "The id of the speech, with which it can be stopped",
    "x-sample-rate": "The samples per second; only with `pcm`",
}
SECURITY_SCHEMES: dict[str, Any] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A token of the deployment's OIDC issuer, or an API key (`mk_...`). The listed roles "
        "are the scopes that are needed.",
    },
    "ticket": {
        "type": "apiKey",
        "in": "query",
        "name": "ticket",
        "description": "A ticket of `POST /api/stream-tickets`, for clients that cannot send a token.",
    },
}
STATUSES = {
    200: "Success",
    201: "Created",
    202: "Accepted",
    204: "Nothing to return",
    206: "The requested part of the audio",
    401: "The caller is not authenticated",
    403: "The caller may not do this",
    404: "Not found in the caller's organization",
    409: "Not possible in the current state",
    410: "Deleted meanwhile",
    413: "Too large",
    415: "Media type not supported",
    422: "The request is not valid",
    429: "Too many requests; wait and send again",
    500: "An error on our side",
    501: "The deployment lacks an optional part",
    502: "A server that the deployment depends on failed",
    503: "Temporarily unavailable; send again",
    504: "Out of time",
}
