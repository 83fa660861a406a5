"""The client of Millrace's API: `Client` blocks, `AsyncClient` is awaited. See docs/sdk-python.md."""

from millrace.client.client import AsyncClient, Client
from millrace.client.errors import (
    APIError,
    AuthenticationError,
    ConflictError,
    ConnectionLostError,
    InvalidRequestError,
    MillraceError,
    NotFoundError,
    NotStreamingError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitError,
    RunActiveError,
    RunFailedError,
    RunWaitingError,
    RunWaitsError,
    ServerError,
)
from millrace.client.policy import Policy
from millrace.client.state import RunState

__all__ = [
    "APIError",
    "AsyncClient",
    "AuthenticationError",
    "Client",
    "ConflictError",
    "ConnectionLostError",
    "InvalidRequestError",
    "MillraceError",
    "NotFoundError",
    "NotStreamingError",
    "PermissionDeniedError",
    "Policy",
    "ProtocolError",
    "RateLimitError",
    "RunActiveError",
    "RunFailedError",
    "RunState",
    "RunWaitingError",
    "RunWaitsError",
    "ServerError",
]
