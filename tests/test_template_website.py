"""The page behind CloudFront: behaviors for the functions' routes, headers, and the page's addresses."""

import json
import re
import subprocess
from fnmatch import fnmatchcase
from typing import Any

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.deploy import deploy
from local.front import Front
from local.ministack import MiniStack
from local.node import environment
from local.page_headers import page_headers
from tests.aws import TEMPLATE
from tests.templates import translated

Json = dict[str, Any]

TRANSLATED = translated()
RESOURCES: Json = TRANSLATED.body["Resources"]
DISTRIBUTION: Json = RESOURCES["Distribution"]["Properties"]["DistributionConfig"]
BEHAVIORS: list[Json] = DISTRIBUTION["CacheBehaviors"]
ROUTES = {
    route: name.removesuffix("Function")
    for name, source in TRANSLATED.functions.items()
    for route in source.routes
}
CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
ALL_BUT_HOST = "b689b0a8-53d0-40ab-baf2-68738e2966ac"


def cloudfront_origin(path: str) -> str:
    """Return the origin of the first behavior whose pattern matches; `*` and `?` are its only wildcards."""
    for behavior in BEHAVIORS:
        if fnmatchcase(path, behavior["PathPattern"]):
            return str(behavior["TargetOriginId"])
    return "page"


def local_origin(path: str) -> Any:
    front = Front(dict(ROUTES), own="own", web="page")  # type: ignore[arg-type]
    return front._app(path)


segments = st.lists(st.from_regex(r"[a-z0-9.~-]{1,8}", fullmatch=True), max_size=3)
paths = st.builds(
    lambda begin, glue, rest: begin + glue + "/".join(rest),
    st.sampled_from([*ROUTES, "", "/chat", "/live", "/apis", "/hook"]),
    st.sampled_from(["", "/", "x"]),
    segments,
)


@settings(max_examples=300, deadline=None)
@given(paths)
def test_cloudfront_routes_as_the_local_stack_does(path: str) -> None:
    assert cloudfront_origin(path) == local_origin(path)


def test_every_documented_path_reaches_its_function() -> None:
    documented = json.loads((TEMPLATE.parent / "docs/openapi.json").read_text())["paths"]
    for path in documented:
        assert cloudfront_origin(re.sub(r"\{.*?\}", "x", path)) != "page", path


def test_cloudfront_takes_no_more_behaviors_and_origins() -> None:
    assert len(BEHAVIORS) + 1 <= 75
    assert len(DISTRIBUTION["Origins"]) <= 25


def test_functions_get_bearer_tokens_but_not_the_host_and_are_never_cached() -> None:
    """A function URL answers 403 to another host, and signed requests (OAC) would replace the token."""
    for behavior in BEHAVIORS:
        assert behavior["CachePolicyId"] == CACHING_DISABLED
        assert behavior["OriginRequestPolicyId"] == ALL_BUT_HOST
        assert behavior["Compress"] is False, "compression would hold tokens back"
        assert {"POST", "PATCH", "DELETE", "OPTIONS"} <= set(behavior["AllowedMethods"])
    for origin in DISTRIBUTION["Origins"]:
        signed = origin.get("OriginAccessControlId")
        assert bool(signed) == (origin["Id"] == "page"), origin["Id"]


def test_streams_outlive_the_timeouts_of_their_origin() -> None:
    """The read timeout is the time between two bytes, and heartbeats come every 5 seconds.

    Without a completion timeout, CloudFront does not limit the length of a response.
    """
    from millrace.api.sse import HEARTBEAT_SECONDS

    for origin in DISTRIBUTION["Origins"]:
        if origin["Id"] != "page":
            assert HEARTBEAT_SECONDS * 3 < origin["CustomOriginConfig"]["OriginReadTimeout"] <= 60
            assert "ResponseCompletionTimeout" not in origin


def test_functions_that_answer_at_once_end_before_their_origin_is_given_up() -> None:
    """Streams have heartbeats; docs/deploy.md names the whole answers of runs."""
    kinds = {name: one for name, one in RESOURCES.items() if one["Type"] == "AWS::Lambda::Url"}
    buffered = {
        url["Properties"]["TargetFunctionArn"]["Ref"]
        for url in kinds.values()
        if url["Properties"]["InvokeMode"] == "BUFFERED"
    }
    assert buffered == {"ApiFunction", "WebhooksFunction"}
    for name in buffered:
        assert RESOURCES[name]["Properties"]["Timeout"] < 60


def test_each_function_with_routes_is_an_origin() -> None:
    ids = {origin["Id"] for origin in DISTRIBUTION["Origins"]}
    assert ids == {*ROUTES.values(), "page"}


def test_headers_of_the_page_are_those_of_one_machine() -> None:
    config = RESOURCES["WebHeaders"]["Properties"]["ResponseHeadersPolicyConfig"]
    security = config["SecurityHeadersConfig"]
    policy, _ = security["ContentSecurityPolicy"]["ContentSecurityPolicy"]["Fn::Sub"]
    found = {item["Header"]: item["Value"] for item in config["CustomHeadersConfig"]["Items"]}
    found |= {
        "content-security-policy": policy,
        "x-content-type-options": "nosniff" if security["ContentTypeOptions"]["Override"] else "",
        "x-frame-options": security["FrameOptions"]["FrameOption"],
        "referrer-policy": security["ReferrerPolicy"]["ReferrerPolicy"],
    }
    assert found == page_headers("${Connect}")


@pytest.mark.parametrize(
    ("uri", "accept", "served"),
    [
        ("/", "text/html,*/*", "/index.html"),
        ("/runs/run_01.x", "text/html", "/index.html"),
        ("/config.json", "*/*", "/config.json"),
        ("/assets/gone.js", "text/html", "/assets/gone.js"),
        ("/icon.svg", None, "/icon.svg"),
    ],
)
def test_addresses_of_the_page_get_the_page(uri: str, accept: str | None, served: str) -> None:
    code = RESOURCES["WebPages"]["Properties"]["FunctionCode"]
    headers = {"accept": {"value": accept}} if accept else {}
    event = json.dumps({"request": {"uri": uri, "headers": headers}})
    script = f"{code}\nconsole.log(handler({event}).uri)"
    done = subprocess.run(
        ["node", "-e", script], env=environment(), capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == served


def test_website_deploys_and_only_its_distribution_may_read_the_bucket(ministack: MiniStack) -> None:
    arguments = ministack.client_arguments("000000000091")
    deployed = deploy(translated(), arguments, "site")
    assert deployed.outputs["SiteUrl"].startswith("https://")
    bucket = deployed.outputs["WebBucketName"]
    policy = json.loads(boto3.client("s3", **arguments).get_bucket_policy(Bucket=bucket)["Policy"])
    [statement] = policy["Statement"]
    assert statement["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    assert deployed.outputs["DistributionId"] in json.dumps(statement["Condition"])


def test_website_can_be_left_out() -> None:
    conditional = [name for name, one in RESOURCES.items() if one.get("Condition") == "HasWebsite"]
    assert {"WebBucket", "Distribution", "WebPages", "WebHeaders", "WebAccess", "WebBucketPolicy"} == set(
        conditional
    )
