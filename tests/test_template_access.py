"""Roles and owners in the template."""

from typing import Any

import pytest

from millrace.domain.access import ROLES
from tests.templates import translated

Json = dict[str, Any]


@pytest.fixture(scope="module")
def body() -> Json:
    return dict(translated().body)


def test_pool_has_a_group_for_each_role_with_the_most_powerful_first(body: Json) -> None:
    groups = [
        one["Properties"]
        for one in body["Resources"].values()
        if one["Type"] == "AWS::Cognito::UserPoolGroup"
    ]
    ordered = sorted(groups, key=lambda one: -one["Precedence"])
    assert [one["GroupName"] for one in ordered] == list(ROLES)
    assert {one["UserPoolId"]["Ref"] for one in groups} == {"UserPool"}


def test_users_without_a_role_are_customers_of_the_own_pool_and_nobody_elsewhere(body: Json) -> None:
    expected = {
        "Fn::If": ["HasDefaultRole", {"Ref": "DefaultRole"}, {"Fn::If": ["OwnUserPool", "customer", "none"]}]
    }
    functions = [one for one in body["Resources"].values() if one["Type"] == "AWS::Lambda::Function"]
    found = [one["Properties"]["Environment"]["Variables"]["DEFAULT_ROLE"] for one in functions]
    assert found
    assert all(one == expected for one in found)
    assert body["Conditions"]["OwnUserPool"] == {"Fn::Equals": [{"Ref": "OidcIssuer"}, ""]}


def test_users_cannot_write_the_attribute_that_names_their_organization(body: Json) -> None:
    assert body["Resources"]["UserPoolClient"]["Properties"]["WriteAttributes"] == ["email", "name"]


def test_conversations_are_listed_by_owner(body: Json) -> None:
    table = body["Resources"]["ConversationsTable"]["Properties"]
    [index] = [one for one in table["GlobalSecondaryIndexes"] if one["IndexName"] == "ByOwner"]
    assert [key["AttributeName"] for key in index["KeySchema"]] == ["ownerPk", "listSk"]
