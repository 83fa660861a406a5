"""Exports of everything that is kept of a user, or of the organization."""

from millrace.api.schemas.exports import ExportList, ExportPartPage, ExportPartView, ExportView
from millrace.client.answers import model, nothing
from millrace.client.calls import Call, Request, given, path
from millrace.client.operations import IO, Listing, Resource, listing, operation

BASE = "/api/exports"


class DataExports(Resource[IO]):
    """`client.exports`"""

    @operation
    def list(self) -> Call[ExportList]:
        """List the exports that run, or can be downloaded, the latest first."""
        return Call(Request("GET", BASE), model(ExportList))

    @operation
    def get(self, export_id: str) -> Call[ExportView]:
        """Read how far an export is."""
        return Call(Request("GET", path(BASE + "/{}", export_id)), model(ExportView))

    @operation
    def create(self, user_id: str) -> Call[ExportView]:
        """Begin to export everything that is kept of a user; one that runs goes on."""
        return Call(Request("POST", BASE, body={"userId": user_id}), model(ExportView))

    @operation
    def create_for_organization(self, organization: str) -> Call[ExportView]:
        """Begin to export everything of your organization, whose name you give; one that runs goes on."""
        return Call(Request("POST", BASE, body={"organization": organization}), model(ExportView))

    @listing
    def parts(self, export_id: str, *, limit: int | None = None) -> Listing[ExportPartView]:
        """List the archives that are there, each with the URL that downloads it within 15 minutes."""
        query = given(limit=limit)
        return Listing(Request("GET", path(BASE + "/{}/parts", export_id), query), model(ExportPartPage))

    @operation
    def delete(self, export_id: str) -> Call[None]:
        """Cancel an export that runs, or delete one that is done."""
        return Call(Request("DELETE", path(BASE + "/{}", export_id)), nothing)
