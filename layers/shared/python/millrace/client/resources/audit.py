"""The audit log."""

from millrace.api.schemas.audit import AuditEntryView, AuditPage
from millrace.client.answers import model
from millrace.client.calls import Request, given
from millrace.client.operations import IO, Listing, Resource, listing
from millrace.domain.audit import Kind


class AuditLog(Resource[IO]):
    """`client.audit`"""

    @listing
    def list(
        self,
        *,
        user_id: str | None = None,
        action: str | None = None,
        kind: Kind | None = None,
        since: str | None = None,
        until: str | None = None,
        limit: int | None = None,
    ) -> Listing[AuditEntryView]:
        """List the audit log, latest first."""
        query = given(userId=user_id, action=action, kind=kind, since=since, until=until, limit=limit)
        return Listing(Request("GET", "/api/audit", query), model(AuditPage))
