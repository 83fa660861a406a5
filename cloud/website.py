"""`python -m cloud.website`: upload the built page and the stack's config.json to its bucket.

Without CloudFront, `make page` serves the same files on this machine, and the page calls the function URLs.
"""

import json
import mimetypes
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3

from cloud.stack import ROOT, CloudError, Stack, chosen_name, parser_of, require_stack
from local.template import read_template

DIST = ROOT / "web" / "dist"
FOREVER = "public, max-age=31536000, immutable"
ASK = "no-cache"
# The table of `mimetypes` depends on the machine.
TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".html": "text/html; charset=utf-8",
    ".wasm": "application/wasm",
}


def config_of(stack: Stack) -> dict[str, Any]:
    """Return the page's `/config.json`. Without CloudFront, `apiBase` has the function URL of each route."""
    outputs = stack.outputs
    issuer = outputs["Issuer"]
    client = outputs.get("UserPoolClientId") or stack.parameters.get("OidcAudience", "")
    auth = {"issuer": issuer, "clientId": client}
    if "UserPoolId" in outputs and "SignInUrl" not in outputs:  # the page itself asks for the password
        auth["userPoolEndpoint"] = f"https://{issuer.removeprefix('https://').partition('/')[0]}/"
    bases = {} if "SiteUrl" in outputs else _function_urls(outputs)
    return {
        "auth": auth,
        "devUser": None,
        "apiBase": bases,
    }


def _function_urls(outputs: dict[str, str]) -> dict[str, str]:
    """Return the URL of each route's function, which is the output `<Function>Url`."""
    found: dict[str, str] = {}
    for name, source in read_template(ROOT / "template.yaml").functions.items():
        url = outputs.get(f"{name.removesuffix('Function')}Url", "")
        found |= dict.fromkeys(source.routes, url.rstrip("/"))
    return dict(sorted(found.items()))


def upload(stack: Stack, s3: Any, cloudfront: Any, dist: Path = DIST) -> int:
    """Upload the files, delete those that no longer exist (except assets), and invalidate CloudFront's cache.

    A file is uploaded after the files that it refers to. Return the number of files. Raises `CloudError`."""
    if not (dist / "index.html").is_file():
        raise CloudError(f"{dist} does not contain the page. Run `make web/dist/index.html` first.")
    bucket = stack.outputs["WebBucketName"]
    files = sorted(
        _files(dist), key=lambda name: (not name.startswith("assets/"), name == "index.html", name)
    )
    config = json.dumps(config_of(stack)).encode()
    _put(s3, bucket, "config.json", config, "application/json")
    for name in files:
        if name != "config.json":
            _put(s3, bucket, name, (dist / name).read_bytes(), _type(name))
    _delete_gone(s3, bucket, {*files, "config.json"})
    paths = {"Quantity": 1, "Items": ["/*"]}
    batch = {"Paths": paths, "CallerReference": f"{stack.id}-{hash(config)}-{len(files)}-{_stamp(dist)}"}
    cloudfront.create_invalidation(DistributionId=stack.outputs["DistributionId"], InvalidationBatch=batch)
    return len(files)


def _files(dist: Path) -> Iterator[str]:
    return (path.relative_to(dist).as_posix() for path in dist.rglob("*") if path.is_file())


def _stamp(dist: Path) -> int:
    return max(path.stat().st_mtime_ns for path in dist.rglob("*"))


def _put(s3: Any, bucket: str, name: str, content: bytes, kind: str) -> None:
    cache = FOREVER if name.startswith("assets/") else ASK
    s3.put_object(Bucket=bucket, Key=name, Body=content, ContentType=kind, CacheControl=cache)


def _type(name: str) -> str:
    suffix = Path(name).suffix
    return TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"


def _delete_gone(s3: Any, bucket: str, kept: set[str]) -> None:
    """Delete files that are not kept, except old assets, which open pages may still request."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for one in page.get("Contents", []):
            if one["Key"] not in kept and not one["Key"].startswith("assets/"):
                s3.delete_object(Bucket=bucket, Key=one["Key"])


def main(arguments: list[str]) -> int:
    chosen = parser_of("website", __doc__).parse_args(arguments)
    try:
        stack = require_stack(chosen_name(chosen))
        if "WebBucketName" not in stack.outputs:
            raise CloudError("This stack has no website. Deploy with Website=cloudfront, or run `make page`.")
        count = upload(stack, boto3.client("s3"), boto3.client("cloudfront"))
    except CloudError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Uploaded {count} files of the page to {stack.outputs['SiteUrl']}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
