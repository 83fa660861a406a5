"""AWS credentials and endpoints from the environment, where they can be determined without botocore.

Lambda provides a key in the environment, and a local stack adds an endpoint. Everything else (profiles,
container credentials, proxies, FIPS) is left to botocore.
"""

import os
import re
from pathlib import Path
from urllib.parse import quote, urlsplit

from millrace.net.trust import public_authorities
from millrace.stores.signature import Credentials

_FOREIGN = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_ACCOUNT_ID_ENDPOINT_MODE",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_RETRY_MODE",
    "AWS_MAX_ATTEMPTS",
    "AWS_DATA_PATH",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
)
"""Variables that change botocore's behavior. If one is set, botocore handles the service."""
_ORDINARY = re.compile(r"(af|ap|ca|eu|il|me|mx|sa|us|us-gov)-[a-z]+-\d+")
"""Regions of the partitions whose endpoints end with `amazonaws.com`."""


def plain_credentials() -> Credentials | None:
    """Return the key from the environment, or None if there is none or botocore would consider other
    settings."""
    key, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    configuration = Path(os.environ.get("AWS_CONFIG_FILE") or "~/.aws/config")
    if not key or not secret or any(map(os.environ.get, _FOREIGN)) or _is_there(configuration):
        return None
    token = os.environ.get("AWS_SECURITY_TOKEN") or os.environ.get("AWS_SESSION_TOKEN")  # the old name first
    return Credentials(key, secret, token or "")


def address_of(service: str, variable: str, region: str) -> str | None:
    """Return the URL of a service, or None if only botocore can determine it.

    `variable` is the suffix of the `AWS_ENDPOINT_URL_...` variable that may override the URL.
    """
    given = os.environ.get(f"AWS_ENDPOINT_URL_{variable}") or os.environ.get("AWS_ENDPOINT_URL")
    if given and os.environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() != "true":
        return None if urlsplit(given).path.strip("/") else given
    return f"https://{service}.{region}.amazonaws.com" if _ORDINARY.fullmatch(region) else None


def authorities() -> str:
    """Return the file of the certificates that AWS's certificates are verified against."""
    given = os.environ.get("AWS_CA_BUNDLE") or os.environ.get("REQUESTS_CA_BUNDLE")
    return given or public_authorities()


def trace_header() -> str | None:
    """Return the trace header, by which Lambda detects that functions invoke themselves through a queue.

    It changes with each invocation.
    """
    found = os.environ.get("_X_AMZN_TRACE_ID") if "AWS_LAMBDA_FUNCTION_NAME" in os.environ else None
    return found and quote(found, safe="-=;:+&[]{}\"',")


def _is_there(file: Path) -> bool:
    try:
        return file.expanduser().is_file()
    except (OSError, RuntimeError):  # no home directory, as on Lambda
        return False
