"""Stream responses of Python ASGI apps from AWS Lambda."""

from streaming_runtime.errors import ClientDisconnected
from streaming_runtime.snapstart import after_restore, before_snapshot

__all__ = ["ClientDisconnected", "after_restore", "before_snapshot"]
