"""Exports of everything that is stored about a user or the organization."""

from millrace.api.schemas.exports import ExportList, ExportPartPage, ExportPartView, ExportView
from millrace.client.answers import model, nothing
from millrace.client.calls import Call, Request, given, path
from millrace.client.operations import IO, Listing, Resource, listing, operation

BASE = "/api/exports"


class DataExports(Resource[IO]):
    """`client.exports`"""

    @operation
    def list(self) -> Call[ExportList]:
        """List the exports that are in progress or can be downloaded, latest first."""
        return Call(Request("GET", BASE), model(ExportList))

    @operation
    def get(self, export_id: str) -> Call[ExportView]:
        """Read the progress of an export."""
        return Call(Request("GET", path(BASE + "/{}", export_id)), model(ExportView))

    @operation
    def create(self, user_id: str) -> Call[ExportView]:
        """Start to export all data of a user; an export that is already in progress continues."""
        return Call(Request("POST", BASE, body={"userId": user_id}), model(ExportView))

    @operation
    def create_for_organization(self, organization: str) -> Call[ExportView]:
        """Start to export all data of your organization, whose name you pass; an export that is already in
        progress continues."""
        return Call(Request("POST", BASE, body={"organization": organization}), model(ExportView))

    @listing
    def parts(self, export_id: str, *, limit: int | None = None) -> Listing[ExportPartView]:
        """List the archives of an export, each with a download URL that is valid for 15 minutes."""
        query = given(limit=limit)
        return Listing(Request("GET", path(BASE + "/{}/parts", export_id), query), model(ExportPartPage))

    @operation
    def delete(self, export_id: str) -> Call[None]:
        """Cancel an export, or delete a finished one."""
        return Call(Request("DELETE", path(BASE + "/{}", export_id)), nothing)
