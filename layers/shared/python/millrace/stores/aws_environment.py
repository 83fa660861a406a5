"""The key and the addresses that the environment gives for calls of AWS, as far as they can be told without
botocore.

Lambda puts a key into the environment. A stack on one machine adds an address. Everything else (profiles,
containers' credentials, proxies, FIPS) is botocore's business.
"""

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from millrace.net.trust import public_authorities
from millrace.stores.signature import Credentials

_FOREIGN = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_ACCOUNT_ID_ENDPOINT_MODE",
    "AWS_RETRY_MODE",
    "AWS_MAX_ATTEMPTS",
    "AWS_DATA_PATH",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
)
"""Variables that change what botocore does. Where one is set, botocore does it."""
_ORDINARY = re.compile(r"(af|ap|ca|eu|il|me|mx|sa|us|us-gov)-[a-z]+-\d+")
"""Regions of the partitions whose addresses end with `amazonaws.com`."""


def plain_credentials() -> Credentials | None:
    """The key in the environment; None where there is none, or botocore would heed more than that."""
    key, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    configuration = Path(os.environ.get("AWS_CONFIG_FILE") or "~/.aws/config")
    if not key or not secret or any(map(os.environ.get, _FOREIGN)) or _is_there(configuration):
        return None
    return Credentials(key, secret, os.environ.get("AWS_SESSION_TOKEN", ""))


def address_of(service: str, variable: str, region: str) -> str | None:
    """The URL of a service; `variable` ends the name of the variable that may hold another one. None where
    only botocore knows it."""
    given = os.environ.get(f"AWS_ENDPOINT_URL_{variable}") or os.environ.get("AWS_ENDPOINT_URL")
    if given and os.environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() != "true":
        return None if urlsplit(given).path.strip("/") else given
    return f"https://{service}.{region}.amazonaws.com" if _ORDINARY.fullmatch(region) else None


def authorities() -> str:
    """The file of the certificates that AWS's own are checked against."""
    return os.environ.get("AWS_CA_BUNDLE") or public_authorities()


def trace_header() -> str | None:
    """The header by which Lambda counts how often its functions have called themselves by way of a queue. It
    changes with each invocation."""
    return os.environ.get("_X_AMZN_TRACE_ID") if "AWS_LAMBDA_FUNCTION_NAME" in os.environ else None


def _is_there(file: Path) -> bool:
    try:
        return file.expanduser().is_file()
    except (OSError, RuntimeError):  # no home, as on Lambda
        return False
