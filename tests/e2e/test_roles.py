"""Roles from the stack's user pool: groups, as Cognito puts them into its tokens."""

import httpx
import jwt
import pytest

from local.token import fetch_token
from millrace.domain.access import ROLES
from tests.stack import RunningStack


def token(stack: RunningStack, organization: str, role: str) -> str:
    return fetch_token(stack.url, f"{role or 'nobody'}@{organization}.example", organization, role)


@pytest.mark.parametrize(("role", "status"), [("", 403), ("customer", 403), ("member", 200), ("admin", 200)])
def test_group_of_the_pool_decides_what_a_user_may_do(
    stack: RunningStack, organization: str, role: str, status: int
) -> None:
    signed_in = token(stack, organization, role)
    headers = {"authorization": f"Bearer {signed_in}"}
    assert httpx.get(f"{stack.url}/api/conversations", headers=headers).status_code == 200
    seen = httpx.get(f"{stack.url}/api/command-center/snapshot", headers=headers, timeout=30)
    assert seen.status_code == status
    groups = jwt.decode(signed_in, options={"verify_signature": False}).get("cognito:groups")
    assert groups == ([role] if role else None)


def test_pool_has_a_group_for_every_role(stack: RunningStack) -> None:
    pool = stack.deployment["outputs"]["UserPoolId"]
    found = stack.client("cognito-idp").list_groups(UserPoolId=pool)["Groups"]
    assert {one["GroupName"] for one in found} == set(ROLES)


def test_user_of_an_unknown_role_is_not_made(stack: RunningStack) -> None:
    wanted = {"username": "x@example.com", "organization": "x", "role": "root"}
    answer = httpx.post(f"{stack.url}/_local/users", json=wanted)
    assert answer.status_code == 400
    assert "root" in answer.text
