"""What all parts of a pipeline's definition share: camelCase on the wire, nothing unknown, checked texts."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from millrace.pipelines.errors import InvalidExpression
from millrace.pipelines.expressions.expression import compile_expression
from millrace.pipelines.expressions.template import compile_template
from millrace.pipelines.limits import SOURCE_CHARACTERS, TEMPLATE_CHARACTERS


class Model(BaseModel):
    """Base of every model here."""

    # Deferred: otherwise every part builds a validator of its own at import, and only the whole is used.
    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        defer_build=True,
    )


def _invalid(error: InvalidExpression) -> PydanticCustomError:
    return PydanticCustomError(
        "invalid_expression",
        "{reason} (line {line}, column {column})",
        {"reason": error.reason, "line": error.line, "column": error.column},
    )


def _no_secret(text: str) -> str:
    if "${secrets." in text:
        raise PydanticCustomError(
            "secret_not_allowed",
            "Secrets stand only in urls, headers and credentials, never in expressions or templates.",
        )
    return text


def _expression(text: str) -> str:
    try:
        compile_expression(_no_secret(text))
    except InvalidExpression as error:
        raise _invalid(error) from None
    return text


def _template(text: str) -> str:
    try:
        compile_template(_no_secret(text))
    except InvalidExpression as error:
        raise _invalid(error) from None
    return text


ExpressionText = Annotated[
    str,
    AfterValidator(_expression),
    Field(max_length=SOURCE_CHARACTERS, description="An expression, such as `upper(user.name)`."),
]
TemplateText = Annotated[
    str,
    AfterValidator(_template),
    Field(max_length=TEMPLATE_CHARACTERS, description="Text with `{{expression}}` in it."),
]
FIELD = r"^[^.]+(\.[^.]+)*$"
FieldPath = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        pattern=FIELD,
        description="A field by name; dots lead into objects (`tokenUsage.total`, `$meta.type`).",
    ),
]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Milliseconds = Annotated[int, Field(ge=0, le=366 * 86_400_000)]
OnError = Literal["dlq", "drop", "null"]
