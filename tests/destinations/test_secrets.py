import base64
import html
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.destinations.results import Unsendable
from millrace.destinations.secrets import Redactor, host_allowed, resolve, secrets_of
from millrace.pipelines.definitions.destinations import DatabaseConfig, MixpanelConfig, WebhookConfig
from millrace.stores.secrets import Secret

VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=40)


@given(VALUES, st.text(max_size=30), st.text(max_size=30))
def test_secret_is_redacted_in_every_form(value: str, before: str, after: str) -> None:
    config = WebhookConfig.model_validate({"url": "https://x.example", "headers": {"X": "${secrets.KEY}"}})
    filled, resolved = resolve(config, {"KEY": Secret("KEY", value, ("x.example",))})
    assert filled.headers["X"] == value
    redact = Redactor(resolved)
    encoded = base64.b64encode(value.encode()).decode()
    for form in (value, quote(value), quote(value, safe=""), quote_plus(value), encoded):
        assert redact(f"{before}\n{form}\n{after}").count("[secret KEY]") >= 1
        assert form not in redact(form)
    assert redact(orjson.dumps({"v": value}).decode()) == '{"v":"[secret KEY]"}'


def test_basic_credentials_and_passwords_in_urls_are_redacted() -> None:
    config = MixpanelConfig.model_validate(
        {
            "provider": "mixpanel",
            "projectToken": "literal-token",
            "serviceAccount": "me",
            "serviceSecret": "${secrets.S}",
            "projectId": "7",
        }
    )
    _, resolved = resolve(config, {"S": Secret("S", "sesame-open", ())})
    sent = base64.b64encode(b"me:sesame-open").decode()
    assert Redactor(resolved)(f"{sent} literal-token") == "[secret service_secret] [secret project_token]"
    database = DatabaseConfig.model_validate({"table": "t"})
    url = "postgresql://u:pass%2Fword@db.example/x"
    _, resolved = resolve(database, {"DATABASE_URL": Secret("DATABASE_URL", url, ())})
    assert "pass" not in Redactor(resolved)(f"{url} pass%2Fword pass/word")
    slack = WebhookConfig.model_validate({"url": "${secrets.HOOK}"})
    hook = "https://hooks.slack.com/services/T0/B0/abcdef"
    _, resolved = resolve(slack, {"HOOK": Secret("HOOK", hook, ())})
    assert Redactor(resolved)("no /services/T0/B0/abcdef here") == "no [secret HOOK] here"


def test_configuration_without_secrets_is_left_alone() -> None:
    config = WebhookConfig.model_validate({"url": "https://x.example"})
    _, resolved = resolve(config, {})
    assert secrets_of(config) == set()
    assert Redactor(resolved)("anything") == "anything"
    resolved.check_host("wherever.example")


def test_placeholders_inside_a_secret_are_not_resolved() -> None:
    config = WebhookConfig.model_validate({"url": "https://x.example/${secrets.A}"})
    known = {"A": Secret("A", "${secrets.B}", ()), "B": Secret("B", "b-secret-value", ())}
    filled, _ = resolve(config, known)
    assert filled.url == "https://x.example/${secrets.B}"


@pytest.mark.parametrize(
    ("host", "allowed", "fine"),
    [
        ("api.example.com", ("api.example.com",), True),
        ("API.example.com.", ("api.example.com",), True),
        ("a.b.example.com", ("*.example.com",), True),
        ("example.com", ("*.example.com",), False),
        ("evilexample.com", ("*.example.com",), False),
        ("api.example.com.evil.example", ("api.example.com", "*.example.com"), False),
        ("", ("api.example.com",), False),
        ("api.example.com", (), False),
    ],
)
def test_hosts(host: str, allowed: tuple[str, ...], fine: bool) -> None:
    assert host_allowed(host, allowed) == fine


def test_refusal_does_not_tell_a_host_that_holds_the_secret() -> None:
    config = WebhookConfig.model_validate({"url": "https://${secrets.KEY}.evil.example/"})
    _, resolved = resolve(config, {"KEY": Secret("KEY", "sesame-open", ("x.example",))})
    with pytest.raises(Unsendable) as error:
        resolved.check_host("sesame-open.evil.example")
    assert "sesame-open" not in error.value.message


def percent(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


def json_escapes(text: str) -> str:
    """Every character escaped, which JSON allows."""
    units = text.encode("utf-16-be")
    return "".join(f"\\u{units[at]:02X}{units[at + 1]:02x}" for at in range(0, len(units), 2))


ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "json": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "ascii_json": lambda text: json.dumps(text)[1:-1],
    "escaped_slashes": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "all_json_escapes": json_escapes,
    "html": html.escape,
    "html_decimal": lambda text: "".join(f"&#{ord(each)};" for each in text),
    "html_hex": lambda text: "".join(f"&#x{ord(each):x};" for each in text),
    "url": quote,
    "url_form": quote_plus,
    "all_percent": percent,
}
BASES: dict[str, Callable[[str, str], str]] = {
    "value": lambda value, user: value,
    "base64": lambda value, user: base64.b64encode(value.encode()).decode(),
    "basic": lambda value, user: base64.b64encode(f"{user}:{value}".encode()).decode(),
    "key_only": lambda value, user: base64.b64encode(f"{value}:".encode()).decode(),
    "url_safe": lambda value, user: base64.urlsafe_b64encode(f"{user}:{value}".encode()).decode(),
}
WIDE = st.text(
    st.characters(exclude_categories=("C", "Zl", "Zp", "Zs"), exclude_characters="\u00a0"),
    min_size=8,
    max_size=30,
)


@given(
    value=WIDE,
    user=st.text(max_size=8),
    base=st.sampled_from(sorted(BASES)),
    inner=st.sampled_from(sorted(ENCODINGS)),
    outer=st.sampled_from(sorted(ENCODINGS)),
    around=st.tuples(st.text(max_size=20), st.text(max_size=20)),
)
def test_secret_leaves_in_no_encoding(
    value: str, user: str, base: str, inner: str, outer: str, around: tuple[str, str]
) -> None:
    """Encoded once and once more (JSON within JSON, a URL within HTML), with anything before and after."""
    config = WebhookConfig.model_validate({"url": "https://x.example", "headers": {"X": "${secrets.KEY}"}})
    _, resolved = resolve(config, {"KEY": Secret("KEY", value, ("x.example",))})
    reported = ENCODINGS[outer](ENCODINGS[inner](BASES[base](value, user.replace(":", ""))))
    answer = f"{around[0]} {reported} {around[1]}"
    assert reported not in Redactor(resolved)(answer)
    assert "[secret KEY]" in Redactor(resolved)(answer)


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ('{"token":"abc","abcd":1}', '{"token":"[secret KEY]","abcd":1}'),
        ("token=abc&x=1", "token=[secret KEY]&x=1"),
        ("Authorization: Bearer abc", "Authorization: Bearer [secret KEY]"),
        ("key: abc", "key: [secret KEY]"),
        ("abc", "[secret KEY]"),
        ('{\\"t\\":\\"abc\\"}', '{\\"t\\":\\"[secret KEY]\\"}'),
        (f"Basic {base64.b64encode(b'abc:').decode()}", "Basic [secret KEY]"),
        ("abcdefg, the abc of it", "abcdefg, the abc of it"),
    ],
)
def test_short_secret_is_redacted_only_as_a_whole_value(said: str, left: str) -> None:
    config = WebhookConfig.model_validate({"url": "https://x.example", "headers": {"X": "${secrets.KEY}"}})
    _, resolved = resolve(config, {"KEY": Secret("KEY", "abc", ("x.example",))})
    assert Redactor(resolved)(said) == left


@pytest.mark.parametrize(
    ("url", "value"),
    [
        ("https://x${secrets.B64}", "QUJD/REVGR0hJSktMTU5P"),
        ("https://${secrets.B64}.evil.example/", "sesame-open"),
        ("https://${secrets.B64}@known.example/", "QUJD/REVGR0hJSktMTU5P"),
        ("${secrets.B64}", "https://Hidden-Host.example/path"),
        ("https://${secrets.B64}/", "geheim-é.example"),
    ],
)
def test_host_that_holds_a_secret_is_never_quoted(url: str, value: str) -> None:
    config = WebhookConfig.model_validate({"url": url})
    filled, resolved = resolve(config, {"B64": Secret("B64", value, ("x.example",))})
    host = httpx.URL(filled.url).raw_host.decode()
    with pytest.raises(Unsendable) as error:
        resolved.check_host(host)
    assert host not in error.value.message
    said = f"The name {host} cannot be resolved, nor {httpx.URL(filled.url).host}."
    assert host not in Redactor(resolved)(said)
    assert httpx.URL(filled.url).host not in Redactor(resolved)(said)


def test_known_host_is_quoted_beside_a_secret_user() -> None:
    config = WebhookConfig.model_validate({"url": "https://u:${secrets.P}@known.example/"})
    _, resolved = resolve(config, {"P": Secret("P", "sesame-open", ("x.example",))})
    with pytest.raises(Unsendable, match=r"not to known\.example"):
        resolved.check_host("known.example")
