"""`@tool`: makes a typed function of the deployment a tool of its agents.

    from millrace.app import ToolContext, ToolError, tool


    @tool(repeat="safe")
    async def order_status(order: str, context: ToolContext) -> str:
        '''Tell where an order is.

        Args:
            order: Its number, as on the invoice.
        '''

The function itself is unchanged and can be called and tested. Mistakes are reported when its module is
imported, which is when a Lambda function starts.
"""

import inspect
import re
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, TypeVar, get_args, get_type_hints, overload

from msgspec.structs import replace
from pydantic import ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, PydanticUserError
from pydantic_core import to_json

from millrace.agent.suspension import Interrupted, Suspended
from millrace.agent.tools.function import documented_arguments
from millrace.agent.tools.function import tool as make_tool
from millrace.agent.tools.tool import Repeat, Tool, ToolContext, ToolResult, log
from millrace.domain.agents import ToolUse
from millrace.errors import MillraceError, ToolError

Function = TypeVar("Function", bound=Callable[..., Any])
MARK = "__millrace_tool__"
RESERVED = "ask_"
"""The prefix of the tools by which agents ask each other."""
_BINARY = b'"format":"binary"'
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{0,63}")


class InvalidTool(TypeError):
    """A function that cannot be a tool. The message says what to write instead."""


@overload
def tool(function: Function) -> Function: ...
@overload
def tool(
    *,
    name: str = "",
    policy: Literal["auto", "ask"] | dict[str, str] = "auto",
    approvers: dict[str, Any] | None = None,
    expires: int | None = None,
    repeat: Repeat = "never",
    scope: str = "",
) -> Callable[[Function], Function]: ...
def tool(function: Any = None, **options: Any) -> Any:
    """Make a function a tool, which agents list by its name.

    Args:
        name: The tool's name; by default the function's.
        policy: `ask` if a person must approve each call, `{"ask": "amount > 50"}` for calls for which this
            expression over the arguments is not false. An agent's own rule that asks overrides it.
        approvers: The people who may answer, as `{"scope": "refunds:approve"}`; by default the run's user.
        expires: The seconds for which a call waits for an answer.
        repeat: `safe` if a call may run again after a crash: it only reads, or passes
            `context.idempotency_key` to its service.
        scope: The scope that the run's user needs.

    Raises `InvalidTool`.
    """
    if function is None:
        return partial(_marked, **options)
    return _marked(function, **options)


def tool_of(value: Any) -> Tool | None:
    """Return the tool that `@tool` made from a function; None for anything else."""
    found = getattr(value, MARK, None)
    return found if isinstance(found, Tool) else None


def _marked(function: Any, **options: Any) -> Any:
    setattr(function, MARK, _tool_from(function, **options))
    return function


def _tool_from(
    function: Any,
    *,
    name: str = "",
    policy: Any = "auto",
    approvers: Any = None,
    expires: int | None = None,
    repeat: Repeat = "never",
    scope: str = "",
) -> Tool:
    if not inspect.isfunction(function):
        raise InvalidTool(
            f"@tool must be applied to a function, not {function!r:.80}. Write `@tool` above a def."
        )
    where = f"The tool {function.__module__}.{function.__qualname__}"
    name = name or function.__name__
    _check_name(where, name)
    _check_signature(where, function)
    if repeat not in ("safe", "never"):
        raise InvalidTool(f'{where}: repeat must be "safe" or "never", not {repeat!r}.')
    rule = _rule(where, name, policy, approvers, expires)
    made = _with_schema(where, function, name, scope, repeat)
    return replace(made, run=partial(_hiding_errors, made), rule=rule if rule.asks else None)


def _check_name(where: str, name: str) -> None:
    if not _NAME.fullmatch(name) or "__" in name or name.startswith(RESERVED):
        raise InvalidTool(
            f"{where}: the name {name!r} must have 1 to 64 letters, digits, _ and -, begin with a letter, "
            f"not contain __, and not begin with {RESERVED}. Choose another name: @tool(name=...)."
        )


def _check_signature(where: str, function: Callable[..., Any]) -> None:
    if not inspect.getdoc(function):
        raise InvalidTool(f"{where} has no docstring. Write one that tells the model what the tool is for.")
    hints = _hints(where, function)
    parameters = inspect.signature(function).parameters
    contexts = [name for name in parameters if hints.get(name) is ToolContext]
    if len(contexts) > 1:
        raise InvalidTool(f"{where} has two contexts, {' and '.join(contexts)}; keep one of them.")
    for name, parameter in parameters.items():
        _check_parameter(where, parameter, name in hints)
        if _mentions(hints[name], complex):
            raise _not_json(where, f"{name} is complex")
    unknown = documented_arguments(function) - (parameters.keys() - set(contexts))
    if unknown:
        raise InvalidTool(
            f"{where}: its docstring describes {', '.join(sorted(unknown))}, which is not an argument for "
            "the model. Correct the name under `Args:`."
        )


def _hints(where: str, function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except NameError as error:
        raise InvalidTool(
            f"{where}: the type {error.name!r} is not known where the function is defined. Import it at the "
            "top of the module, not under TYPE_CHECKING."
        ) from error


def _check_parameter(where: str, parameter: inspect.Parameter, typed: bool) -> None:
    name = parameter.name
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
        raise InvalidTool(
            f"{where}: the parameter {name} must not be starred or positional-only. Name each argument, as "
            f"{name}: str."
        )
    if not typed:
        raise InvalidTool(
            f"{where}: the parameter {name} has no type. Write one, as {name}: str; for the run and its "
            f"user, {name}: ToolContext."
        )


def _mentions(kind: Any, wanted: type) -> bool:
    """Return whether a type is the wanted one, or contains it."""
    return kind is wanted or any(_mentions(one, wanted) for one in get_args(kind))


def _rule(where: str, name: str, policy: Any, approvers: Any, expires: int | None) -> ToolUse:
    try:
        return ToolUse.model_validate(
            {"name": name, "policy": policy, "approvers": approvers, "expires": expires}
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise InvalidTool(
            f'{where}: {first["loc"][0]} is not valid: {first["msg"]}. policy is "auto", "ask" or '
            '{"ask": "amount > 50"}, approvers is {"scope": ...}, {"role": ...}, {"users": [...]} or '
            '{"owner": True}, expires is a number of seconds.'
        ) from error


def _with_schema(where: str, function: Callable[..., Any], name: str, scope: str, repeat: Repeat) -> Tool:
    try:
        made = make_tool(function, name=name, scope=scope, repeat=repeat)
    except (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema, PydanticUserError) as error:
        raise _not_json(where, str(error).splitlines()[0]) from error
    # What a model writes for bytes is a text that nobody has encoded.
    if _BINARY in to_json(made.parameters):
        raise _not_json(where, "bytes; for base64 take pydantic.Base64Bytes")
    return made


def _not_json(where: str, reason: str) -> InvalidTool:
    return InvalidTool(
        f"{where}: a parameter has a type that JSON cannot express ({reason}). Use str, int, float, "
        "bool, list, dict, Literal, or a pydantic model."
    )


async def _hiding_errors(made: Tool, arguments: dict[str, Any], context: ToolContext) -> ToolResult:
    """Run the function. An error that was not raised for the model may contain addresses, queries or keys, so
    it is only logged."""
    try:
        return await made.run(arguments, context)
    except (MillraceError, Suspended, Interrupted):
        raise
    except Exception as error:
        log.exception("The tool %s failed in its call %s.", made.name, context.call_id)
        raise ToolError(
            "An error inside it, which is in the log of the deployment. Tell the user."
        ) from error
