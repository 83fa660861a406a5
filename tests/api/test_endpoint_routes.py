"""Routes that are compiled late match what Starlette's own would."""

from hypothesis import given
from hypothesis import strategies as st
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from millrace.api.endpoint import EndpointRoute

SEGMENTS = st.sampled_from(["api", "runs", "{run_id}", "{other}", "{task}:cancel", "message:send"])
GIVEN = st.sampled_from(
    ["", "api", "runs", "run_1", "a b", "x:cancel", ":cancel", "message:send", "{run_id}"]
)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("no test gets here")


@given(
    path=st.lists(SEGMENTS, min_size=1, max_size=4, unique=True),
    asked=st.lists(GIVEN, max_size=5),
    method=st.sampled_from(["GET", "HEAD", "POST"]),
    root=st.sampled_from(["", "/mounted"]),
)
def test_route_matches_what_starlettes_own_does(
    path: list[str], asked: list[str], method: str, root: str
) -> None:
    pattern = "/" + "/".join(path)
    scope = {"type": "http", "method": method, "path": root + "/" + "/".join(asked), "root_path": root}
    theirs, ours = Route(pattern, app, methods=["GET"]), EndpointRoute(pattern, "GET", app)
    assert ours.matches(scope) == theirs.matches(scope)


def test_route_is_not_compiled_for_a_path_of_another_shape() -> None:
    route = EndpointRoute("/api/runs/{run_id}", "GET", app)
    for path in ("/api/runs", "/api/agents/a", "/api/runs/run_1/stream"):
        route.matches({"type": "http", "method": "GET", "path": path, "root_path": ""})
    assert "_route" not in vars(route)
    route.matches({"type": "http", "method": "GET", "path": "/api/runs/run_1", "root_path": ""})
    assert "_route" in vars(route)
