"""The front address apart from the functions: web files, configuration, sign-in."""

import httpx
import pytest

from local.front import Front
from tests.stack import RunningStack

pytestmark = pytest.mark.stack


def get(stack: RunningStack, path: str, **headers: str) -> httpx.Response:
    return httpx.get(
        stack.url + path, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def test_web_ui_is_served_with_types_and_cache_headers(small_stack: RunningStack) -> None:
    page, asset = get(small_stack, "/"), get(small_stack, "/assets/app-1234.js")
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["cache-control"] == "no-cache"
    assert "javascript" in asset.headers["content-type"]
    assert "immutable" in asset.headers["cache-control"]
    for answer in (page, asset):
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"


def test_address_of_the_ui_gives_the_page_to_browsers_and_404_to_scripts(
    small_stack: RunningStack,
) -> None:
    assert "<title>page</title>" in get(small_stack, "/runs/12", accept="text/html,*/*").text
    unknown = get(small_stack, "/runs/12")
    assert (unknown.status_code, unknown.json()) == (404, {"message": "Not Found"})
    assert get(small_stack, "/assets/gone.js", accept="text/html").status_code == 404


@pytest.mark.parametrize("path", ["/../template.yaml", "/%2e%2e/template.yaml", "/assets/..%2f..%2findex.py"])
def test_files_outside_the_web_folder_are_not_served(small_stack: RunningStack, path: str) -> None:
    assert "AWSTemplateFormatVersion" not in get(small_stack, path).text


def test_longest_route_wins_and_prefixes_are_whole_segments(small_stack: RunningStack) -> None:
    assert get(small_stack, "/buffered/text").status_code == 200
    assert get(small_stack, "/buffered/broken/x").status_code == 502
    assert get(small_stack, "/bufferedtext").status_code == 404


def test_config_tells_the_web_ui_how_to_sign_in(small_stack: RunningStack) -> None:
    config = get(small_stack, "/config.json").json()
    assert config["devUser"]["username"] == "dev@example.com"
    assert config["auth"]["userPoolEndpoint"].startswith("/")
    assert config["auth"]["issuer"].endswith(small_stack.deployment["outputs"]["UserPoolId"])
    assert config["apiBase"] == {}


def test_browser_signs_in_and_refreshes_with_cognitos_protocol(small_stack: RunningStack) -> None:
    config = get(small_stack, "/config.json").json()
    user = config["devUser"]
    first = sign_in(
        small_stack, "USER_PASSWORD_AUTH", {"USERNAME": user["username"], "PASSWORD": user["password"]}
    )
    assert first["IdToken"]
    again = sign_in(small_stack, "REFRESH_TOKEN_AUTH", {"REFRESH_TOKEN": first["RefreshToken"]})
    assert again["IdToken"]


def sign_in(stack: RunningStack, flow: str, parameters: dict[str, str]) -> dict[str, str]:
    auth = get(stack, "/config.json").json()["auth"]
    request = {"AuthFlow": flow, "ClientId": auth["clientId"], "AuthParameters": parameters}
    answer = call(stack, "InitiateAuth", request)
    assert answer.status_code == 200, answer.text
    tokens: dict[str, str] = answer.json()["AuthenticationResult"]
    return tokens


def call(stack: RunningStack, action: str, request: object) -> httpx.Response:
    headers = {"x-amz-target": f"AWSCognitoIdentityProviderService.{action}"}
    return httpx.post(f"{stack.url}/_local/sign-in", json=request, headers=headers)


def test_wrong_password_is_refused(small_stack: RunningStack) -> None:
    auth = get(small_stack, "/config.json").json()["auth"]
    parameters = {"USERNAME": "dev@example.com", "PASSWORD": "wrong"}
    request = {"AuthFlow": "USER_PASSWORD_AUTH", "ClientId": auth["clientId"], "AuthParameters": parameters}
    answer = call(small_stack, "InitiateAuth", request)
    assert answer.status_code == 400
    assert answer.json()["__type"].endswith("NotAuthorizedException")


@pytest.mark.parametrize("action", ["AdminCreateUser", "ListUsers", "DescribeUserPool"])
def test_user_pool_gets_only_sign_in_requests(small_stack: RunningStack, action: str) -> None:
    pool = small_stack.deployment["outputs"]["UserPoolId"]
    answer = call(small_stack, action, {"UserPoolId": pool, "Username": "intruder"})
    assert answer.status_code == 400
    assert answer.json()["__type"] == "UnknownOperationException"


@pytest.mark.parametrize("path", ["/config.json", "/_local/stack", "/_local/logs", "/_local/events"])
def test_local_server_answers_to_local_names_only(small_stack: RunningStack, path: str) -> None:
    assert get(small_stack, path, host="evil.example").status_code == 421
    assert get(small_stack, path, host="127.0.0.1:8080").status_code == 200


def test_user_is_made_by_json_only(small_stack: RunningStack) -> None:
    text = httpx.post(f"{small_stack.url}/_local/users", content='{"username": "a", "organization": "b"}')
    assert text.status_code == 415
    assert httpx.post(f"{small_stack.url}/_local/users", json={"username": "a"}).status_code == 400


def test_events_are_received_as_json_only(small_stack: RunningStack) -> None:
    url = f"{small_stack.url}/_local/events"
    assert httpx.post(url, content='{"n": 1}').status_code == 415
    assert httpx.post(url, content="{", headers={"content-type": "application/json"}).status_code == 400
    assert httpx.post(url, json={"n": 1}).status_code == 204
    assert httpx.get(url).text.splitlines()[-1] == '{"n": 1}'


async def test_front_without_routes_serves_the_web_ui() -> None:
    served: list[str] = []

    async def web(scope: object, receive: object, send: object) -> None:
        served.append("web")

    async def own(scope: object, receive: object, send: object) -> None:
        served.append("own")

    front = Front({}, own, web)
    for path in ("/api/agents", "/config.json", "/config.jsonx", "/_local/logs"):
        await front({"type": "http", "path": path}, None, None)  # type: ignore[arg-type]
    assert served == ["web", "own", "web", "own"]
