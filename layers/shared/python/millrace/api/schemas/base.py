"""Base classes of the models that describe answers. Only tests validate with them."""

from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from millrace.domain.wire import to_camel

Item = TypeVar("Item")
JsonObject = dict[str, Any]


class Shape(BaseModel):
    """A JSON object of an answer, in camelCase. Later releases may add fields."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Page(Shape, Generic[Item]):
    """A page of a list."""

    items: list[Item]
    next_cursor: str | None = Field(description="the `cursor` of the next page; null on the last page")


class Listing(Shape, Generic[Item]):
    """A complete list."""

    items: list[Item]
