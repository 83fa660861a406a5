"""Responses with 5xx are counted from the log: each must leave one line with its status."""

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from millrace.api.errors import HANDLERS, STATUS
from millrace.errors import InvalidRequest, Unavailable
from tests.log_lines import captured_logs


@pytest.fixture
def client() -> TestClient:
    def raising(error: Exception) -> Route:
        async def fail(request: Request) -> Response:
            raise error

        return Route(f"/{type(error).__name__}", fail)

    errors = (Unavailable("dynamodb does not answer now."), RuntimeError("bug"), InvalidRequest("no"))
    app = Starlette(routes=[raising(error) for error in errors], exception_handlers=dict(HANDLERS))
    return TestClient(app, raise_server_exceptions=False)


@pytest.mark.parametrize(("path", "status"), [("Unavailable", 503), ("RuntimeError", 500)])
def test_answer_with_5xx_leaves_a_line_with_its_status(client: TestClient, path: str, status: int) -> None:
    with captured_logs() as lines:
        assert client.get(f"/{path}").status_code == status
    assert [line[STATUS] for line in lines() if STATUS in line] == [status]


def test_refused_request_leaves_no_such_line(client: TestClient) -> None:
    with captured_logs() as lines:
        assert client.get("/InvalidRequest").status_code < 500
    assert not [line for line in lines() if STATUS in line]
