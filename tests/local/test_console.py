"""The console output of the stack."""

import io
import json

from rich.console import Console as Terminal

from local.console import NORMAL, QUIET, VERBOSE, Console
from local.function_urls import Served
from local.invocation import FunctionFailed


def a_console(level: int = NORMAL) -> tuple[Console, io.StringIO]:
    written = io.StringIO()
    console = Console(level, Terminal(file=written, soft_wrap=True, width=80))
    console.functions(["ApiFunction", "ConversationFunction"])
    return console, written


def a_request(failure: FunctionFailed | None = None, status: int = 200) -> Served:
    return Served("ApiFunction", "3f2a91bc-1111", "GET", "/api/x", status, 0.004, 0.0051, 81, failure)


def test_request_is_one_line() -> None:
    console, written = a_console()
    console.served(a_request())
    assert written.getvalue().split() == (
        "Api 3f2a91bc GET /api/x 200 first byte 4 ms total 5 ms 81 MB".split()
    )
    assert written.getvalue().count("\n") == 1


def test_failure_says_why() -> None:
    console, written = a_console(QUIET)
    console.served(a_request(FunctionFailed("Runtime.ExitError", "Runtime exited: signal: 9"), 502))
    assert "Runtime.ExitError: Runtime exited: signal: 9" in written.getvalue()


def test_quiet_keeps_to_what_is_wrong() -> None:
    console, written = a_console(QUIET)
    console.step("ready")
    console.served(a_request())
    console.line("ApiFunction", "1", '{"level": "INFO", "message": "fine"}')
    assert written.getvalue() == ""
    console.line("ApiFunction", "1", '{"level": "ERROR", "message": "broken"}')
    assert "ERROR broken" in written.getvalue()


def test_json_logs_are_shown_as_text_and_whole_when_verbose() -> None:
    line = '{"level": "INFO", "message": "fine", "run": "r1"}'
    for level, shown in ((NORMAL, "INFO fine"), (VERBOSE, line)):
        console, written = a_console(level)
        console.line("ApiFunction", "1", line)
        assert shown in written.getvalue()


def test_metrics_are_kept_and_shown_only_when_verbose() -> None:
    line = '{"_aws":{"Timestamp":1,"CloudWatchMetrics":[]},"ItemsOut":1}'
    for level, shown in ((NORMAL, False), (VERBOSE, True)):
        console, written = a_console(level)
        console.line("ApiFunction", "1", line)
        assert ("ItemsOut" in written.getvalue()) is shown
        assert "ItemsOut" in console.kept_lines()[0]


def test_log_line_cannot_steer_the_terminal() -> None:
    console, written = a_console()
    console.line("ApiFunction", "1", "[red]\x1b[2Jcleared\x07")
    assert "\x1b" not in written.getvalue()
    assert "\x07" not in written.getvalue()
    assert "[red]" in written.getvalue()


def test_last_lines_are_kept_as_json_and_no_more_than_a_thousand() -> None:
    console, _ = a_console(QUIET)
    for number in range(1200):
        console.line("ApiFunction", "id", f"line {number}")
    kept = [json.loads(line) for line in console.kept_lines()]
    assert len(kept) == 1000
    assert kept[-1]["text"] == "line 1199"
    assert (kept[0]["function"], kept[0]["request_id"]) == ("ApiFunction", "id")
