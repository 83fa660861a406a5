"""The invocation's context for the app: `scope["aws.context"]`, shaped like Lambda's Python
context."""

import os
import time
from dataclasses import dataclass
from typing import Self

from streaming_runtime.runtime_api import Invocation


@dataclass(frozen=True, slots=True)
class Context:
    """`deadline_ms` is the time, in milliseconds since the epoch, at which the host kills the environment."""

    aws_request_id: str
    invoked_function_arn: str
    deadline_ms: int
    trace_id: str | None
    tenant_id: str | None
    function_name: str
    function_version: str
    memory_limit_in_mb: str
    log_group_name: str
    log_stream_name: str

    @classmethod
    def of(cls, invocation: Invocation) -> Self:
        """Return the context of an invocation, completed from Lambda's environment variables."""
        return cls(
            aws_request_id=invocation.request_id,
            invoked_function_arn=invocation.function_arn,
            deadline_ms=invocation.deadline_ms,
            trace_id=invocation.trace_id,
            tenant_id=invocation.tenant_id,
            function_name=os.environ.get("AWS_LAMBDA_FUNCTION_NAME", ""),
            function_version=os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", ""),
            memory_limit_in_mb=os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", ""),
            log_group_name=os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME", ""),
            log_stream_name=os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME", ""),
        )

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the host ends the invocation, never negative."""
        return max(0, self.deadline_ms - int(time.time() * 1000))
