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
        """List the erasures that run, or were done in the last 30 days."""
        return Call(Request("GET", BASE), model(ErasureList))

    @operation
    def create(self, user_id: str) -> Call[ErasureView]:
        """Begin to delete all that a user has left. It cannot be undone."""
        return Call(Request("POST", BASE, body={"userId": user_id}), model(ErasureView))

    @operation
    def create_for_organization(self, organization: str) -> Call[ErasureView]:
        """Begin to delete all of your organization, whose name you give. It cannot be undone."""
        return Call(Request("POST", BASE, body={"organization": organization}), model(ErasureView))


class DataRetention(Resource[IO]):
    """`client.retention`"""

    @operation
    def get(self) -> Call[RetentionView]:
        """Read for how long conversations are kept."""
        return Call(Request("GET", RETENTION), model(RetentionView))

    @operation
    def keep(self, conversation_days: int | None) -> Call[RetentionView]:
        """Keep conversations for so many days after their latest run; None for ever."""
        body = {"conversationDays": conversation_days}
        return Call(Request("PUT", RETENTION, body=body), model(RetentionView))
