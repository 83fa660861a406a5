"""The JSON Schema of an answer, validated before a run and applied after it."""

from functools import partial
from typing import Any

import orjson

from millrace.agent.output import OutputFormat
from millrace.errors import InvalidRequest
from millrace.services.runs.json_schemas import check_schema, check_value

SCHEMA_BYTES = 32 * 1024


def check_response_schema(schema: dict[str, Any]) -> None:
    """Raise `InvalidRequest` (`invalid_schema`) for a schema that cannot be used."""
    size = len(orjson.dumps(schema))
    if size > SCHEMA_BYTES:
        raise InvalidRequest(
            f"responseSchema has {size:,} bytes as JSON; it must not exceed {SCHEMA_BYTES:,} bytes.",
            code="invalid_schema",
            limit=SCHEMA_BYTES,
        )
    check_schema(schema, "responseSchema")


def output_format(schema: dict[str, Any] | None) -> OutputFormat | None:
    """Return the format of an agent's answers, if it has one."""
    if schema is None:
        return None
    return OutputFormat(schema, partial(check_value, schema=schema, name="output"))
