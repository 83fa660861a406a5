"""The headers of the page, stated once in web/headers.json.

One machine sends them, the template's WebHeaders has the same for CloudFront, and vite puts the policy into
the page as well."""

import json
from pathlib import Path

_STATED = Path(__file__).parents[1] / "web" / "headers.json"


def page_headers(connect: str | None = None) -> dict[str, str]:
    """Return the security headers. `connect` are the sources that scripts of a deployed page may call.
    Without it, those of one machine, where also images come from its ports."""
    stated = json.loads(_STATED.read_text())
    policy = stated["contentSecurityPolicy"]
    policy |= stated["onOneMachine"] if connect is None else {"connect-src": connect}
    headers: dict[str, str] = stated["headers"]
    return headers | {
        "content-security-policy": "; ".join(f"{name} {sources}" for name, sources in policy.items())
    }
