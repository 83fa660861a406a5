import base64
from urllib.parse import quote, quote_plus

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.destinations.fates import Unsendable
from millrace.destinations.secrets import Redactor, host_allowed, resolve, secrets_of
from millrace.pipelines.definitions.destinations import DatabaseConfig, MixpanelConfig, WebhookConfig
from millrace.stores.secrets import Secret

VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=40)


@given(VALUES, st.text(max_size=30), st.text(max_size=30))
def test_a_secret_is_redacted_in_every_form(value: str, before: str, after: str) -> None:
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


def test_a_configuration_without_secrets_is_left_alone() -> None:
    config = WebhookConfig.model_validate({"url": "https://x.example"})
    _, resolved = resolve(config, {})
    assert secrets_of(config) == set()
    assert Redactor(resolved)("anything") == "anything"
    resolved.check_host("wherever.example")


def test_what_a_secret_contains_is_not_resolved_again() -> None:
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


def test_a_refusal_does_not_tell_a_host_that_holds_the_secret() -> None:
    config = WebhookConfig.model_validate({"url": "https://${secrets.KEY}.evil.example/"})
    _, resolved = resolve(config, {"KEY": Secret("KEY", "sesame-open", ("x.example",))})
    with pytest.raises(Unsendable) as refused:
        resolved.check_host("sesame-open.evil.example")
    assert "sesame-open" not in refused.value.message
