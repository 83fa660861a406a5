"""The content of a message: a text, or parts that may also be images and files.

    {"type": "text", "text"}
    {"type": "image", "url" | "data" + "mediaType" | "fileId", "name"?}
    {"type": "file", "url" + "mediaType" | "data" + "mediaType" | "fileId", "name"?}

A part is stored as a block of the history, in addition to those in `agent.model`: `{"text": str}`, or
`{"image" | "file": {"mediaType", "name", "size", "fileId" | "url"}}`. No block contains the bytes themselves.
Every protocol creates its parts with `attachment`, whatever its clients call them.
"""

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal
from urllib.parse import unquote_to_bytes, urlsplit

from pydantic import Field, field_validator, model_validator

from millrace.domain.media import FILE_TYPES, IMAGE_TYPES, checked_type, plain_type
from millrace.domain.wire import WireModel
from millrace.errors import InvalidRequest, TooLarge, UnsupportedMedia

MOST_PARTS = 32
MOST_ATTACHMENTS = 10
INLINE_BYTES = 3_500_000
"""The maximum bytes of attachments within a message: Lambda accepts requests of 6 MB, and base64 turns three
bytes into four."""
MOST_URL = 2048
MOST_NAME = 200
KINDS = ("image", "file")

Block = dict[str, Any]


class TextPart(WireModel):
    """A text."""

    type: Literal["text"] = "text"
    text: str = Field(min_length=1)


class _Attachment(WireModel):
    """The fields that images and files share: exactly one of `url`, `data` and `fileId`."""

    url: str | None = Field(
        default=None, max_length=MOST_URL, pattern=r"^https?://", description="fetched when the agent runs"
    )
    data: str | None = Field(default=None, description="base64; with mediaType")
    file_id: str | None = Field(
        default=None, max_length=64, description="the id of a file that was uploaded with POST /api/files"
    )
    media_type: str | None = Field(default=None, max_length=128)
    name: str | None = Field(default=None, max_length=MOST_NAME)

    @model_validator(mode="after")
    def _one_source(self) -> "_Attachment":
        if sum(one is not None for one in (self.url, self.data, self.file_id)) != 1:
            raise ValueError("must have exactly one of url, data and fileId")
        if self.data is not None and self.media_type is None:
            raise ValueError("data needs its mediaType")
        return self

    @field_validator("url")
    @classmethod
    def _has_host(cls, url: str | None) -> str | None:
        if url and not _host_of(url):
            raise ValueError("must be an absolute URL")
        return url

    @field_validator("name")
    @classmethod
    def _printable(cls, name: str | None) -> str | None:
        if name is not None and not name.isprintable():
            raise ValueError("must be printable")
        return name

    def bytes(self) -> bytes:
        """Return the bytes of `data`. Raises `InvalidRequest`."""
        return _decoded(self.data or "")


class ImagePart(_Attachment):
    """An image: PNG, JPEG, GIF or WebP."""

    type: Literal["image"] = "image"

    @field_validator("media_type")
    @classmethod
    def _is_image(cls, given: str | None) -> str | None:
        return None if given is None else checked_type(given, IMAGE_TYPES)


class FilePart(_Attachment):
    """A file: a PDF, or text (plain, Markdown, CSV, JSON)."""

    type: Literal["file"] = "file"

    @field_validator("media_type")
    @classmethod
    def _is_file(cls, given: str | None) -> str | None:
        return None if given is None else checked_type(given, FILE_TYPES)

    @model_validator(mode="after")
    def _typed_url(self) -> "FilePart":
        if self.url is not None and self.media_type is None:
            raise ValueError("a file's url needs its mediaType")
        return self


Part = TextPart | ImagePart | FilePart
Attachment = ImagePart | FilePart
Parts = Annotated[
    list[Annotated[Part, Field(discriminator="type")]], Field(min_length=1, max_length=MOST_PARTS)
]
Content = str | Sequence[Part]
"""What a client sends: a text, or parts in their order."""


def attachment(
    media_type: str | None,
    *,
    url: str | None = None,
    data: str | None = None,
    file_id: str | None = None,
    name: str | None = None,
) -> Attachment:
    """Return an image or file from a client of any protocol.

    `url` may be a `data:` URL, `data` is base64, and `media_type` may be missing if the URL contains it or an
    image is meant. Raises `InvalidRequest` or `UnsupportedMedia`.
    """
    if any(one is not None and not isinstance(one, str) for one in (media_type, url, data, file_id, name)):
        raise InvalidRequest("The fields of an image or a file must be texts.", code="invalid_request")
    if url and url[:5].lower() == "data:":
        known, data = _data_url(url)
        url, media_type = None, media_type if media_type and "*" not in media_type else known
    given = plain_type(media_type or "")
    if given in ("", "image/*") and not data:
        kind: type[ImagePart] | type[FilePart] = ImagePart
        given = ""
    elif given in IMAGE_TYPES or given in FILE_TYPES:
        kind = ImagePart if given in IMAGE_TYPES else FilePart
    else:
        raise unsupported(given)
    fields = {"url": url, "data": data, "file_id": file_id, "media_type": given or None, "name": name}
    try:
        return kind.model_validate({key: value for key, value in fields.items() if value is not None})
    except ValueError as error:
        raise InvalidRequest(
            "A part must have a URL of http or https, or base64 with its media type, or a file's id.",
            code="invalid_request",
        ) from error


def unsupported(media_type: str) -> UnsupportedMedia:
    """Return the error for a media type that no model is sent."""
    return UnsupportedMedia(
        f"{media_type or 'Content without a media type'} cannot be sent to an agent; send one of "
        f"{', '.join([*IMAGE_TYPES, *FILE_TYPES])}.",
        code="media_type_refused",
    )


def _data_url(url: str) -> tuple[str, str]:
    """Return the media type and the base64 of a `data:` URL."""
    head, comma, body = url[5:].partition(",")
    if not comma:
        raise InvalidRequest("A data: URL must have a comma before its data.", code="invalid_request")
    media_type, *options = head.split(";")
    if "base64" in (option.strip().lower() for option in options):
        return media_type, body
    return media_type or "text/plain", base64.b64encode(unquote_to_bytes(body)).decode()


def _host_of(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _decoded(data: str) -> bytes:
    # Some clients omit the padding, and break lines as in mail.
    text = "".join(data.split())
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(
            "The data of a part must be base64.", code="invalid_request", fields=[{"path": "content"}]
        ) from error


def check_content(content: Content) -> None:
    """Check what is known of a content before anything is read. Raises `InvalidRequest` or `TooLarge`."""
    found = attachments(content)
    if not text_of(content).strip() and not found:
        raise InvalidRequest("The message is empty.", code="empty_message")
    if len(found) > MOST_ATTACHMENTS:
        raise InvalidRequest(
            f"A message may have at most {MOST_ATTACHMENTS} images and files.",
            code="too_many_attachments",
            limit=MOST_ATTACHMENTS,
        )
    size = sum(len(one.data) for one in found if one.data is not None) * 3 // 4
    if size > INLINE_BYTES:
        raise TooLarge(
            f"A message may contain at most {INLINE_BYTES:,} bytes of images and files; upload larger ones "
            "with POST /api/files and send their fileId.",
            code="attachments_too_large",
            limit=INLINE_BYTES,
        )


def attachments(content: Content) -> list[Attachment]:
    """Return the images and files of a content, in order."""
    return [] if isinstance(content, str) else [one for one in content if not isinstance(one, TextPart)]


def text_of(content: Content) -> str:
    """Return the texts of a content, one below the other."""
    if isinstance(content, str):
        return content
    return "\n".join(part.text for part in content if isinstance(part, TextPart))


def fingerprint(content: Content) -> str:
    """Return a text that is equal for equal content."""
    if isinstance(content, str):
        return content
    return "\0".join(part.model_dump_json(exclude_none=True) for part in content)


def to_blocks(content: Content, stored: Mapping[int, Block]) -> list[Block]:
    """Return the content as blocks of the history. `stored` has the facts about each part that is a file, by
    its index."""
    if isinstance(content, str):
        return [{"text": content}]
    return [_block(part, stored.get(number, {})) for number, part in enumerate(content)]


def _block(part: Part, stored: Block) -> Block:
    if isinstance(part, TextPart):
        return {"text": part.text}
    known = {"mediaType": part.media_type, "name": part.name, "url": part.url} | stored
    return {part.type: {name: value for name, value in known.items() if value is not None}}


def attached(block: Mapping[str, Any]) -> Block | None:
    """Return the facts of a block that is an image or a file; None for any other block."""
    return next((block[kind] for kind in KINDS if kind in block), None)


def note_of(block: Mapping[str, Any]) -> str:
    """Return a note that stands for an image or a file in text."""
    kind = "image" if "image" in block else "file"
    about = attached(block) or {}
    named = about.get("name") or about.get("url") or about.get("mediaType") or ""
    return f"[{kind}: {named}]" if named else f"[{kind}]"


def plain_text(blocks: Iterable[Mapping[str, Any]]) -> str:
    """Return the texts of blocks, with a note for each image and file, one below the other."""
    lines = (note_of(block) if attached(block) else block.get("text", "") for block in blocks)
    return "\n".join(line for line in lines if line)
