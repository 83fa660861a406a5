"""The headers of the page, defined once in web/headers.json.

The local stack sends them, the template's WebHeaders has the same for CloudFront, and vite also puts the
policy into the page.
"""

import json
from pathlib import Path

_STATED = Path(__file__).parents[1] / "web" / "headers.json"


def page_headers(connect: str | None = None) -> dict[str, str]:
    """Return the security headers.

    `connect` are the sources that scripts of a deployed page may call. Without it, those of one machine,
    where images also come from its ports.
    """
    stated = json.loads(_STATED.read_text())
    policy = stated["contentSecurityPolicy"]
    policy |= stated["onOneMachine"] if connect is None else {"connect-src": connect}
    headers: dict[str, str] = stated["headers"]
    return headers | {
        "content-security-policy": "; ".join(f"{name} {sources}" for name, sources in policy.items())
    }
