import time

import pytest

from millrace.agent.providers.failures import (
    LONGEST_RETRY_AFTER,
    Server,
    failure,
    readable,
    retry_after,
    said,
)

SERVER = Server("The server", "Check THE_KEY.", ("sk-secret", ""))
NOW = 1_760_000_000.0  # Thu, 09 Oct 2025 08:53:20 GMT


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        (400, "provider_rejected", False),
        (401, "provider_auth", False),
        (402, "provider_rejected", False),
        (403, "provider_auth", False),
        (404, "unknown_model", False),
        (408, "provider_unavailable", True),
        (413, "request_too_large", False),
        (422, "provider_rejected", False),
        (429, "rate_limited", True),
        (500, "provider_unavailable", True),
        (503, "provider_unavailable", True),
        (529, "provider_unavailable", True),
    ],
)
def test_every_status_has_its_code(status: int, code: str, retryable: bool) -> None:
    error = failure(SERVER, status, "because")
    assert (error.code, error.retryable, error.http_status) == (code, retryable, status)
    assert error.message.startswith(f"The server answered {status}: because")


def test_refused_key_says_what_to_check_and_no_message_repeats_it() -> None:
    error = failure(SERVER, 401, "Incorrect API key sk-secret given")
    assert error.message == "The server answered 401: Incorrect API key *** given Check THE_KEY."


def test_secret_is_removed_before_the_message_is_cut() -> None:
    assert readable("x" * 495 + "sk-secret", ["sk-secret"]) == "x" * 495 + "***"
    assert len(readable("x" * 9000, [])) == 500


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error": {"message": "no such model", "type": "x"}}', "no such model"),
        (b'{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}', "Overloaded"),
        (b'{"error": "model not found"}', "model not found"),
        (b'{"message": "too many tokens"}', "too many tokens"),
        (b'{"Message": "expired"}', "expired"),
        (b'{"detail": "Not Found"}', "Not Found"),
        (b"<html>Bad Gateway</html>", "<html>Bad Gateway</html>"),
        (b"\xff\xfe", "��"),
        (b"[1]", "[1]"),
        (b'{"error":' * 1000 + b"1" + b"}" * 1000, '{"error":' * 1000 + "1" + "}" * 1000),
        (b"", ""),
    ],
)
def test_servers_own_words_are_found(body: bytes, words: str) -> None:
    assert said(body) == words


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "Thu, 09 Oct 2025 08:54:00 GMT"}, 40),
        ({"retry-after": "Thu, 09 Oct 2025 08:53:00 GMT"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "999999999"}, LONGEST_RETRY_AFTER),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 360),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "120ms"}, 0.12),
        ({"x-ratelimit-remaining-requests": "9", "x-ratelimit-reset-requests": "6m0s"}, None),
        (
            {
                "anthropic-ratelimit-input-tokens-remaining": "0",
                "anthropic-ratelimit-input-tokens-reset": "2025-10-09T08:53:30Z",
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2025-10-09T08:53:21Z",
            },
            10,
        ),
    ],
)
def test_time_to_wait_is_read_from_every_kind_of_header(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after(headers, NOW) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize("date", ["Thu Oct  9 08:54:00 2025", "Thu, 09 Oct 2025 08:54:00 -0000"])
def test_date_without_a_zone_is_in_utc_on_every_machine(monkeypatch: pytest.MonkeyPatch, date: str) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert retry_after({"retry-after": date}, NOW) == 40
    finally:
        monkeypatch.undo()
        time.tzset()
