"""The app's startup and shutdown."""

import pytest

from streaming_runtime.asgi import Receive, Scope, Send
from streaming_runtime.errors import SetupError
from streaming_runtime.lifespan import Lifespan


async def test_app_without_lifespan_starts_and_ends() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"

    lifespan = Lifespan(app)
    await lifespan.startup()
    await lifespan.shutdown()
    assert lifespan.state == {}


async def test_state_set_at_startup_is_kept() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert await receive() == {"type": "lifespan.startup"}
        scope["state"]["pool"] = 1
        await send({"type": "lifespan.startup.complete"})
        assert await receive() == {"type": "lifespan.shutdown"}
        scope["state"]["pool"] = 2
        await send({"type": "lifespan.shutdown.complete"})

    lifespan = Lifespan(app)
    await lifespan.startup()
    assert lifespan.state == {"pool": 1}
    await lifespan.shutdown()
    assert lifespan.state == {"pool": 2}


@pytest.mark.parametrize("message", ["no database", ""])
async def test_failed_startup_says_why(message: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": message})
        raise RuntimeError

    with pytest.raises(SetupError, match=message or "startup failed"):
        await Lifespan(app).startup()


async def test_failed_shutdown_says_why() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.failed", "message": "cannot flush"})

    lifespan = Lifespan(app)
    await lifespan.startup()
    with pytest.raises(SetupError, match="cannot flush"):
        await lifespan.shutdown()


async def test_lifespan_that_breaks_later_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        raise RuntimeError("while closing")

    lifespan = Lifespan(app)
    await lifespan.startup()
    await lifespan.shutdown()
    assert "[ERROR] RuntimeError: while closing" in capsys.readouterr().out


async def test_lifespan_that_breaks_before_it_has_started_is_logged_with_its_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        raise RuntimeError("no pool")

    await Lifespan(app).startup()
    output = capsys.readouterr().out
    assert "[ERROR] RuntimeError: no pool" in output
    assert 'raise RuntimeError("no pool")' in output


async def test_error_on_the_lifespan_scope_itself_is_noted_with_its_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise KeyError("headers")

    await Lifespan(app).startup()
    output = capsys.readouterr().out
    assert "[INFO]" in output
    assert "[ERROR]" not in output
    assert 'raise KeyError("headers")' in output


async def test_startup_that_fails_without_a_reason_is_logged_with_its_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed"})
        raise RuntimeError("the reason")

    with pytest.raises(SetupError):
        await Lifespan(app).startup()
    assert "[ERROR] RuntimeError: the reason" in capsys.readouterr().out
