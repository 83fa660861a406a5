"""`${secrets.NAME}` in a definition: its syntax, and where it is allowed."""

import re
from typing import Any

from pydantic_core import PydanticCustomError

from millrace.pipelines.definitions.written import written

REFERENCE = re.compile(r"\$\{secrets\.([A-Za-z0-9_-]{1,100})\}")
_WRITTEN = (
    "`${` begins a reference to a secret, which is written `${secrets.NAME}`; a name has 1 to 100 of "
    "A-Z a-z 0-9 _ -."
)
_INTENDED = re.compile(r"\$\{\s*secrets?\b", re.IGNORECASE)


def check_references(text: str) -> None:
    """Raise for a `${` that begins no reference: it would be sent as it is, and count as delivered."""
    if "${" in REFERENCE.sub("", text):
        raise PydanticCustomError(
            "invalid_reference",
            "{message}",
            {"message": _WRITTEN},
        )


def refuse_references(value: Any) -> None:
    """Raise for any reference, even an invalid one, where none is ever resolved, also within lists."""
    if isinstance(value, dict):
        refuse_references([*value.keys(), *value.values()])
    elif isinstance(value, list):
        for each in value:
            refuse_references(each)
    elif isinstance(value, str) and _INTENDED.search(value):
        raise PydanticCustomError(
            "secret_not_allowed",
            "Secrets may be used only in urls, headers and credentials, not in expressions, templates or "
            "data.",
        )


WithReferences = written(check_references)
WithoutReferences = written(refuse_references)
