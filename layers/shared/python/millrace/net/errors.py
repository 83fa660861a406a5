"""Errors of guarded requests.

MillraceError
├── InvalidRequest
│   └── AddressNotAllowed   422  the URL or what its name resolves to is refused; trying again is no use
└── Unavailable
    └── RequestFailed       503  no answer: name unknown, refused, TLS, broken off or too slow
"""

from millrace.errors import InvalidRequest, Unavailable


class AddressNotAllowed(InvalidRequest):
    """The URL, or an address its name resolves to, is not one that may be called."""

    code = "address_not_allowed"


class RequestFailed(Unavailable):
    """The server could not be reached, or its answer could not be read, in the time given."""

    code = "request_failed"
