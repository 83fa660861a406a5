"""A pipeline template: a definition with parameters to fill in.

In a template's definition, `$(name)` stands for a parameter. If it is the whole text, it is replaced by the
value itself, of any type. Within a longer text, it is replaced by the value's text.
"""

import re
from typing import Any

from msgspec import Struct

from millrace.errors import InvalidRequest

Json = dict[str, Any]
_PLACEHOLDER = re.compile(r"\$\(([A-Za-z]+)\)")
_TYPES: dict[str, tuple[type, str]] = {
    "text": (str, "a text"),
    "number": (int, "a whole number"),
    "texts": (list, "a list of texts"),
    "secret": (str, "the name of a secret"),
}


class Parameter(Struct, frozen=True):
    """A parameter of type text, number, texts or secret (the name of one, never its value).

    Without `default` it is required.
    """

    name: str
    description: str
    type: str = "text"
    default: Any = None

    def to_public(self) -> Json:
        public = {"name": self.name, "description": self.description, "type": self.type}
        return public | ({"required": True} if self.default is None else {"default": self.default})

    def checked(self, given: Json) -> Any:
        """Return the value to use. Raises `InvalidRequest`."""
        value = given.get(self.name, self.default)
        kind, words = _TYPES[self.type]
        if value is None:
            raise _wrong(self, f"give {words}: {self.description}")
        # In Python, true is an int and would pass as a number.
        if not isinstance(value, kind) or isinstance(value, bool):
            raise _wrong(self, f"this is no {words.partition(' ')[2]}")
        if isinstance(value, list) and not all(isinstance(one, str) for one in value):
            raise _wrong(self, f"this is no {words.partition(' ')[2]}")
        return value


def _wrong(parameter: Parameter, problem: str) -> InvalidRequest:
    path = f"parameters.{parameter.name}"
    return InvalidRequest(f"{path}: {problem}.", code="invalid_parameter", path=path)


class Template(Struct, frozen=True):
    """A template. `definition` is a pipeline's, with `$(name)` for parameters."""

    id: str
    description: str
    parameters: tuple[Parameter, ...]
    definition: Json

    def to_public(self) -> Json:
        """Return the JSON object for clients."""
        parameters = [one.to_public() for one in self.parameters]
        return {
            "id": self.id,
            "name": self.definition["name"],
            "description": self.description,
            "parameters": parameters,
            "definition": self.definition,
        }

    def fill(self, given: Json) -> Json:
        """Return the definition with its parameters filled in, not yet validated. Raises `InvalidRequest`."""
        known = {one.name for one in self.parameters}
        unknown = sorted(given.keys() - known)
        if unknown:
            allowed = ", ".join(sorted(known))
            raise InvalidRequest(
                f"parameters.{unknown[0]}: not known; this template has {allowed}.",
                code="invalid_parameter",
                path=f"parameters.{unknown[0]}",
            )
        filled: Json = _filled(self.definition, {one.name: one.checked(given) for one in self.parameters})
        return filled


def _filled(part: Any, values: Json) -> Any:
    if isinstance(part, dict):
        return {name: _filled(value, values) for name, value in part.items()}
    if isinstance(part, list):
        return [_filled(value, values) for value in part]
    if not isinstance(part, str):
        return part
    whole = _PLACEHOLDER.fullmatch(part)
    if whole:
        return values[whole[1]]
    return _PLACEHOLDER.sub(lambda placeholder: str(values[placeholder[1]]), part)
