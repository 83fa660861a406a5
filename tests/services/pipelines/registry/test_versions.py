"""Versions of a definition: listed with their time, compared, restored."""

from typing import Any

import httpx
from hypothesis import given
from hypothesis import strategies as st

from millrace.domain.clock import iso
from millrace.domain.differences import differences
from tests.api.talk import error_of
from tests.services.pipelines.conftest import Plant
from tests.services.pipelines.definitions import act, made, pipeline, step

FIRST = step("filter", {"field": "n", "operator": "gt", "value": 1})
SECOND = step("filter", {"field": "n", "operator": "gt", "value": 2})


def changed(streaming: httpx.Client, id: str, definition: dict[str, Any]) -> dict[str, Any]:
    answer = streaming.put(f"/pipelines/{id}", json=definition)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_versions_are_listed_with_their_time(plant: Plant, streaming: httpx.Client) -> None:
    id = made(streaming, FIRST)
    plant.clock.pass_time(5_000)
    changed(streaming, id, pipeline(SECOND))
    newest, oldest = streaming.get(f"/pipelines/{id}/versions").json()["items"]
    assert (newest["version"], oldest["version"]) == (2, 1)
    assert newest["createdAt"] == iso(plant.clock.now)
    assert oldest["createdAt"] == iso(plant.clock.now - 5_000)


def test_versions_are_compared_part_by_part(streaming: httpx.Client) -> None:
    id = made(streaming, FIRST)
    changed(streaming, id, pipeline(SECOND, step("map", {"expression": {"n": "n"}}), name="other"))
    found = streaming.get(f"/pipelines/{id}/versions/1/diff").json()
    assert (found["from"], found["to"]) == (1, 2)
    assert {
        one["path"]: (one["change"], one.get("before"), one.get("after")) for one in found["changes"]
    } == {
        "name": ("changed", "test", "other"),
        "transforms.0.config.value": ("changed", 1, 2),
        "transforms.1": ("added", None, {"type": "map", "config": {"expression": {"n": "n"}}}),
    }
    same = streaming.get(f"/pipelines/{id}/versions/2/diff", params={"to": 2}).json()
    assert same["changes"] == []


def test_restored_version_is_a_new_one(streaming: httpx.Client) -> None:
    id = made(streaming, FIRST)
    changed(streaming, id, pipeline(SECOND))
    answer = streaming.post(f"/pipelines/{id}/versions/1/restore")
    assert answer.status_code == 200, answer.text
    assert answer.json()["version"] == 3
    assert answer.json()["transforms"] == [FIRST]
    assert answer.json()["state"] == "running"
    again = streaming.post(f"/pipelines/{id}/versions/1/restore").json()
    assert again["version"] == 3, "the same definition makes no version"


def test_version_that_there_is_not_cannot_be_restored_or_compared(streaming: httpx.Client) -> None:
    id = made(streaming, FIRST)
    for path in ("7/restore", "0/restore"):
        answer = streaming.post(f"/pipelines/{id}/versions/{path}")
        assert error_of(answer) == (404, "version_not_found")
    assert error_of(streaming.get(f"/pipelines/{id}/versions/1/diff?to=9")) == (404, "version_not_found")
    answer = streaming.get("/pipelines/pipeline_none/versions/1/diff")
    assert error_of(answer) == (404, "pipeline_not_found")


def test_stopped_pipeline_restores_nothing(streaming: httpx.Client) -> None:
    id = made(streaming, FIRST)
    changed(streaming, id, pipeline(SECOND))
    act(streaming, id, "stop")
    answer = streaming.post(f"/pipelines/{id}/versions/1/restore")
    assert error_of(answer) == (409, "pipeline_stopped")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("xyz", min_size=1), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(VALUES, VALUES)
def test_differences_lead_from_one_value_to_the_other(before: Any, after: Any) -> None:
    found = {one["path"]: one for one in differences(before, after)}
    assert _applied(before, found) == after
    assert not list(differences(after, after))


def _applied(value: Any, found: dict[str, Any], path: str = "") -> Any:
    """The value with the changes below the path made to it."""
    if path in found:
        return found[path]["after"]
    if not isinstance(value, dict | list):
        return value
    members = dict(value) if isinstance(value, dict) else dict(enumerate(value))
    kept = {
        name: _applied(member, found, _under(path, name))
        for name, member in members.items()
        if found.get(_under(path, name), {}).get("change") != "removed"
    }
    added = {
        inner.removeprefix(f"{path}." if path else ""): one["after"]
        for inner, one in found.items()
        if one["change"] == "added" and inner.rpartition(".")[0] == path
    }
    return kept | added if isinstance(value, dict) else [*kept.values(), *added.values()]


def _under(path: str, name: Any) -> str:
    return f"{path}.{name}" if path else str(name)
