"""Streams responses of Python ASGI apps from AWS Lambda."""

from streaming_runtime.errors import ClientGone
from streaming_runtime.snapstart import after_restore, before_snapshot

__all__ = ["ClientGone", "after_restore", "before_snapshot"]
