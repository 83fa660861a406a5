"""The guarded client against real servers on loopback; only names and public addresses are simulated."""

import gzip
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from millrace.net import transport
from millrace.net.client import Resolve, guarded_client
from millrace.net.connection import Connection
from millrace.net.errors import AddressNotAllowed, RequestFailed
from millrace.net.fetch import fetch
from millrace.net.transport import Origin
from tests.net.servers import Authority, response, serving

PUBLIC = "93.184.215.14"


def names(**answers: list[str]) -> Resolve:
    """A resolver that knows `<name>.test`."""

    async def resolve(host: str, port: int) -> list[str]:
        return answers[host.removesuffix(".test")]

    return resolve


def turning(*answers: list[str]) -> tuple[Resolve, Callable[[], int]]:
    """A resolver whose answer changes at each call, and the number of calls it got."""
    left = list(answers)

    async def resolve(host: str, port: int) -> list[str]:
        return left.pop(0)

    return resolve, lambda: len(answers) - len(left)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Play the Internet: whatever public address is dialled, this machine answers. Keeps the addresses."""
    addresses: list[str] = []
    dial = transport.dial

    async def connect(address: str, origin: Origin, *options: Any) -> Connection:
        addresses.append(address)
        return await dial("127.0.0.1", origin, *options)

    monkeypatch.setattr(transport, "dial", connect)
    return addresses


async def test_certificate_is_checked_against_the_name_over_the_pinned_address(
    authority: Authority, dialled: list[str]
) -> None:
    async with (
        serving(lambda _: response(), authority.server_context("service.test")) as server,
        guarded_client(
            ports=[server.port],
            resolve=names(service=[PUBLIC], other=[PUBLIC]),
            ssl_context=authority.client_context(),
        ) as client,
    ):
        answer = await fetch(client, "GET", f"https://service.test:{server.port}/")
        with pytest.raises(RequestFailed, match="certificate"):
            await fetch(client, "GET", f"https://other.test:{server.port}/")
    assert answer.body == b"hello"
    assert server.names == ["service.test", "other.test"]
    assert dialled == [PUBLIC, PUBLIC]


async def test_certificate_of_an_unknown_authority_is_refused(authority: Authority) -> None:
    async with (
        serving(lambda _: response(), authority.server_context("service.test")) as server,
        guarded_client(allow_loopback_http=True, resolve=names(service=["127.0.0.1"])) as client,
    ):
        with pytest.raises(RequestFailed, match="certificate"):
            await fetch(client, "GET", f"https://service.test:{server.port}/")


async def test_another_name_for_the_certificate_cannot_be_slipped_in(
    authority: Authority, dialled: list[str]
) -> None:
    async with (
        serving(lambda _: response(), authority.server_context("service.test")) as server,
        guarded_client(
            ports=[server.port], resolve=names(other=[PUBLIC]), ssl_context=authority.client_context()
        ) as client,
    ):
        with pytest.raises(httpx.ConnectError, match="certificate"):
            await client.get(
                f"https://other.test:{server.port}/", extensions={"sni_hostname": "service.test"}
            )


async def test_name_whose_answer_changes_is_asked_once_per_connection(
    authority: Authority, dialled: list[str]
) -> None:
    resolve, asked = turning([PUBLIC], ["127.0.0.1"])
    async with (
        serving(lambda _: response(), authority.server_context("service.test")) as server,
        guarded_client(
            ports=[server.port], resolve=resolve, ssl_context=authority.client_context()
        ) as client,
    ):
        url = f"https://service.test:{server.port}/"
        assert (await fetch(client, "GET", url)).status == 200
        assert (asked(), dialled) == (1, [PUBLIC])
        assert (await fetch(client, "GET", url)).status == 200  # over the connection that was checked
        assert asked() == 1
    resolve, asked = turning(["127.0.0.1"], [PUBLIC])
    async with guarded_client(ports=[server.port], resolve=resolve) as client:
        with pytest.raises(AddressNotAllowed):
            await fetch(client, "GET", url)
    assert (asked(), dialled) == (1, [PUBLIC])


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[64:ff9b::7f00:1]/",
        "https://169.254.169.254/latest/meta-data/", "https://[fd00:ec2::254]/", "https://localhost/",
        "https://2130706433/", "https://0x7f.1/", "https://0177.0.0.1/",
        "https://127.1/", "https://0/", "http://example.com/", "http://127.0.0.1:9001/", "ftp://example.com/",
        "file:///etc/passwd", "//example.com/", "example.com", "https://", "https:///x",
        "https://example.com:99999/", "https://example.com:0/",
        "https://example.com:22/", "https://user@127.0.0.1/", "https://example.com@127.0.0.1/",
        "https://１２７.0.0.1/", "https://①②⑦.0.0.1/", "https://127。0。0。1/", "\ud800", "",
    ],
)  # fmt: skip
async def test_every_refused_form_of_a_url_is_refused_before_anything_is_dialled(
    url: str, dialled: list[str]
) -> None:
    async with guarded_client() as client:
        with pytest.raises(AddressNotAllowed) as error:
            await fetch(client, "GET", url)
    assert (error.value.code, error.value.status) == ("address_not_allowed", 422)
    assert dialled == []


async def test_name_with_a_private_address_is_refused_before_connecting(dialled: list[str]) -> None:
    async with guarded_client(resolve=names(mixed=[PUBLIC, "10.0.0.1"])) as client:
        with pytest.raises(AddressNotAllowed, match=r"mixed\.test"):
            await fetch(client, "GET", "https://mixed.test/")
    assert dialled == []


async def test_loopback_http_reaches_this_machine_and_no_other(dialled: list[str]) -> None:
    async with (
        serving(lambda _: response()) as server,
        guarded_client(allow_loopback_http=True, resolve=names(here=["127.0.0.1"], web=[PUBLIC])) as client,
    ):
        assert (await fetch(client, "GET", f"http://here.test:{server.port}/")).body == b"hello"
        with pytest.raises(AddressNotAllowed):
            await fetch(client, "GET", f"http://web.test:{server.port}/")
        with pytest.raises(AddressNotAllowed):
            await fetch(client, "GET", "http://web.test:443/")
    assert dialled == ["127.0.0.1"]


async def test_next_address_is_tried_when_one_does_not_answer() -> None:
    async with (
        serving(lambda _: response()) as server,
        guarded_client(allow_loopback_http=True, resolve=names(here=["127.0.0.2", "127.0.0.1"])) as client,
    ):
        assert (await fetch(client, "GET", f"http://here.test:{server.port}/")).status == 200


async def test_redirect_is_an_answer_and_is_not_followed() -> None:
    moved = response(b"", "302 Found", "Location: http://127.0.0.1:1/\r\n")
    async with serving(lambda _: moved) as server, guarded_client(allow_loopback_http=True) as client:
        answer = await fetch(client, "GET", f"http://127.0.0.1:{server.port}/")
    assert (answer.status, answer.headers["Location"]) == (302, "http://127.0.0.1:1/")
    assert len(server.heads) == 1


async def test_cookies_are_not_kept() -> None:
    async with (
        serving(lambda _: response(headers="Set-Cookie: a=b\r\n")) as server,
        guarded_client(allow_loopback_http=True) as client,
    ):
        for _ in range(2):
            await fetch(client, "GET", f"http://127.0.0.1:{server.port}/")
    assert len(server.heads) == 2
    assert not any(b"cookie" in head.lower() for head in server.heads)


async def test_proxies_and_credentials_of_the_environment_are_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with serving(lambda _: response()) as server, guarded_client(allow_loopback_http=True) as client:
        assert (await fetch(client, "GET", f"http://127.0.0.1:{server.port}/")).status == 200
    assert b"authorization" not in server.heads[0].lower()


async def test_body_is_read_up_to_the_limit() -> None:
    async with (
        serving(lambda _: response(b"x" * 70_000)) as server,
        guarded_client(allow_loopback_http=True) as client,
    ):
        url = f"http://127.0.0.1:{server.port}/"
        cut = await fetch(client, "GET", url)
        whole = await fetch(client, "GET", url, limit=70_000)
    assert (len(cut.body), cut.truncated) == (65_536, True)
    assert (len(whole.body), whole.truncated) == (70_000, False)


async def test_small_archive_does_not_unpack_to_more_than_the_limit() -> None:
    packed = response(gzip.compress(b"y" * 50_000_000), headers="Content-Encoding: gzip\r\n")
    fair = response(gzip.compress(b"fair"), headers="Content-Encoding: gzip\r\n")
    broken = response(b"broken", headers="Content-Encoding: gzip\r\n")
    answers = iter([packed, fair, broken])
    async with serving(lambda _: next(answers)) as server, guarded_client(allow_loopback_http=True) as client:
        url = f"http://127.0.0.1:{server.port}/"
        bodies = [await fetch(client, "GET", url) for _ in range(3)]
    assert (len(bodies[0].body), bodies[0].truncated) == (65_536, True)
    assert [(body.body, body.truncated) for body in bodies[1:]] == [(b"fair", False), (b"broken", False)]


async def test_timeout_is_a_clear_error() -> None:
    async with serving(lambda _: b"HTTP/1.1 200 OK\r\n") as server:
        async with guarded_client(allow_loopback_http=True) as client:
            with pytest.raises(RequestFailed, match=r"0\.2 s") as slow:
                await fetch(client, "GET", f"http://127.0.0.1:{server.port}/", seconds=0.2)
    assert slow.value.retryable


async def test_closed_port_and_an_unknown_name_are_clear_errors() -> None:
    with socket.socket() as occupied:
        occupied.bind(("127.0.0.1", 0))  # and does not listen, so that nobody else does
        closed = f"http://127.0.0.1:{occupied.getsockname()[1]}/"
        async with guarded_client(allow_loopback_http=True) as client:
            for url in (closed, "https://no-such-name.invalid/"):
                with pytest.raises(RequestFailed, match="failed"):
                    await fetch(client, "GET", url)
