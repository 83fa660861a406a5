"""Log lines name their request and run, through the real app."""

from typing import Any

import httpx

from millrace.api.conversation_app import create_app
from millrace.services.runs.platform import Platform
from millrace.telemetry import logs
from tests.api.talk import say
from tests.invoking import CONTEXT
from tests.log_lines import captured_logs
from tests.serving import served
from tests.tokens import Issuer


class AsOnLambda:
    """Gives each request the context that the streaming runtime gives it."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        await self._app(scope | {"aws.context": CONTEXT}, receive, send)


def test_lines_name_their_request_organization_conversation_and_run(
    platform: Platform, issuer: Issuer, organization: str
) -> None:
    with captured_logs(POWERTOOLS_LOGGER_SAMPLE_RATE="1") as lines:
        app = AsOnLambda(logs.requests(create_app(platform.settings, platform)))
        with served(app) as url:
            with httpx.Client(base_url=url, headers=issuer.headers(organization), timeout=30) as client:
                sent = say(client, "hello", "c-9")
    run_id = sent[-1].run_id
    reported = {line["message"].partition(":")[0]: line for line in lines()}
    request = reported["POST /api/conversations/c-9/messages"]
    run = reported[f"run {run_id} is over"]
    for line in (request, run):
        assert line["function_request_id"] == CONTEXT.aws_request_id
        assert (line["organization"], line["conversation_id"]) == (organization, "c-9")
    assert (run["run_id"], "run_id" in request) == (run_id, False)
    assert "hello" not in str(lines())
