"""Archives of exports in the bucket of files."""

from typing import IO, Any

from msgspec import Struct

from millrace.domain.exports import ExportPart
from millrace.errors import Unavailable
from millrace.stores.aws import Aws
from millrace.stores.file_objects import download_link


class ExportObjects(Struct, frozen=True):
    """The bucket of files. Without one, methods raise `Unavailable`."""

    aws: Aws
    bucket: str

    def check(self) -> None:
        """Raise `Unavailable` if there is no bucket."""
        if not self.bucket:
            raise Unavailable("Set FILES_BUCKET: exports are written there.", code="not_configured")

    async def put(self, key: str, archive: IO[bytes]) -> None:
        """Upload an archive, reading it as it is sent."""
        await self.aws.call(
            "s3", "put_object", Bucket=self.bucket, Key=key, Body=archive, ContentType="application/zip"
        )

    async def open(self, bucket: str, key: str) -> Any:
        """Return the body of an object, or None if it does not exist (any more). Reading the body blocks."""
        from botocore.exceptions import ClientError

        try:
            return (await self.aws.call("s3", "get_object", Bucket=bucket, Key=key))["Body"]
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                return None
            raise

    async def keys(self, bucket: str, prefix: str, after: str, limit: int) -> list[str]:
        """Return up to `limit` keys that begin with a prefix and follow `after`, in order."""
        start = {"StartAfter": after} if after else {}
        found = await self.aws.call(
            "s3", "list_objects_v2", Bucket=bucket, Prefix=prefix, MaxKeys=limit, **start
        )
        return [one["Key"] for one in found.get("Contents", [])]

    async def link(self, part: ExportPart, name: str) -> str:
        """Return a URL that downloads a part under this name and expires after a few minutes."""
        self.check()
        return await download_link(self.aws, self.bucket, part.key, "application/zip", name)
