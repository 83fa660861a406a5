"""A caller's access to a conversation, for all scopes and shares."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.domain.access import ROLES, SCOPES, Access, Principal, access_of, grant, includes, role_table

NAMES = st.sampled_from(["ann", "bob", ""])
SETS = st.frozensets(st.sampled_from(sorted(SCOPES)))
SHARES = st.dictionaries(st.sampled_from(["ann", "bob"]), st.sampled_from(["read", "write"]))


def caller(name: str, scopes: frozenset[str]) -> Principal:
    return Principal("org", name, scopes)


@given(NAMES, SETS, SETS, NAMES, SHARES)
def test_additional_scopes_never_allow_less(
    name: str, scopes: frozenset[str], more: frozenset[str], owner: str, shares: dict[str, Access]
) -> None:
    before = access_of(caller(name, scopes), owner, shares)
    after = access_of(caller(name, scopes | more), owner, shares)
    assert includes(after, before)


@given(st.sampled_from(["ann", "bob"]), NAMES, SHARES)
def test_customer_reaches_what_is_theirs_or_shared_and_nothing_else(
    name: str, owner: str, shares: dict[str, Access]
) -> None:
    expected = "own" if name == owner else shares.get(name, "none")
    assert access_of(caller(name, ROLES["customer"]), owner, shares) == expected


def test_conversation_of_nobody_is_not_that_of_a_user_without_a_name() -> None:
    assert access_of(caller("", ROLES["customer"]), "", {}) == "none"


@given(st.frozensets(st.sampled_from([*ROLES, "guest"])), SETS, st.sampled_from(["none", *ROLES]))
def test_scopes_in_a_token_never_give_a_role_more(
    roles: frozenset[str], scopes: frozenset[str], default: str
) -> None:
    _, by_role = grant(role_table(""), roles, frozenset(), default)
    _, limited = grant(role_table(""), roles, scopes, default)
    if roles & ROLES.keys():
        assert limited <= by_role
        assert limited == by_role & scopes or not scopes


@pytest.mark.parametrize("more", ["", " ", ",", "a=b", "a=b c,d=e", " admin = x:y "])
def test_role_table_keeps_the_built_in_roles(more: str) -> None:
    assert all(scopes <= role_table(more)[role] for role, scopes in ROLES.items())
