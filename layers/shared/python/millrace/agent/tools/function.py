"""Tools from typed Python functions.

    def weather(city: str, days: int = 1) -> str:
        '''The weather forecast of a city.

        Args:
            city: Name of the city, with its country if it is not famous.
            days: How many days to look ahead.
        '''

    weather_tool = tool(weather)

The signature gives the schema (by pydantic, `Annotated[..., Field(...)]` included), the docstring the
descriptions. A parameter of type `ToolContext` is filled in and hidden from the model. A function returns a
`ToolResult`, a string, or anything that pydantic can write as JSON; one that yields streams its output.
"""

import inspect
import re
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.json_schema import GenerateJsonSchema

from millrace.agent.tools.streaming import as_text, called
from millrace.agent.tools.tool import Repeat, Tool, ToolContext, ToolResult
from millrace.errors import InvalidRequest

ERRORS_SHOWN = 5
Function = TypeVar("Function", bound=Callable[..., Any])
Model = TypeVar("Model", bound=BaseModel)
_SCOPE = "needed_scope"
_REPEAT = "may_be_repeated"
_PREFIX = "argument_"  # keeps parameters called `json` or `copy` from shadowing the model's own attributes
_ARGS_HEADING = re.compile(r"^\s*Args:\s*$", re.MULTILINE)
_ARG_LINE = re.compile(r"^\s*(\w+)\s*:\s*(.+)$")
_OTHER_HEADING = re.compile(r"^\s*(Returns|Raises|Yields|Examples?):\s*$", re.MULTILINE)


def needs_scope(scope: str) -> Callable[[Function], Function]:
    """Restrict a function as a tool to users with a scope, either Millrace's or one of the deployment's own:

    @needs_scope("refunds:approve")
    def refund(order: str, context: ToolContext) -> str: ...
    """

    def with_scope(function: Function) -> Function:
        function.__dict__[_SCOPE] = scope
        return function

    return with_scope


def repeatable(function: Function) -> Function:
    """Mark a function as a tool that may run again if its process died while it was running: it only reads,
    or passes `context.idempotency_key` to its service, which then recognizes a repeated request."""
    function.__dict__[_REPEAT] = True
    return function


def tool(
    function: Callable[..., Any], *, name: str = "", scope: str = "", repeat: Repeat | None = None
) -> Tool:
    """Make a tool from a function, sync (it runs in a thread) or async. `scope` or `needs_scope` restricts it
    to users who have one; `repeat="safe"` or `repeatable` lets it run again after a crash.

    Raises `TypeError` for a signature without a schema: `*args`, or a parameter without a type.
    """
    description, documented = _read_docstring(inspect.getdoc(function) or "")
    parameters, context_name = _parameters(function)
    model = _arguments_model(function.__name__, parameters, documented)
    return Tool(
        name=name or function.__name__,
        description=description,
        parameters=schema_of(model),
        run=partial(_run, function, model, context_name),
        scope=scope or getattr(function, _SCOPE, ""),
        repeat=repeat or ("safe" if hasattr(function, _REPEAT) else "never"),
    )


async def _run(
    function: Callable[..., Any],
    model: type[BaseModel],
    context_name: str | None,
    arguments: dict[str, Any],
    context: ToolContext,
) -> ToolResult:
    given = _validated(model, arguments)
    if context_name:
        given[context_name] = context
    return as_result(await called(function, given, context))


def as_result(value: Any) -> ToolResult:
    """Turn a function's return value into a result. It is a success unless the function returned a failed
    result."""
    if isinstance(value, ToolResult):
        return value
    text = as_text(value)
    return ToolResult(ok=True, text=text, summary=text)


def _validated(model: type[BaseModel], arguments: dict[str, Any]) -> dict[str, Any]:
    checked = read_arguments(model, arguments)
    return {field.removeprefix(_PREFIX): getattr(checked, field) for field in model.model_fields}


def read_arguments(model: type[Model], arguments: dict[str, Any]) -> Model:
    """Return the arguments of a call as a model. Raises `InvalidRequest` with a message that the model can
    act on."""
    try:
        return model.model_validate(arguments)
    except ValidationError as error:
        raise InvalidRequest(_explained(error), code="invalid_arguments") from error


def _explained(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    lines = [f"{'.'.join(map(str, one['loc'])) or 'arguments'}: {one['msg']}" for one in found[:ERRORS_SHOWN]]
    return "; ".join(lines)


def _parameters(function: Callable[..., Any]) -> tuple[dict[str, tuple[Any, Any]], str | None]:
    """Return the type and default of each parameter that the model fills, and the name of the context
    parameter."""
    hints = get_type_hints(function, include_extras=True)
    parameters: dict[str, tuple[Any, Any]] = {}
    context_name = None
    for name, parameter in inspect.signature(function).parameters.items():
        if hints.get(name) is ToolContext:
            context_name = name
        elif name not in hints or parameter.kind not in (
            parameter.POSITIONAL_OR_KEYWORD,
            parameter.KEYWORD_ONLY,
        ):
            raise TypeError(
                f"{function.__name__}({name}) needs a type, and may not be positional or starred."
            )
        else:
            default = ... if parameter.default is parameter.empty else parameter.default
            parameters[name] = (hints[name], default)
    return parameters, context_name


def _arguments_model(
    name: str, parameters: dict[str, tuple[Any, Any]], documented: dict[str, str]
) -> type[BaseModel]:
    fields: dict[str, Any] = {
        _PREFIX + parameter: (kind, _field(parameter, default, documented.get(parameter, "")))
        for parameter, (kind, default) in parameters.items()
    }
    # An argument that a model invented is an error for it to correct, not something to drop silently.
    return create_model(name, __config__=ConfigDict(extra="forbid"), **fields)


def _field(name: str, default: Any, description: str) -> Any:
    """Return the field. Its docstring's description overrides an annotation's, but a missing one does not."""
    described: dict[str, Any] = {"description": description} if description else {}
    return Field(default, alias=name, **described)


class _Untitled(GenerateJsonSchema):
    """Schemas without a title for each field, which would only repeat the name and cost the model tokens."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON Schema of the arguments, as models receive it."""
    schema = model.model_json_schema(schema_generator=_Untitled)
    schema.pop("title", None)
    return schema | {"properties": schema.get("properties", {})}


def documented_arguments(function: Callable[..., Any]) -> set[str]:
    """Return the names of the parameters that a function's docstring describes."""
    return set(_read_docstring(inspect.getdoc(function) or "")[1])


def _read_docstring(text: str) -> tuple[str, dict[str, str]]:
    """Return the description, and the text of each parameter under `Args:` with continued lines joined."""
    head, *rest = _ARGS_HEADING.split(text, maxsplit=1)
    described: dict[str, str] = {}
    current = ""
    for line in _OTHER_HEADING.split(rest[0])[0].splitlines() if rest else []:
        found = _ARG_LINE.match(line)
        if found:
            current = found[1]
            described[current] = found[2].strip()
        elif current and line.strip():
            described[current] += " " + line.strip()
    return _OTHER_HEADING.split(head)[0].strip(), described
