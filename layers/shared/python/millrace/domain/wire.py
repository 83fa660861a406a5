"""The base of the JSON objects of the API."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict


def to_camel(name: str) -> str:
    """Return the name of a field in JSON. pydantic's own function matches three patterns for each name, and
    an init has some hundred fields."""
    first, *rest = name.split("_")
    return first + "".join(map(str.title, rest))


class WireModel(BaseModel):
    """Base of the JSON objects of the API: camelCase, unknown fields refused. A process needs only a few of
    these models, so each is built when it is first used rather than at import."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", defer_build=True
    )

    @classmethod
    def known(cls, **values: Any) -> Self:
        """Create an object from values in the code, by the names of the fields, without validation, which
        would build the model at import. `tests/domain/test_wire.py` checks them."""
        return cls.model_construct(**values)

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON object for clients."""
        return self.model_dump(mode="json", by_alias=True)
