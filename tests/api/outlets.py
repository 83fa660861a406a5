"""Every operation of the API, by what it can tell of a run. `tests.api.test_one_view` holds it against the
routes of all apps, those that no document of ours describes included, and `tests.api.test_openapi` against
the OpenAPI document: an operation that is added has to be entered here, and one that may tell something of a
run is then asked by the scan.

An operation with many methods of its own (JSON-RPC) belongs under `ANSWERS`, with an answer of each method
that reads or streams a run."""

CONVERSATION = "/api/conversations/{conversation_id}"
EXECUTIONS = "/api/flows/{name}/executions"
A2A = "/a2a/{agent_id}"
PUSHES = f"{A2A}/tasks/{{task_id}}/pushNotificationConfigs"
ALERTS = "/api/command-center/alerts"
PIPELINE = "/api/streaming/pipelines/{pipeline_id}"
DEAD_LETTERS = f"{PIPELINE}/dead-letters"

READ = {
    "GET /api/health",
    "GET /api/openapi.json",
    "GET /api/conversations",
    f"GET {CONVERSATION}",
    f"GET {CONVERSATION}/messages",
    f"GET {CONVERSATION}/inject",
    f"GET {CONVERSATION}/shares",
    f"GET {CONVERSATION}/stream",
    "GET /api/chat/{chat_id}/stream",
    "GET /api/runs",
    "GET /api/runs/{run_id}",
    "GET /api/runs/{run_id}/events",
    "GET /api/runs/{run_id}/model-calls",
    "GET /api/runs/{run_id}/stream",
    "GET /api/memories",
    "GET /api/approvals",
    "GET /api/command-center/stream",
    "GET /api/command-center/snapshot",
    "GET /api/command-center/events",
    f"GET {ALERTS}",
    f"GET {ALERTS}/{{rule_id}}",
    f"GET {ALERTS}/{{rule_id}}/history",
    "GET /api/command-center/metrics",
    f"GET {EXECUTIONS}",
    f"GET {EXECUTIONS}/{{execution_id}}",
    "GET /api/a2a/tasks/{task_id}/stream",
    "GET /api/voice/tts/stream",
    "GET /api/voice/conversations/{run_id}/stream",
    "GET /api/voice/voices",
}
"""Asked by the scan by itself, with every detail and as a stream where they have them."""

ANSWERS = {
    f"POST {CONVERSATION}/messages",
    f"POST {CONVERSATION}/regenerate",
    f"POST {CONVERSATION}/stop",
    f"POST {CONVERSATION}/inject",
    "POST /api/chat",
    "POST /api/chat/{chat_id}/stop",
    "POST /api/runs/{run_id}/answers",
    "POST /api/flows/{name}/events",
    f"POST {EXECUTIONS}/{{execution_id}}/cancel",
    "POST /agui",
    "GET /agui",
    "POST /agui/{agent_id}",
    "GET /agui/{agent_id}",
    "POST /v1/chat/completions",
    "POST /v1/responses",
    "GET /v1/responses/{response_id}",
    "POST /v1/responses/{response_id}/cancel",
    "GET /v1/responses/{response_id}/input_items",
    "DELETE /v1/responses/{response_id}",
    f"POST {A2A}",
    f"POST {A2A}/",
    f"POST {A2A}/message:send",
    f"POST {A2A}/message:stream",
    f"GET {A2A}/tasks",
    f"GET {A2A}/tasks/{{task_id}}",
    f"GET {A2A}/tasks/{{task_id}}:subscribe",
    f"POST {A2A}/tasks/{{task_id}}:subscribe",
    f"POST {A2A}/tasks/{{task_id}}:cancel",
    f"POST {PUSHES}",
    f"GET {PUSHES}",
    f"GET {PUSHES}/{{push_id}}",
    f"DELETE {PUSHES}/{{push_id}}",
    "POST /mcp",
    "GET /mcp",
    "DELETE /mcp",
}
"""Their answers may tell of a run, and want a request of their own: `test_one_view.answers` asks them."""

DEFINITIONS = {
    "GET /api/agents",
    "GET /api/agent-parts",
    "POST /api/agents",
    "GET /api/agents/{agent_id}",
    "PUT /api/agents/{agent_id}",
    "PATCH /api/agents/{agent_id}",
    "DELETE /api/agents/{agent_id}",
    "GET /api/agents/{agent_id}/tools",
    "GET /api/limits",
    "PATCH /api/limits",
    "GET /api/limits/stops",
    "POST /api/limits/stops",
    "DELETE /api/limits/stops",
    "GET /api/usage",
    "GET /api/keys",
    "POST /api/keys",
    "GET /api/keys/{key_id}",
    "POST /api/keys/{key_id}/rotate",
    "DELETE /api/keys/{key_id}",
    "GET /v1/models",
    "GET /v1/models/{model}",
    "GET /api/flows",
    "POST /api/flows",
    "GET /api/flows/{name}",
    "PUT /api/flows/{name}",
    "DELETE /api/flows/{name}",
    f"POST {ALERTS}",
    f"PUT {ALERTS}/{{rule_id}}",
    f"PATCH {ALERTS}/{{rule_id}}",
    f"DELETE {ALERTS}/{{rule_id}}",
    f"GET {A2A}/extendedAgentCard",
    f"GET {A2A}/.well-known/agent-card.json",
    "GET /.well-known/agent-card.json",
    "GET /.well-known/oauth-protected-resource",
    "GET /.well-known/oauth-protected-resource/mcp",
}
"""What people have written of agents, flows and alerts, or of the deployment, and of no run."""

PIPELINES = {
    "GET /api/streaming/schema",
    "POST /api/streaming/pipelines",
    "GET /api/streaming/pipelines",
    f"GET {PIPELINE}",
    f"PUT {PIPELINE}",
    f"PATCH {PIPELINE}",
    f"DELETE {PIPELINE}",
    f"GET {PIPELINE}/versions",
    f"GET {PIPELINE}/versions/{{version}}",
    f"GET {PIPELINE}/versions/{{version}}/diff",
    f"POST {PIPELINE}/versions/{{version}}/restore",
    f"GET {PIPELINE}/events",
    f"GET {PIPELINE}/metrics/series",
    f"GET {DEAD_LETTERS}/groups",
    "POST /api/streaming/dry-run",
    "GET /api/streaming/templates",
    "GET /api/streaming/templates/{template_id}",
    "POST /api/streaming/templates/{template_id}/pipelines",
    f"POST {PIPELINE}/start",
    f"POST {PIPELINE}/pause",
    f"POST {PIPELINE}/resume",
    f"POST {PIPELINE}/stop",
    f"POST {PIPELINE}/process",
    f"POST {PIPELINE}/batch",
    f"GET {PIPELINE}/metrics",
    f"GET {PIPELINE}/health",
    "GET /api/streaming/stats",
    f"GET {PIPELINE}/destinations",
    f"POST {PIPELINE}/destinations/{{number}}/enable",
    f"POST {PIPELINE}/destinations/{{number}}/disable",
    f"POST {PIPELINE}/destinations/{{number}}/test",
    f"POST {PIPELINE}/checkpoints",
    f"GET {PIPELINE}/checkpoints",
    f"POST {PIPELINE}/checkpoints/{{checkpoint_id}}/restore",
    f"POST {PIPELINE}/replay",
    f"POST {PIPELINE}/dry-run",
    f"GET {DEAD_LETTERS}",
    f"GET {DEAD_LETTERS}/count",
    f"POST {DEAD_LETTERS}/delete",
    f"POST {DEAD_LETTERS}/redrive",
    f"GET {DEAD_LETTERS}/redrives",
    f"GET {DEAD_LETTERS}/redrives/{{redrive_id}}",
    f"POST {DEAD_LETTERS}/redrives/{{redrive_id}}/cancel",
    f"GET {DEAD_LETTERS}/{{dead_letter_id}}",
    f"DELETE {DEAD_LETTERS}/{{dead_letter_id}}",
    "GET /api/streaming/secrets",
    "PUT /api/streaming/secrets/{name}",
    "DELETE /api/streaming/secrets/{name}",
    "POST /hooks/{pipeline_id}",
}
"""They know of runs only what the bus tells, all of which is scanned."""

CHANGES = {
    "POST /api/conversations",
    f"PATCH {CONVERSATION}",
    f"DELETE {CONVERSATION}",
    f"POST {CONVERSATION}/restore",
    f"PUT {CONVERSATION}/branch",
    f"DELETE {CONVERSATION}/inject/{{message_id}}",
    f"POST {CONVERSATION}/shares",
    f"DELETE {CONVERSATION}/shares",
    "DELETE /api/memories",
    "DELETE /api/memories/{agent_id}/{memory_id}",
    "POST /api/files",
    "GET /api/files",
    "GET /api/files/{file_id}",
    "DELETE /api/files/{file_id}",
    "POST /api/stream-tickets",
    "POST /api/voice/streams/{stream_id}/stop",
}
"""They answer with what the caller has given, and with ids."""

SPEECH = {
    "POST /api/voice/tts/stream",
    "POST /api/voice/conversations/{run_id}/stream",
    "POST /v1/audio/speech",
}
"""They speak the caller's own text, or what the scan of speech has heard."""

LISTS = (READ, ANSWERS, DEFINITIONS, PIPELINES, CHANGES, SPEECH)
