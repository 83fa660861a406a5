"""Writes that require the state that the caller has read, and writes that only check, for every resource with
PUT."""

from typing import Any

import httpx
import pytest

from tests.api.talk import error_of
from tests.api.test_round_trip import EXAMPLES, address, client, urls

__all__ = ["client", "urls"]


@pytest.mark.parametrize("path", sorted(EXAMPLES))
def test_dry_run_answers_as_the_write_and_writes_nothing(client: httpx.Client, path: str) -> None:
    given, field, value = EXAMPLES[path]
    here = address(path, "tried")
    tried = client.put(here, json=given, params={"dryRun": "true"})
    assert (tried.status_code, client.get(here).status_code) == (201, 404)
    made = client.put(here, json=given)
    assert settings_of(made) == settings_of(tried)
    edited = client.put(here, json=given | {field: value}, params={"dryRun": "true"})
    assert (edited.status_code, edited.json()[field]) == (200, value)
    assert client.get(here).json().get(field) != value
    assert client.get(here).json()["updatedAt"] == made.json()["updatedAt"]


@pytest.mark.parametrize("path", sorted(EXAMPLES))
def test_dry_run_refuses_what_the_write_would(client: httpx.Client, path: str) -> None:
    given, _, _ = EXAMPLES[path]
    wrong = client.put(address(path, "wrong"), json=given | {"colour": "blue"}, params={"dryRun": "true"})
    assert wrong.status_code == 422


@pytest.mark.parametrize("path", sorted(EXAMPLES))
def test_write_is_refused_when_somebody_else_was_faster(client: httpx.Client, path: str) -> None:
    given, field, value = EXAMPLES[path]
    here = address(path, "raced")
    seen = client.put(here, json=given, params={"unchangedSince": ""}).json()["updatedAt"]
    assert error_of(client.put(here, json=given, params={"unchangedSince": ""})) == (409, "changed")
    theirs = client.put(here, json=given | {field: value}, params={"unchangedSince": seen})
    assert theirs.status_code == 200
    for dry_run in ("true", "false"):
        late = client.put(here, json=given, params={"unchangedSince": seen, "dryRun": dry_run})
        assert error_of(late) == (409, "changed")
    assert client.get(here).json()[field] == value
    assert error_of(client.delete(here, params={"unchangedSince": seen})) == (409, "changed")
    now = theirs.json()["updatedAt"]
    assert client.delete(here, params={"unchangedSince": now}).status_code == 204
    assert client.get(here).status_code == 404
    assert client.delete(here, params={"unchangedSince": now}).status_code == 404


def test_label_names_a_file_and_maybe_a_part_of_it(client: httpx.Client) -> None:
    agent = EXAMPLES["/api/agents/{agent_id}"][0]
    for label in ("shop", "shop.support-2", "Shop/orders", ""):
        put = client.put("/api/agents/labelled", json=agent | {"managedBy": label})
        assert put.json()["managedBy"] == label
    for label in ("/orders", "shop/", "a/b/c", "a b", "x" * 64):
        refused = client.put("/api/agents/labelled", json=agent | {"managedBy": label})
        assert error_of(refused) == (422, "invalid_request")


def settings_of(answer: httpx.Response) -> dict[str, Any]:
    """The answer without its times."""
    times = ("createdAt", "updatedAt", "stateSince")
    return {name: value for name, value in answer.json().items() if name not in times}
