"""CORS from the function URL's configuration."""

from local import cors
from local.deploy import Cors
from local.payload import Head, Request

ANYONE = Cors(allow_origins=("*",), allow_methods=("*",), allow_headers=("*",), expose_headers=("x-run-id",))
ASKED = [("origin", "https://a.example"), ("access-control-request-method", "DELETE")]


def a_request(*headers: tuple[str, str], method: str = "OPTIONS") -> Request:
    return Request(method, "/", "", [*headers], b"", "127.0.0.1")


def test_options_request_without_a_method_asked_for_goes_to_the_function() -> None:
    assert not cors.is_preflight(a_request(("origin", "https://a.example")))
    assert cors.is_preflight(a_request(*ASKED))
    assert not cors.is_preflight(a_request(*ASKED, method="GET"))


def test_wildcards_allow_what_is_asked_for() -> None:
    asked = [*ASKED, ("access-control-request-headers", "authorization,x-a")]
    headers = dict(cors.preflight(ANYONE, a_request(*asked)).headers)
    assert headers["access-control-allow-origin"] == "*"
    assert headers["access-control-allow-methods"] == "*"
    assert headers["access-control-allow-headers"] == "authorization,x-a"


def test_credentials_name_the_origin_instead_of_the_wildcard() -> None:
    configuration = Cors(allow_origins=("*",), allow_methods=("*",), allow_credentials=True)
    headers = dict(cors.preflight(configuration, a_request(*ASKED)).headers)
    assert headers["access-control-allow-origin"] == "https://a.example"
    assert headers["access-control-allow-credentials"] == "true"
    assert headers["vary"] == "Origin"


def test_request_without_an_origin_gets_no_headers() -> None:
    head = Head(200, [("content-type", "text/plain")])
    assert cors.with_cors(head, ANYONE, a_request(method="GET")) == head


def test_another_origin_gets_none_of_the_functions_own_headers_either() -> None:
    configuration = Cors(allow_origins=("https://b.example",), allow_methods=("*",))
    head = Head(200, [("access-control-allow-origin", "*"), ("x-a", "1")])
    answered = cors.with_cors(head, configuration, a_request(*ASKED, method="GET"))
    assert answered.headers == [("x-a", "1")]
