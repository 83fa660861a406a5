"""Schemas of users, models and servers are checked with bounded work, and with the same results as
jsonschema."""

from contextlib import nullcontext
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from millrace.errors import InvalidRequest
from millrace.services.runs import schema_keywords
from millrace.services.runs.json_schemas import check_value
from millrace.services.runs.output_format import SCHEMA_BYTES, check_response_schema

TEXT = "a" * 200_000
MANY = [{"n": at} for at in range(15_000)]


def doubled(step: Any) -> dict[str, Any]:
    """Forty definitions, each of which refers to the next one twice."""
    steps: dict[str, Any] = {f"a{at}": step(f"#/$defs/a{at + 1}") for at in range(40)}
    return {"$defs": steps | {"a40": {"type": "object"}}, "$ref": "#/$defs/a0"}


HOSTILE: list[tuple[str, dict[str, Any], Any]] = [
    ("allOf", doubled(lambda to: {"allOf": [{"$ref": to}] * 2}), {}),
    ("anyOf", doubled(lambda to: {"anyOf": [{"$ref": to}] * 2}), 1),
    ("oneOf", doubled(lambda to: {"oneOf": [{"$ref": to}] * 2}), 1),
    ("if", doubled(lambda to: {"if": {"$ref": to}, "then": {"$ref": to}}), {}),
    (
        "unevaluated",
        {"unevaluatedProperties": False}
        | doubled(lambda to: {"$ref": to, "dependentSchemas": {"x": {"$ref": to}}}),
        {"x": 1},
    ),
    ("unevaluated items", {"unevaluatedItems": False} | doubled(lambda to: {"$ref": to, "if": True,
        "then": {"$ref": to}}), [1]),
    ("patterns", {"allOf": [{"pattern": f"(a?){{900}}{at}"} for at in range(50)]}, TEXT),
    ("words", {"anyOf": [{"type": "number"}] * 300}, MANY),
    ("never", {"anyOf": [False] * 500}, MANY),
    ("values", {"items": {"enum": list(range(20_000, 20_600))}}, MANY),
    ("names", {"items": {"properties": {str(at): True for at in range(600)}}}, MANY),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "value"), [one[1:] for one in HOSTILE], ids=[one[0] for one in HOSTILE])
def test_schema_that_asks_for_endless_work_is_given_up(
    schema: dict[str, Any], value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema_keywords, "MOST_WORK", 400_000)  # a tenth, so that the test is quick
    check_response_schema(schema)  # nothing is wrong with it as such
    assert len(orjson.dumps(schema)) < SCHEMA_BYTES
    with pytest.raises(InvalidRequest, match="too many checks") as caught:
        check_value(value, schema, "output")
    assert caught.value.code == "invalid_schema"


def test_large_value_is_checked_by_an_ordinary_schema() -> None:
    item = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 0}}, "required": ["n"]}
    schema = {"type": "array", "items": item | {"additionalProperties": False}, "uniqueItems": True}
    check_value(MANY[:5_000], schema, "output")
    with pytest.raises(InvalidRequest, match="not unique"):
        check_value([*MANY[:9], {"n": 0.0}], schema, "output")


def test_number_that_no_float_can_hold_is_no_error_of_ours() -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_value(10**400, {"multipleOf": 0.1}, "output")
    assert caught.value.code == "invalid_schema"


SCALARS = st.none() | st.booleans() | st.sampled_from([0, 1, 1.0, 2, 1.5, "", "a", "ab"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
LEAVES: st.SearchStrategy[Any] = st.sampled_from(
    [
        True,
        False,
        {"type": "integer"},
        {"type": ["string", "null"], "pattern": "^a"},
        {"uniqueItems": True},
        {"minItems": 2, "maxLength": 1},
        {"required": ["a"], "additionalProperties": False, "properties": {"a": {"const": 1}}},
        {"enum": [None, True, [1], {"a": 1}]},
        {"$ref": "#/$defs/x"},
        {"dependentRequired": {"a": ["b"]}},
    ]
)
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "unevaluatedProperties": st.just(False),
            "unevaluatedItems": st.just(False),
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "oneOf": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
            "if": inner,
            "then": inner,
            "else": inner,
            "items": inner,
            "prefixItems": st.lists(inner, min_size=1, max_size=2),
            "contains": inner,
            "properties": st.fixed_dictionaries({"a": inner}),
            "propertyNames": inner,
            "dependentSchemas": st.fixed_dictionaries({"a": inner}),
        },
    ),
    max_leaves=5,
)


@given(SCHEMAS, VALUES)
def test_values_fit_a_schema_as_they_do_for_jsonschema(schema: Any, value: Any) -> None:
    whole = {"allOf": [schema], "$defs": {"x": {"type": ["object", "string"]}}}
    fits = Draft202012Validator(whole).is_valid(value)
    with nullcontext() if fits else pytest.raises(InvalidRequest, match=r"^output"):
        check_value(value, whole, "output")
