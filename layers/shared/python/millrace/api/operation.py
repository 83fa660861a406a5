"""The contract of one operation: who may call it, what it takes, and what it answers.

It is declared once, beside the code that answers. The scope is enforced from here (`admit`), the OpenAPI
document is made of it, and the tests hold every answer against it. Models of answers are named by strings:
they are needed for the document only, and a function's init must not pay for them.
"""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel

from millrace.domain.access import Principal, Scope, missing_scope

Needs = tuple[tuple[Scope, ...], ...]
"""Alternatives, each of them the scopes that it takes together, as OpenAPI writes security requirements."""
ANY_TOKEN: Needs = ((),)
"""A token is needed, but no scope."""
Credential = Literal["token", "ticket", "either", "none"]
JSON = "application/json"


def all_of(*scopes: Scope) -> Needs:
    """A caller needs all of these scopes."""
    return (scopes,)


def any_of(*scopes: Scope) -> Needs:
    """A caller needs one of these scopes; an error names the first."""
    return tuple((scope,) for scope in scopes)


class Parameter(NamedTuple):
    """A query parameter or a header."""

    name: str
    description: str
    schema: Mapping[str, Any] = {"type": "string"}
    place: Literal["query", "header"] = "query"


class Answer(NamedTuple):
    """A successful answer: the model of its JSON, the model of the events where it can be streamed, other
    media types that it can have, and the headers that are part of the contract."""

    model: str = ""
    events: str = ""
    media: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()


EMPTY = Answer()


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `errors` holds the codes that belong to this operation; those that every
    operation of its kind can have (no token, a wrong body, ...) are added by `api.openapi`. Statuses in
    `open_errors` may also come with codes that are not ours, such as those of a model's server.
    `checks_caller`: what the handler calls finds out if the token was revoked, with what else it reads.
    `audited` says if its calls are in the audit log: by default those that change something, and those that
    read what is another user's."""

    method: str
    path: str
    summary: str
    scope: Scope | Needs
    _: KW_ONLY
    answers: Mapping[int, Answer | str]
    errors: tuple[str, ...] = ()
    open_errors: tuple[int, ...] = ()
    body: type[BaseModel] | str | None = None
    body_required: bool = True
    body_media: tuple[str, ...] = (JSON,)
    parameters: tuple[Parameter, ...] = ()
    credential: Credential = "token"
    description: str = ""
    checks_caller: bool = False
    audited: bool | None = None
    needs: Needs = field(init=False)

    def __post_init__(self) -> None:
        needs: Needs = ((self.scope,),) if isinstance(self.scope, str) else self.scope
        object.__setattr__(self, "needs", needs)

    @property
    def streams(self) -> bool:
        """True where the answer can be an event stream."""
        return any(self.answer(status).events for status in self.answers)

    def answer(self, status: int) -> Answer:
        """The answer with this status."""
        declared = self.answers[status]
        return Answer(declared) if isinstance(declared, str) else declared

    def admit(self, caller: Principal) -> None:
        """Raises `Forbidden`, which names the first missing scope, for a caller without the scopes."""
        if not any(caller.scopes.issuperset(scopes) for scopes in self.needs):
            missing = next(scope for scope in self.needs[0] if scope not in caller.scopes)
            raise missing_scope(caller, missing)
