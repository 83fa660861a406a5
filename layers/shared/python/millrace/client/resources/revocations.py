"""Revocation of tokens."""

from millrace.api.schemas.revocations import RevocationList, RevocationView
from millrace.client.answers import model
from millrace.client.calls import Call, Request
from millrace.client.operations import IO, Resource, operation

BASE = "/api/revocations"


class TokenRevocations(Resource[IO]):
    """`client.revocations`"""

    @operation
    def list(self) -> Call[RevocationList]:
        """List the revocations that are kept, the latest first."""
        return Call(Request("GET", BASE), model(RevocationList))

    @operation
    def create(self, user_id: str) -> Call[RevocationView]:
        """Revoke the tokens that a user has until now."""
        return Call(Request("POST", BASE, body={"userId": user_id}), model(RevocationView))

    @operation
    def create_for_everybody(self) -> Call[RevocationView]:
        """Revoke the tokens that anybody has until now, your own included."""
        return Call(Request("POST", BASE, body={"everybody": True}), model(RevocationView))
