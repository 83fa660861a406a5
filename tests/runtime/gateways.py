"""Events of HTTP sources other than function URLs, in the forms that AWS documents."""

from typing import Any


def http_api_event(path: str = "/", *, stage: str = "$default", **fields: Any) -> dict[str, Any]:
    """An HTTP API's event, payload format 2.0; at a stage of its own the path begins with it."""
    return {
        "version": "2.0",
        "routeKey": "ANY /{proxy+}",
        "rawPath": path,
        "rawQueryString": "q=a%20b",
        "headers": {"host": "a1b2c3.execute-api.eu-west-1.amazonaws.com"},
        "requestContext": {
            "apiId": "a1b2c3",
            "domainName": "a1b2c3.execute-api.eu-west-1.amazonaws.com",
            "http": {"method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.7"},
            "stage": stage,
        },
        "isBase64Encoded": False,
        **fields,
    }


def rest_api_event(path: str = "/", *, full: str = "", **fields: Any) -> dict[str, Any]:
    """A REST API's event; `full` is the path with the stage."""
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": "GET",
        "multiValueHeaders": {"Host": ["d4e5f6.execute-api.eu-west-1.amazonaws.com"], "Accept": ["a", "b"]},
        "multiValueQueryStringParameters": {"q": ["a b", "%41"]},
        "requestContext": {
            "apiId": "d4e5f6",
            "domainName": "d4e5f6.execute-api.eu-west-1.amazonaws.com",
            "identity": {"sourceIp": "192.0.2.9"},
            "path": full or f"/prod{path}",
            "stage": "prod",
        },
        "isBase64Encoded": False,
        **fields,
    }


def load_balancer_event(path: str = "/", *, multi_value: bool = False, **fields: Any) -> dict[str, Any]:
    """A load balancer's event: path and parameters are encoded as the client sent them."""
    headers = {"host": "lb.example", "x-forwarded-for": "203.0.113.5, 192.0.2.8", "x-forwarded-proto": "http"}
    query = {"q": "a%20b+c", "empty": ""}
    event: dict[str, Any] = {
        "requestContext": {
            "elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/t/1"}
        },
        "httpMethod": "GET",
        "path": path,
        "body": "",
        "isBase64Encoded": False,
    }
    if multi_value:
        event["multiValueHeaders"] = {name: [value] for name, value in headers.items()}
        event["multiValueQueryStringParameters"] = {
            **{name: [value] for name, value in query.items()},
            "r": ["1", "2"],
        }
    else:
        event |= {"headers": headers, "queryStringParameters": query}
    return {**event, **fields}
