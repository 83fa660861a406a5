"""The headers of the page, on one machine and, by the template's WebHeaders, from CloudFront."""

_POLICY = {
    "default-src": "'self'",
    "script-src": "'self' 'wasm-unsafe-eval'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob: https:",
    "media-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "worker-src": "'self' blob:",
    "connect-src": "",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}


def page_headers(connect: str = "'self' http: https: ws:") -> dict[str, str]:
    """Return the security headers. `connect` are the sources that scripts may call; on one machine, whatever
    serves the stack, sign-in and buckets there."""
    policy = _POLICY | {"connect-src": connect}
    return {
        "content-security-policy": "; ".join(f"{name} {sources}" for name, sources in policy.items()),
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "permissions-policy": "camera=(), geolocation=(), microphone=(self), payment=()",
        "cross-origin-opener-policy": "same-origin",
    }
