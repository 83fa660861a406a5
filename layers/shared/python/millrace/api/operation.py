"""The contract of one operation: its callers, its input and its answers.

It is declared once, beside the function that handles it. `admit` enforces the scopes, the OpenAPI document is
created from it, and the tests check every answer against it. Models of answers are named by strings, since
only the document needs them and a function's init must not pay for them.
"""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel

from millrace.domain.access import Principal, Scope, missing_scope

Needs = tuple[tuple[Scope, ...], ...]
"""Alternatives, each a set of scopes that are needed together, as in OpenAPI's security requirements."""
ANY_TOKEN: Needs = ((),)
"""A token is needed, but no scope."""
Credential = Literal["token", "ticket", "either", "none"]
JSON = "application/json"


def all_of(*scopes: Scope) -> Needs:
    """Require all of these scopes."""
    return (scopes,)


def any_of(*scopes: Scope) -> Needs:
    """Require one of these scopes. An error names the first one."""
    return tuple((scope,) for scope in scopes)


class Parameter(NamedTuple):
    """A query parameter or a header."""

    name: str
    description: str
    schema: Mapping[str, Any] = {"type": "string"}
    place: Literal["query", "header"] = "query"


class Answer(NamedTuple):
    """A successful answer: the model of its JSON, the model of its events if it can be streamed, other media
    types, and the headers that are part of the contract."""

    model: str = ""
    events: str = ""
    media: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()


EMPTY = Answer()


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path.

    `errors` has the codes that are specific to this operation; `api.openapi` adds those that every operation
    of its kind can have (no token, invalid body, ...). Statuses in `open_errors` may also have codes of other
    systems, such as model servers. `checks_caller` says that the handler checks itself whether the token was
    revoked, together with its other reads. `audited` says whether calls are in the audit log; by default
    those that change something or read another user's data are.
    """

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
        """True if the answer can be an event stream."""
        return any(self.answer(status).events for status in self.answers)

    def answer(self, status: int) -> Answer:
        """Return the answer with this status."""
        declared = self.answers[status]
        return Answer(declared) if isinstance(declared, str) else declared

    def admit(self, caller: Principal) -> None:
        """Raise `Forbidden`, which names the first missing scope, if the caller lacks the scopes."""
        if not any(caller.scopes.issuperset(scopes) for scopes in self.needs):
            missing = next(scope for scope in self.needs[0] if scope not in caller.scopes)
            raise missing_scope(caller, missing)
