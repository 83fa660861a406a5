"""Erasure of users and organizations, and the time for which conversations are kept."""

from millrace.api.schemas.erasures import ErasureList, ErasureView, RetentionView
from millrace.client.answers import model
from millrace.client.calls import Call, Request
from millrace.client.operations import IO, Resource, operation

BASE = "/api/erasures"
RETENTION = "/api/retention"


class DataErasures(Resource[IO]):
    """`client.erasures`"""

    @operation
    def list(self) -> Call[ErasureList]:
        """List the erasures that are in progress or ended in the last 30 days."""
        return Call(Request("GET", BASE), model(ErasureList))

    @operation
    def create(self, user_id: str) -> Call[ErasureView]:
        """Start to delete all data of a user. This cannot be undone."""
        return Call(Request("POST", BASE, body={"userId": user_id}), model(ErasureView))

    @operation
    def create_for_organization(self, organization: str) -> Call[ErasureView]:
        """Start to delete your organization, whose name you pass. This cannot be undone."""
        return Call(Request("POST", BASE, body={"organization": organization}), model(ErasureView))


class DataRetention(Resource[IO]):
    """`client.retention`"""

    @operation
    def get(self) -> Call[RetentionView]:
        """Read how long conversations are kept."""
        return Call(Request("GET", RETENTION), model(RetentionView))

    @operation
    def keep(self, conversation_days: int | None) -> Call[RetentionView]:
        """Keep conversations for this many days after their latest run; None keeps them forever."""
        body = {"conversationDays": conversation_days}
        return Call(Request("PUT", RETENTION, body=body), model(RetentionView))
