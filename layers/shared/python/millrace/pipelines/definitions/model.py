"""The base of all parts of a definition: camelCase in JSON, no unknown fields, validated texts."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from millrace.domain.wire import to_camel
from millrace.pipelines.definitions.references import WithoutReferences
from millrace.pipelines.definitions.written import written
from millrace.pipelines.errors import InvalidExpression
from millrace.pipelines.expressions.expression import compile_expression
from millrace.pipelines.expressions.fields import parse_field
from millrace.pipelines.expressions.template import compile_template
from millrace.pipelines.limits import SOURCE_CHARACTERS, TEMPLATE_CHARACTERS


class Model(BaseModel):
    """The base of all models of definitions."""

    # Deferred: otherwise every part would build its own validator at import, although only the whole is used.
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


def _expression(text: str) -> str:
    try:
        compile_expression(text)
    except InvalidExpression as error:
        raise _invalid(error) from None
    return text


def check_template(text: str) -> str:
    """Return a template unchanged, or raise if it does not parse."""
    try:
        compile_template(text)
    except InvalidExpression as error:
        raise _invalid(error) from None
    return text


ExpressionText = Annotated[
    str,
    Field(max_length=SOURCE_CHARACTERS, description="An expression, such as `upper(user.name)`."),
    WithoutReferences,
    AfterValidator(_expression),
]
TemplateText = Annotated[
    str,
    Field(max_length=TEMPLATE_CHARACTERS, description="Text with `{{expression}}` in it."),
    WithoutReferences,
    AfterValidator(check_template),
]


def _field(path: str) -> None:
    if parse_field(path) is None:
        raise PydanticCustomError("invalid_field", FIELD_SHAPE)


FIELD_SHAPE = (
    "A field is a name, or names with dots between: `tokenUsage.total`. `items[0].price` leads into a list, "
    '`["a.b"]` to a name with dots.'
)
FieldPath = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        description="A field by name; dots lead into objects (`tokenUsage.total`, `$meta.type`), brackets "
        'into lists (`items[0].price`) and to other names (`["a.b"]`).',
    ),
    written(_field),
]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Milliseconds = Annotated[int, Field(ge=0, le=366 * 86_400_000)]
OnError = Literal["dlq", "drop", "null"]
