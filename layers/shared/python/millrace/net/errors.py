"""Errors of guarded requests.

MillraceError
├── InvalidRequest
│   └── AddressNotAllowed   422  the URL, or an address of its name, is refused; retrying does not help
└── Unavailable
    └── RequestFailed       503  no answer: name unknown, refused, TLS, interrupted or too slow
"""

from millrace.errors import InvalidRequest, Unavailable


class AddressNotAllowed(InvalidRequest):
    """The URL, or an address to which its name resolves, may not be called."""

    code = "address_not_allowed"


class RequestFailed(Unavailable):
    """The server could not be reached, or its answer could not be read in time."""

    code = "request_failed"
