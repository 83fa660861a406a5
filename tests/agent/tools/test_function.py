"""Tools created from functions: schema, validation, context, threads."""

import threading
from contextvars import ContextVar
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from millrace.agent.tools.function import tool
from millrace.agent.tools.tool import ToolContext, ToolResult
from millrace.errors import InvalidRequest
from tests.agent.tools.contexts import context

colour: ContextVar[str] = ContextVar("colour", default="none")


class Place(BaseModel):
    city: str
    country: str = "DE"


def weather(
    place: Place,
    context: ToolContext,
    days: Annotated[int, Field(ge=1, le=9)] = 3,
    unit: Literal["C", "F"] = "C",
) -> dict[str, Any]:
    """The forecast of a place.

    Longer words about it.

    Args:
        place: Where to look.
        days: How many days
            to look ahead.

    Returns:
        Nothing a model needs to know.
    """
    return {"run": context.run_id, "city": place.city, "days": days, "unit": unit}


async def test_signature_and_the_docstring_make_the_schema() -> None:
    made = tool(weather)
    assert made.name == "weather"
    assert made.description == "The forecast of a place.\n\nLonger words about it."
    properties = made.parameters["properties"]
    assert list(properties) == ["place", "days", "unit"]
    assert properties["days"] == {
        "default": 3, "maximum": 9, "minimum": 1, "type": "integer",
        "description": "How many days to look ahead.",
    }  # fmt: skip
    assert properties["unit"]["enum"] == ["C", "F"]
    assert made.parameters["required"] == ["place"]
    assert made.parameters["additionalProperties"] is False
    assert "title" not in made.parameters


async def test_arguments_are_checked_and_converted_and_the_context_is_filled_in() -> None:
    result = await tool(weather).run({"place": {"city": "Bonn"}, "days": "2"}, context(run_id="run-7"))
    assert result.ok
    assert result.text == '{"run":"run-7","city":"Bonn","days":2,"unit":"C"}'
    assert result.summary == result.text


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({}, "place: Field required"),
        ({"place": {"city": "Bonn"}, "days": 10}, "days: .*less than or equal to 9"),
        ({"place": {}}, r"place\.city: Field required"),
        ({"place": {"city": "Bonn"}, "context": {}}, "context: Extra inputs"),
        ({"place": {"city": "Bonn"}, "argument_days": 1}, "argument_days: Extra inputs"),
    ],
)
async def test_wrong_arguments_are_named(arguments: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidRequest, match=complaint):
        await tool(weather).run(arguments, context())


async def test_parameters_may_be_called_like_a_models_own_attributes() -> None:
    def odd(json: str, copy: int, schema: str = "s", _private: int = 1) -> str:
        return f"{json}{copy}{schema}{_private}"

    made = tool(odd)
    assert list(made.parameters["properties"]) == ["json", "copy", "schema", "_private"]
    assert (await made.run({"json": "j", "copy": 2, "_private": 3}, context())).text == "j2s3"


async def test_plain_function_runs_in_a_thread_with_the_callers_context_variables() -> None:
    def where() -> list[str]:
        return [threading.current_thread().name.rpartition("_")[0], colour.get()]

    token = colour.set("red")
    try:
        assert (await tool(where).run({}, context())).text == '["millrace-tool","red"]'
    finally:
        colour.reset(token)


async def test_async_function_runs_where_it_is_called_and_may_give_its_own_result() -> None:
    async def own() -> ToolResult:
        return ToolResult(ok=False, text="no", summary=threading.current_thread().name + "\n" + "x" * 200)

    result = await tool(own, name="renamed").run({}, context())
    assert not result.ok
    assert result.summary.startswith(threading.main_thread().name + " x")
    assert len(result.summary) == 120


async def test_annotations_description_stays_where_the_docstring_has_none() -> None:
    def documented(a: Annotated[str, Field(description="From the annotation.")]) -> str:
        return a

    assert tool(documented).parameters["properties"]["a"]["description"] == "From the annotation."


def test_signature_without_a_schema_is_refused() -> None:
    def starred(*parts: str) -> str:
        return "".join(parts)

    def untyped(a) -> str:  # type: ignore[no-untyped-def]
        return str(a)

    for function in (starred, untyped):
        with pytest.raises(TypeError, match=function.__name__):
            tool(function)
