"""Files over HTTP: announced here, uploaded directly to S3, used by messages."""

from msgspec import Struct
from pydantic import Field, field_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from millrace.api.cursors import from_cursor, to_cursor
from millrace.api.endpoint import Endpoint, read_body, whole_number
from millrace.api.operation import EMPTY
from millrace.api.parameters import CURSOR, limit
from millrace.domain.access import Principal
from millrace.domain.content import MOST_NAME
from millrace.domain.conversations import Slot
from millrace.domain.files import StoredFile, new_file, unknown_file
from millrace.domain.media import MEDIA_TYPES
from millrace.domain.wire import WireModel
from millrace.errors import MillraceError
from millrace.services.runs.access import authorize
from millrace.stores.connect import Stores

BASE = "/api/files"
PAGE = 50


class UploadFile(WireModel):
    """A file to upload."""

    name: str = Field(min_length=1, max_length=MOST_NAME)
    media_type: str = Field(max_length=128, description=f"one of {', '.join(MEDIA_TYPES)}")
    size: int = Field(ge=1, description="in bytes: at most 25,000,000, and 1,000,000 of text")

    @field_validator("name")
    @classmethod
    def _printable(cls, name: str) -> str:
        if not name.isprintable() or not name.strip():
            raise ValueError("must be printable")
        return name


class Files(Struct, frozen=True):
    """The endpoints of files."""

    stores: Stores

    def endpoints(self) -> list[Endpoint]:
        """Return the endpoints."""
        return [
            Endpoint(
                "POST",
                BASE,
                "Announce a file, and get the form that uploads it",
                "chat",
                self.create_file,
                body=UploadFile,
                answers={201: "FileUpload"},
                errors=("file_too_large", "limit_reached"),
            ),
            Endpoint(
                "GET",
                BASE,
                "List your files, latest first",
                "chat",
                self.list_files,
                parameters=(limit(100, PAGE), CURSOR),
                answers={200: "FilePage"},
            ),
            Endpoint(
                "GET",
                BASE + "/{file_id}",
                "Read a file's details, with its download URL",
                "chat",
                self.read_file,
                answers={200: "FileDownload"},
                errors=("file_not_found",),
            ),
            Endpoint(
                "DELETE",
                BASE + "/{file_id}",
                "Delete a file; messages that have it keep a note",
                "chat",
                self.delete_file,
                answers={204: EMPTY},
                errors=("file_not_found",),
            ),
        ]

    async def create_file(self, request: Request, caller: Principal) -> Response:
        given = await read_body(request, UploadFile)
        file = new_file(
            caller.organization,
            caller.id,
            given.name,
            given.media_type,
            given.size,
            self.stores.clock(),
            MEDIA_TYPES,
        )
        form = await self.stores.file_objects.form(file)
        await self.stores.files.create(file)
        return JSONResponse(file.to_wire() | {"upload": {"url": form["url"], "fields": form["fields"]}}, 201)

    async def list_files(self, request: Request, caller: Principal) -> Response:
        most = whole_number(request, "limit", PAGE, 1, 100)
        after = from_cursor(request.query_params.get("cursor"), "after") or {"after": ""}
        found, more = await self.stores.files.page(caller.organization, caller.id, after["after"], most)
        cursor = to_cursor({"after": more}) if more else None
        return JSONResponse({"items": [one.to_wire() for one in found], "nextCursor": cursor})

    async def read_file(self, request: Request, caller: Principal) -> Response:
        file = await self._readable(caller, request.path_params["file_id"])
        return JSONResponse(file.to_wire() | {"downloadUrl": await self.stores.file_objects.link(file)})

    async def delete_file(self, request: Request, caller: Principal) -> Response:
        file = await self.stores.files.find(caller.organization, request.path_params["file_id"])
        if file is None or file.owner != caller.id:
            raise unknown_file()
        # The object first: without the item, nothing would know that the object exists.
        await self.stores.file_objects.delete(file)
        await self.stores.files.delete(file)
        return Response(status_code=204)

    async def _readable(self, caller: Principal, file_id: str) -> StoredFile:
        """Return the file if the caller owns it or may read the conversation that keeps it. Raises
        `NotFound`."""
        file = await self.stores.files.find(caller.organization, file_id)
        if file is None:
            raise unknown_file()
        if file.owner != caller.id:
            if not file.conversation_id:
                raise unknown_file()
            try:
                await authorize(self.stores, caller, Slot(caller.organization, file.conversation_id), "read")
            except MillraceError as error:
                raise unknown_file() from error
        return file
