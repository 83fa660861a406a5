"""Addresses and URLs that may be called."""

from ipaddress import ip_address

import pytest

from millrace.net.addresses import Rules, check_addresses, check_url, is_public
from millrace.net.errors import AddressNotAllowed

LOCAL = Rules(loopback=True)

REFUSED = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254",  # noqa: S104
    "168.63.129.16", "169.254.169.254", "169.254.170.2", "169.254.170.23", "172.16.0.1", "172.31.255.255",
    "192.0.0.8", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255",
    "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::7f00:1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1",
    "64:ff9b::808:808", "64:ff9b:1::1", "100::1", "2001::1", "2001:10::1", "2001:db8::1", "2002:7f00:1::",
    "2002:808:808::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%1", "fec0::1",
    "ff02::1", "ff0e::1", "4000::1", "1::1",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.32.0.1", "198.20.0.1", "192.88.98.1",
          "168.63.129.17", "2606:4700:4700::1111", "2a00:1450:4001::1", "2600:1f18::1"]  # fmt: skip
ODD_HOSTS = ["2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1", "017700000001", "127.0.0.01",
             "1.2.3", "0x", "1.1.1.1.", "256.1.1.1", "example.1", "example.0x1", "134744072"]  # fmt: skip


def is_loopback(address: str) -> bool:
    return address in ("127.0.0.1", "127.255.255.254", "::1")


@pytest.mark.parametrize("address", REFUSED)
def test_address_that_is_not_public_is_refused(address: str) -> None:
    assert not is_public(ip_address(address))
    with pytest.raises(AddressNotAllowed):
        check_addresses("host.test", 443, [address], Rules(), tls=True)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_address_is_allowed(address: str) -> None:
    assert check_addresses("host.test", 8443, [address], Rules(), tls=True) == [address]


@pytest.mark.parametrize("address", [address for address in REFUSED if not is_loopback(address)])
def test_allowing_this_machine_allows_nothing_else(address: str) -> None:
    with pytest.raises(AddressNotAllowed):
        check_addresses("host.test", 443, [address], LOCAL, tls=True)


def test_name_with_one_private_address_is_refused() -> None:
    for others in (["8.8.8.8", "10.0.0.1"], ["2606:4700::1", "::1"], ["127.0.0.1", "8.8.8.8"], []):
        for rules in (Rules(), LOCAL):
            with pytest.raises(AddressNotAllowed, match="public"):
                check_addresses("host.test", 443, others, rules, tls=True)


def test_addresses_come_once_each_and_ipv4_first() -> None:
    found = ["2606:4700::1", "8.8.8.8", "8.8.8.8"]
    assert check_addresses("host.test", 443, found, Rules(), tls=True) == ["8.8.8.8", "2606:4700::1"]


def test_only_tls_ports_of_public_addresses_may_be_called_unless_the_operator_allows_more() -> None:
    for port in (22, 80, 444, 6379, 9001):
        with pytest.raises(AddressNotAllowed, match="443, 8443"):
            check_addresses("host.test", port, ["8.8.8.8"], LOCAL, tls=True)
    assert check_addresses("host.test", 9443, ["8.8.8.8"], Rules(ports=(9443,)), tls=True)


def test_loopback_is_allowed_on_any_port_only_when_asked_for() -> None:
    assert check_addresses("localhost", 9000, ["::1", "127.0.0.1"], LOCAL, tls=False) == ["127.0.0.1", "::1"]
    with pytest.raises(AddressNotAllowed):
        check_addresses("localhost", 443, ["127.0.0.1"], Rules(), tls=True)


def test_only_this_machine_is_called_without_tls() -> None:
    with pytest.raises(AddressNotAllowed, match="TLS"):
        check_addresses("host.test", 443, ["8.8.8.8"], LOCAL, tls=False)


@pytest.mark.parametrize("host", ODD_HOSTS)
def test_number_that_is_no_plain_address_is_refused_whatever_it_means(host: str) -> None:
    with pytest.raises(AddressNotAllowed, match="four decimal numbers"):
        check_url("https", host, 443, LOCAL)


@pytest.mark.parametrize(
    "host", ["example.com", "1.1.1.1", "1and1.com", "web1", "a.b2", "0xdeadbeef.com", "2606:4700::1"]
)
def test_names_and_plain_addresses_pass_the_first_check(host: str) -> None:
    check_url("https", host, 443, Rules())


@pytest.mark.parametrize("scheme", ["http", "file", "ftp", "gopher", "ws", ""])
def test_only_https_is_called(scheme: str) -> None:
    with pytest.raises(AddressNotAllowed, match="https"):
        check_url(scheme, "example.com", 443, Rules())
    if scheme != "http":
        with pytest.raises(AddressNotAllowed, match="https"):
            check_url(scheme, "localhost", 443, LOCAL)
