"""Filters as users write them: a comparison, or a tree of comparisons."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, ValidationInfo, model_validator

from millrace.pipelines.definitions.model import FieldPath, Model
from millrace.pipelines.definitions.references import refuse_references
from millrace.pipelines.definitions.written import is_stored, misplaced
from millrace.pipelines.errors import InvalidExpression
from millrace.pipelines.expressions.patterns import Pattern
from millrace.pipelines.limits import FILTER_CONDITIONS

Operator = Literal["eq", "neq", "gt", "gte", "lt", "lte", "contains", "in", "regex", "exists"]


class Condition(Model):
    """A comparison of a field. `exists` takes true (the default) or false."""

    field: FieldPath
    operator: Operator
    value: Any = None

    @model_validator(mode="after")
    def _value_fits(self) -> "Condition":
        if self.operator == "in" and not isinstance(self.value, list):
            raise ValueError("`in` needs a list as its value.")
        if self.operator == "regex":
            _check_pattern(self.value)
        if self.operator == "exists" and self.value not in (None, True, False):
            raise ValueError("`exists` needs true or false as its value.")
        return self

    @model_validator(mode="after")
    def _value_can_match(self, info: ValidationInfo) -> "Condition":
        if not is_stored(info):
            refuse_references(self.value)
            _check_value(self.operator, self.value, "value" in self.model_fields_set)
        return self


def _check_value(operator: Operator, value: Any, given: bool) -> None:
    """Raise for a comparison that is incomplete, or that no event could ever pass."""
    if operator != "exists" and not given:
        raise misplaced("value", f"`{operator}` needs a `value`; write null to compare with null.")
    ordered = operator in ("gt", "gte", "lt", "lte")
    if ordered and (isinstance(value, bool) or not isinstance(value, int | float | str)):
        raise misplaced("value", f"`{operator}` compares numbers with numbers and strings with strings.")
    if operator == "in" and value == []:
        raise misplaced("value", "Nothing is `in` an empty list.")


def _check_pattern(value: Any) -> None:
    if not isinstance(value, str):
        raise ValueError("`regex` needs a pattern as its value.")
    try:
        Pattern(value)
    except InvalidExpression as error:
        raise ValueError(error.reason) from None


class AllOf(Model):
    """True if every condition is true."""

    all_of: Annotated[list["ConditionTree"], Field(alias="and", min_length=1, max_length=FILTER_CONDITIONS)]


class AnyOf(Model):
    """True if any condition is true."""

    any_of: Annotated[list["ConditionTree"], Field(alias="or", min_length=1, max_length=FILTER_CONDITIONS)]


class NotOf(Model):
    """True if the condition inside is false."""

    not_of: Annotated["ConditionTree", Field(alias="not")]


def _shape(value: Any) -> str:
    """Return the form of a filter, so that errors refer to that form only."""
    if isinstance(value, dict):
        return next((f"<{key}>" for key in ("and", "or", "not") if key in value), "<comparison>")
    models = ((AllOf, "<and>"), (AnyOf, "<or>"), (NotOf, "<not>"))
    return next((shape for model, shape in models if isinstance(value, model)), "<comparison>")


ConditionTree = Annotated[
    Annotated[Condition, Tag("<comparison>")]
    | Annotated[AllOf, Tag("<and>")]
    | Annotated[AnyOf, Tag("<or>")]
    | Annotated[NotOf, Tag("<not>")],
    Discriminator(_shape),
]
