"""The base of JSON objects that go over the wire."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict


def to_camel(name: str) -> str:
    """The name of a field as it goes over the wire. pydantic's own looks at each with three patterns, and an
    init names some hundred fields."""
    first, *rest = name.split("_")
    return first + "".join(map(str.title, rest))


class WireModel(BaseModel):
    """Base of what goes over the wire: camelCase there, unknown fields refused. A process needs few of these
    models, so each is built when it is first used, and not at import."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", defer_build=True
    )

    @classmethod
    def known(cls, **values: Any) -> Self:
        """One whose values the code itself gives, by the names of the fields: they are not checked, which
        would build the model at import. `tests/domain/test_wire.py` checks them."""
        return cls.model_construct(**values)

    def to_wire(self) -> dict[str, Any]:
        """The JSON object as clients see it."""
        return self.model_dump(mode="json", by_alias=True)
