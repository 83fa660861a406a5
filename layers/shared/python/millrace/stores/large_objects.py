"""Values too large for a message or an item, as gzip objects in the journal's bucket, kept for 30 days.

Keys begin with `_`, which no organization's id does, so they never collide with the journal's keys. Calls
block.
"""

import gzip
from typing import Any

from millrace.errors import Unavailable
from millrace.stores.aws import Aws, unavailable_when_down

MESSAGES = "_messages/"
DEAD_LETTERS = "_dead-letters/"


class LargeObjects:
    """Objects under keys that the caller chooses. Without a bucket, nothing can be stored."""

    def __init__(self, aws: Aws, bucket: str) -> None:
        self._aws = aws
        self._bucket = bucket

    def put(self, key: str, content: bytes) -> None:
        """Store the content. Raises `Unavailable`."""
        if not self._bucket:
            raise Unavailable("Set JOURNAL_BUCKET: large events are kept there.", code="not_configured")
        body = gzip.compress(content, compresslevel=1, mtime=0)
        with unavailable_when_down("s3"):
            self._client.put_object(Bucket=self._bucket, Key=key, Body=body)

    def get(self, key: str) -> bytes | None:
        """Return the content, or None if it does not exist (any more). Raises `Unavailable`."""
        from botocore.exceptions import ClientError

        try:
            with unavailable_when_down("s3"):
                answer = self._client.get_object(Bucket=self._bucket, Key=key)
                return gzip.decompress(answer["Body"].read())
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise

    def delete(self, key: str) -> None:
        """Delete the object, if it exists. Raises `Unavailable`."""
        with unavailable_when_down("s3"):
            self._client.delete_object(Bucket=self._bucket, Key=key)

    @property
    def _client(self) -> Any:
        return self._aws.client("s3")
