"""Validation of a flow when it is written. Everything that could never work is reported with its path."""

from collections.abc import Iterator
from typing import Any

import orjson

from millrace.domain.approvals import SCHEMA_BYTES
from millrace.domain.flows import (
    FLOW_BYTES,
    AgentStep,
    EndStep,
    FlowSettings,
    NotifyStep,
    PipelineStep,
    Step,
    ToolStep,
    WaitStep,
)
from millrace.errors import InvalidRequest
from millrace.pipelines.definitions.definition import InvalidDefinition, parse_definition
from millrace.pipelines.errors import InvalidExpression
from millrace.pipelines.expressions.fields_read import expression_paths
from millrace.pipelines.mapping import Mapping
from millrace.services.flows.calls import toolbox_of
from millrace.services.runs.json_schemas import check_schema
from millrace.stores.sizes import text_bytes

_ROOTS = ("input", "steps", "last", "answers")
Source = tuple[str, Any]
"""A path, and the expression there (or a tree of expressions)."""


def check_flow(flow: FlowSettings, longest: int) -> None:
    """Raise `InvalidRequest` for a flow that could never run.

    The reason may be its size, expressions, tools or pipelines, or a step that waits longer than `longest`
    seconds.
    """
    if text_bytes(flow.model_dump_json()) > FLOW_BYTES:
        raise InvalidRequest(
            f"A flow must not exceed {FLOW_BYTES:,} bytes as JSON.", code="flow_too_large", limit=FLOW_BYTES
        )
    known: list[str] = []
    for at, step in enumerate(flow.steps):
        for path, source in _sources(at, step):
            _check_source(path, source, known)
        _check_step(at, step, longest)
        known.append(step.name)
    if flow.output is not None:
        _check_source("output", flow.output, known)


def _sources(at: int, step: Step) -> Iterator[Source]:
    path = f"steps.{at}"
    if step.when is not None:
        yield f"{path}.when", step.when
    if isinstance(step, AgentStep):
        yield f"{path}.message", step.message
    elif isinstance(step, ToolStep):
        yield from ((f"{path}.arguments.{name}", value) for name, value in step.arguments.items())
    elif isinstance(step, PipelineStep):
        yield f"{path}.events", step.events
    elif isinstance(step, EndStep):
        yield f"{path}.result", step.result
    elif isinstance(step, NotifyStep):
        yield from ((f"{path}.payload.{name}", value) for name, value in step.payload.items())


def _check_source(path: str, source: Any, known: list[str]) -> None:
    """Compile a source, and check that what it reads can exist.

    Other fields, and results of later steps, would always be null.
    """
    try:
        Mapping({"value": source})
    except InvalidExpression as error:
        raise _at(path, error.message, code=error.code, line=error.line, column=error.column) from None
    for keys in (keys for text in _texts(source) for keys in expression_paths(text)):
        if keys and keys[0] not in _ROOTS:
            raise _at(
                path, f"`{keys[0]}` does not exist here: expressions can use input, steps, last and answers."
            )
        if len(keys) > 1 and keys[0] in ("steps", "answers") and keys[1] not in known:
            before = f"the steps before it are {', '.join(known)}" if known else "it is the first step"
            raise _at(path, f"No step {keys[1]!r} has a result here; {before}.")


def _texts(source: Any) -> Iterator[str]:
    if isinstance(source, str):
        yield source
    elif isinstance(source, dict | list):
        for inner in source.values() if isinstance(source, dict) else source:
            yield from _texts(inner)


def _check_step(at: int, step: Step, longest: int) -> None:
    if isinstance(step, ToolStep):
        toolbox_of(step.tool)
    elif isinstance(step, WaitStep):
        _check_wait(f"steps.{at}", step, longest)
    elif isinstance(step, PipelineStep) and step.definition is not None:
        try:
            parse_definition(step.definition)
        except InvalidDefinition as error:
            path = f"steps.{at}.definition"
            problems = [
                one | {"path": f"{path}.{one['path']}".rstrip(".")} for one in error.details["problems"]
            ]
            raise InvalidDefinition(f"{path}: {error.message}", problems=problems) from None


def _check_wait(path: str, step: WaitStep, longest: int) -> None:
    if step.expires is not None and step.expires > longest:
        raise _at(f"{path}.expires", f"A step may wait at most {longest:,} seconds.", code="invalid_step")
    if step.answer_schema is not None:
        if step.choices is not None:
            raise _at(path, "Use either choices or a schema.", code="invalid_step")
        if len(orjson.dumps(step.answer_schema)) > SCHEMA_BYTES:
            raise _at(f"{path}.schema", f"It must not exceed {SCHEMA_BYTES:,} bytes.", code="invalid_schema")
        check_schema(step.answer_schema, f"{path}.schema")


def _at(path: str, message: str, code: str = "invalid_expression", **where: int) -> InvalidRequest:
    return InvalidRequest(f"{path}: {message}", code=code, path=path, **where)
