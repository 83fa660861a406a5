"""The available pipeline templates: definitions for common cases."""

from typing import Any

from millrace.errors import NotFound
from millrace.services.pipelines.registry.template import Parameter, Template

Json = dict[str, Any]


def _step(kind: str, **config: Any) -> Json:
    return {"type": kind, "config": config}


def _keep(status: str) -> Json:
    return _step("filter", field="status", operator="eq", value=status)


def _slack(text: str) -> Json:
    config = {"channel": "slack", "webhook": "${secrets.$(webhookSecret)}", "template": text}
    return {"type": "notification", "config": config}


def _analytics(provider: str, credential: str, secret: str) -> Json:
    config = {"provider": provider, credential: f"${{secrets.$({secret})}}"}
    return {"type": "analytics", "config": config}


_COMPLETION = _step(
    "map",
    expression={
        "event_type": '"agent_completion"',
        "agent_id": "agentId",
        "tokens": "tokenUsage.total",
        "cost": "cost",
        "durationMs": "durationMs",
        "timestamp": "completedAt",
    },
)
_SLACK_SECRET = Parameter(
    "webhookSecret", "the secret that holds Slack's incoming webhook URL", "secret", "SLACK_WEBHOOK"
)
_URL = Parameter("url", "the address to send to")
_SIGNING_SECRET = Parameter(
    "signingSecret", "the secret that requests are signed with (whsec_...)", "secret", "SIGNING_SECRET"
)
_DATABASE_SECRET = Parameter(
    "databaseSecret", "the secret that holds the database's URL", "secret", "DATABASE_URL"
)


def _runs_to(provider: str, title: str, credential: str, secret: str, default: str) -> Template:
    return Template(
        f"completed-runs-to-{provider}",
        f"Every completed run as an event in {title}: agent, tokens, cost, duration.",
        (Parameter(secret, f"the secret that holds the {credential}", "secret", default),),
        {
            "name": f"Completed runs to {title}",
            "source": {"type": "agent_execution"},
            "transforms": [_keep("completed"), _COMPLETION],
            "destination": _analytics(provider, credential, secret),
        },
    )


TEMPLATES = (
    _runs_to("mixpanel", "Mixpanel", "projectToken", "tokenSecret", "MIXPANEL_TOKEN"),
    _runs_to("amplitude", "Amplitude", "apiKey", "keySecret", "AMPLITUDE_KEY"),
    _runs_to("segment", "Segment", "writeKey", "keySecret", "SEGMENT_KEY"),
    Template(
        "failed-runs-to-slack",
        "A Slack message for every run that failed, also when its process died.",
        (_SLACK_SECRET,),
        {
            "name": "Failed runs to Slack",
            "source": {"type": "agent_execution", "statuses": ["failed"]},
            "destination": _slack("{{coalesce(agentName, agentId)}} failed: {{error.message}} ({{runId}})"),
        },
    ),
    Template(
        "alerts-to-slack",
        "A Slack message when an alert of the command center is triggered, and when it is resolved.",
        (_SLACK_SECRET,),
        {
            "name": "Alerts to Slack",
            "source": {"type": "alert"},
            "destination": _slack(
                "{{alert.name}} {{alert.state}}: {{alert.metric}} {{coalesce(alert.value, '')}}"
            ),
        },
    ),
    Template(
        "approvals-to-slack",
        "A Slack message for every call of an agent, or step of a flow, that waits for a person.",
        (_SLACK_SECRET,),
        {
            "name": "Approvals to Slack",
            "source": {"type": "approval", "states": ["requested"]},
            "destination": _slack(
                "{{coalesce(agentName, agentId)}} waits until {{expiresAt}}: "
                "{{coalesce(prompt, concat('approve ', name), 'an approval')}} "
                "(run {{runId}}, call {{callId}})"
            ),
        },
    ),
    Template(
        "runs-to-webhook",
        "Every ended run to your address, signed according to Standard Webhooks.",
        (_URL, _SIGNING_SECRET),
        {
            "name": "Runs to a webhook",
            "source": {"type": "agent_execution"},
            "destination": {
                "type": "webhook",
                "config": {"url": "$(url)", "signingSecret": "${secrets.$(signingSecret)}"},
            },
        },
    ),
    Template(
        "usage-per-agent-to-database",
        "Runs, tokens, cost and average duration per agent and interval, upserted into a table with the "
        "columns agent_id, window_start (the key), runs, tokens, cost, avg_duration_ms and revision.",
        (
            _DATABASE_SECRET,
            Parameter("table", "the table", default="agent_metrics"),
            Parameter("windowMs", "the length of an interval, in milliseconds", "number", 3_600_000),
        ),
        {
            "name": "Usage per agent to a database",
            "source": {"type": "agent_execution"},
            "transforms": [
                _step(
                    "window",
                    type="tumbling",
                    size="$(windowMs)",
                    groupBy=["agentId"],
                    aggregations=[
                        {"function": "count", "field": "*", "alias": "runs"},
                        {"function": "sum", "field": "tokens", "alias": "tokens"},
                        {"function": "sum", "field": "cost", "alias": "cost"},
                        {"function": "avg", "field": "durationMs", "alias": "duration"},
                    ],
                ),
                _step(
                    "map",
                    expression={
                        "agent_id": "group.agentId",
                        "window_start": "formatTime(windowStart)",
                        "runs": "values.runs",
                        "tokens": "values.tokens",
                        "cost": "values.cost",
                        "avg_duration_ms": "values.duration",
                        "revision": "revision",
                    },
                ),
            ],
            "destination": {
                "type": "database",
                "config": {
                    "table": "$(table)",
                    "operation": "upsert",
                    "conflictFields": ["agent_id", "window_start"],
                    "versionField": "revision",
                    "connection": "${secrets.$(databaseSecret)}",
                },
            },
        },
    ),
    Template(
        "github-webhook-to-slack",
        "Pull requests that are opened, from a signed GitHub webhook, as Slack messages.",
        (Parameter("githubSecret", "the secret that GitHub signs with", "secret", "GITHUB"), _SLACK_SECRET),
        {
            "name": "GitHub pull requests to Slack",
            "source": {"type": "webhook", "verify": "github", "secret": "${secrets.$(githubSecret)}"},
            "transforms": [
                _step("filter", field="action", operator="eq", value="opened"),
                _step("filter", field="pull_request", operator="exists", value=True),
            ],
            "destination": _slack("{{pull_request.title}} by {{sender.login}}: {{pull_request.html_url}}"),
        },
    ),
    Template(
        "audit-to-database",
        "Every changing call of the API as a row of a table with the columns id (the key), at, user_id, "
        "method, path and status.",
        (_DATABASE_SECRET, Parameter("table", "the table", default="audit")),
        {
            "name": "Audit to a database",
            "source": {"type": "api_event", "methods": ["POST", "PUT", "PATCH", "DELETE"]},
            "transforms": [
                _step(
                    "map",
                    expression={
                        "id": "$meta.id",
                        "at": "formatTime($meta.time)",
                        "user_id": "userId",
                        "method": "method",
                        "path": "path",
                        "status": "status",
                    },
                )
            ],
            "destination": {
                "type": "database",
                "config": {
                    "table": "$(table)",
                    "operation": "upsert",
                    "conflictFields": ["id"],
                    "connection": "${secrets.$(databaseSecret)}",
                },
            },
        },
    ),
    Template(
        "database-changes-to-webhook",
        "Changed rows of a table, with their old and new images, to your address.",
        (Parameter("table", "the table whose changes are captured"), _URL, _SIGNING_SECRET),
        {
            "name": "Database changes to a webhook",
            "source": {"type": "database_change", "table": "$(table)"},
            "destination": {
                "type": "webhook",
                "config": {"url": "$(url)", "signingSecret": "${secrets.$(signingSecret)}"},
            },
        },
    ),
    Template(
        "schedule-to-webhook",
        "A request to your address at each tick of a schedule.",
        (
            _URL,
            Parameter("expression", "rate(...) or cron(...) of EventBridge", default="rate(1 hour)"),
            Parameter("timezone", "of cron expressions", default="UTC"),
        ),
        {
            "name": "Schedule to a webhook",
            "source": {"type": "schedule", "expression": "$(expression)", "timezone": "$(timezone)"},
            "destination": {"type": "webhook", "config": {"url": "$(url)"}},
        },
    ),
)
"""All templates."""


def template(template_id: str) -> Template:
    """Return a template. Raises `NotFound` with the known ids."""
    for one in TEMPLATES:
        if one.id == template_id:
            return one
    known = ", ".join(one.id for one in TEMPLATES)
    raise NotFound(f"No template has the id {template_id!r}; there are {known}.", code="template_not_found")
