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
        """List the revocations, latest first."""
        return Call(Request("GET", BASE), model(RevocationList))

    @operation
    def create(self, user_id: str) -> Call[RevocationView]:
        """Revoke all tokens that were issued to a user until now."""
        return Call(Request("POST", BASE, body={"userId": user_id}), model(RevocationView))

    @operation
    def create_for_everybody(self) -> Call[RevocationView]:
        """Revoke all tokens that were issued until now, including your own."""
        return Call(Request("POST", BASE, body={"everybody": True}), model(RevocationView))
