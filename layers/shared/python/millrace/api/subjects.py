"""The subject of an erasure or an export: a user, or the caller's organization."""

from typing import Self

from pydantic import Field, model_validator

from millrace.domain.access import Principal
from millrace.domain.wire import WireModel
from millrace.errors import InvalidRequest


class Subject(WireModel):
    """The part of a body that names the subject. The organization must be named explicitly, so that it is
    never meant by mistake."""

    user_id: str | None = Field(default=None, min_length=1, max_length=255)
    organization: str | None = Field(default=None, min_length=1, max_length=128)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.user_id is None) == (self.organization is None):
            raise ValueError("send userId, or organization")
        return self

    def user_of(self, caller: Principal, act: str) -> str:
        """Return the id of the user; empty for the caller's organization. `act` is the verb for the message
        of an error. Raises `InvalidRequest` for another organization."""
        if self.organization not in (None, caller.organization):
            raise InvalidRequest(
                f"To {act} your organization, send its name as `organization`.", code="wrong_organization"
            )
        return self.user_id or ""
