"""The bytes of files in their bucket.

An upload form can write only to `uploads/...`. A file that a message uses is copied from there, so that the
holder of the form cannot change it afterwards.
"""

import re
from typing import Any

from msgspec import Struct

from millrace.domain.conversations import Slot
from millrace.domain.files import UPLOAD_SECONDS, StoredFile, kept_prefix
from millrace.errors import Unavailable
from millrace.stores.aws import Aws

DOWNLOAD_SECONDS = 15 * 60
_MISSING = {"NoSuchKey", "404", "PreconditionFailed", "412", "InvalidRange", "AccessDenied"}


class Head(Struct, frozen=True):
    """The beginning of an object, its size in bytes, and the ETag of this content."""

    data: bytes
    size: int
    tag: str


class FileObjects:
    """The bucket of files. Without one, methods that need it raise `Unavailable`."""

    def __init__(self, aws: Aws, bucket: str) -> None:
        self._aws = aws
        self._bucket = bucket

    @property
    def configured(self) -> bool:
        """True if there is a bucket."""
        return bool(self._bucket)

    async def form(self, file: StoredFile) -> dict[str, Any]:
        """Return the form (`url`, `fields`) that uploads exactly this file and expires after a few
        minutes."""
        kind = {"Content-Type": file.media_type}
        return await self._call(
            "generate_presigned_post",
            Key=file.key,
            Fields=kind,
            Conditions=[kind, ["content-length-range", file.size, file.size]],
            ExpiresIn=UPLOAD_SECONDS,
        )

    async def link(self, file: StoredFile) -> str:
        """Return a URL that downloads a file and expires after a few minutes.

        A browser saves the file instead of displaying it, so nothing in it can run.
        """
        return await download_link(self._aws, self._needed(), file.key, file.media_type, file.name)

    async def head(self, file: StoredFile, most: int) -> Head | None:
        """Return the first bytes of a file, or None if it does not exist (yet)."""
        answer = await self._get(Key=file.key, Range=f"bytes=0-{most - 1}")
        if answer is None:
            return None
        size = int(answer["ContentRange"].rpartition("/")[2])
        return Head(answer["Body"].read(), size, answer["ETag"])

    async def read(self, key: str) -> bytes | None:
        """Return the bytes of an object, or None if it does not exist (any more)."""
        answer = await self._get(Key=key)
        return None if answer is None else bytes(answer["Body"].read())

    async def copy(self, file: StoredFile, kept: StoredFile, tag: str) -> bool:
        """Copy an upload to its conversation's folder. Return False if its content has changed."""
        from botocore.exceptions import ClientError

        try:
            await self._call(
                "copy_object",
                Key=kept.key,
                CopySource={"Bucket": self._needed(), "Key": file.key},
                CopySourceIfMatch=tag,
                ContentType=kept.media_type,
                MetadataDirective="REPLACE",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                return False
            raise
        return True

    async def put(self, file: StoredFile, data: bytes) -> None:
        """Store bytes that arrived within a message."""
        await self._call("put_object", Key=file.key, Body=data, ContentType=file.media_type)

    async def delete(self, *files: StoredFile) -> None:
        """Delete the objects of files."""
        for file in files:
            await self._call("delete_object", Key=file.key)

    async def kept_ids(self, root: Slot) -> list[str]:
        """Return the ids of up to 1,000 files that a conversation keeps."""
        prefix = kept_prefix(root)
        found = await self._call("list_objects_v2", Prefix=prefix, MaxKeys=1000)
        return [one["Key"].removeprefix(prefix) for one in found.get("Contents", [])]

    async def delete_kept(self, root: Slot, ids: list[str]) -> None:
        """Delete up to 1,000 objects that a conversation keeps."""
        objects = [{"Key": kept_prefix(root) + one} for one in ids]
        answer = await self._call("delete_objects", Delete={"Objects": objects, "Quiet": True})
        if answer.get("Errors"):
            raise RuntimeError(f"S3 left {len(answer['Errors'])} files of {root.key}.")

    async def _get(self, **parameters: Any) -> dict[str, Any] | None:
        from botocore.exceptions import ClientError

        try:
            return await self._call("get_object", **parameters)
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                return None
            raise

    async def _call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        return await self._aws.call("s3", operation, Bucket=self._needed(), **parameters)

    def _needed(self) -> str:
        if not self._bucket:
            raise Unavailable("Set FILES_BUCKET: images and files are kept there.", code="not_configured")
        return self._bucket


async def download_link(aws: Aws, bucket: str, key: str, media_type: str, name: str) -> str:
    """Return a URL that downloads an object under this name and expires after a few minutes."""
    shown = re.sub(r'[^ -~]|["\\]', "_", name)
    parameters = {
        "Bucket": bucket,
        "Key": key,
        "ResponseContentType": media_type,
        "ResponseContentDisposition": f'attachment; filename="{shown}"',
    }
    answer: Any = await aws.call(
        "s3",
        "generate_presigned_url",
        ClientMethod="get_object",
        Params=parameters,
        ExpiresIn=DOWNLOAD_SECONDS,
    )
    return str(answer)
