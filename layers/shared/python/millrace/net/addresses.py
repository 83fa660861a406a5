"""Rules for the addresses and URLs that may be called.

`ipaddress.is_global` is not enough: it differs between Python versions, and ignores addresses that contain
another one (NAT64, 6to4, IPv4-mapped). So IPv4 must be global and outside the networks below; IPv6 must be in
2000::/3, the only block that IANA has assigned as global unicast, and outside them too.
"""

import re
from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from msgspec import Struct

from millrace.net.errors import AddressNotAllowed

Address = IPv4Address | IPv6Address
PORTS = (443, 8443)

_GLOBAL_IPV6 = IPv6Network("2000::/3")
_REFUSED = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",  # "this host"
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier NAT; 100.100.100.200 is a metadata address
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's virtual host
        "169.254.0.0/16",  # link-local: instance metadata, task credentials
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments; 192.0.0.192 is a metadata address
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
        "::/96",  # unspecified, loopback, IPv4-compatible
        "::ffff:0:0/96",  # IPv4-mapped
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",  # NAT64, local use
        "100::/64",  # discard
        "2001::/23",  # Teredo, benchmarks, ORCHID
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
        "fc00::/7",  # unique local; fd00:ec2::254 is a metadata address
        "fe80::/10",
        "fec0::/10",  # site-local
        "ff00::/8",
    )
)
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+", re.IGNORECASE)


class Rules(Struct, frozen=True):
    """Rules for outgoing calls: public addresses on `ports` by https. With `loopback`, also this machine, on
    any port and without TLS (for a stack on one machine)."""

    ports: Collection[int] = PORTS
    loopback: bool = False


def is_public(address: Address) -> bool:
    """Return whether an address belongs to the public Internet and contains no other address."""
    if any(address in network for network in _REFUSED):
        return False
    return address in _GLOBAL_IPV6 if isinstance(address, IPv6Address) else address.is_global


def is_address(host: str) -> bool:
    """Return whether a host is an address rather than a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def check_url(scheme: str, host: str, port: int, rules: Rules) -> None:
    """Check what is known without resolving the name. Raises `AddressNotAllowed`."""
    if scheme != "https" and not (scheme == "http" and rules.loopback):
        raise AddressNotAllowed(f"Only https URLs may be called, not {scheme}://.", host=host)
    if not host:
        raise AddressNotAllowed("The URL has no host name.")
    if _is_odd_number(host):
        raise AddressNotAllowed(
            f"Write the address {host!r} as four decimal numbers, or use a name.", host=host
        )
    if not rules.loopback:
        _check_port(host, port, rules)


def check_addresses(host: str, port: int, addresses: list[str], rules: Rules, tls: bool) -> list[str]:
    """Return the addresses of a name in the order in which to try them, if all of them may be called.

    Raises `AddressNotAllowed` if any may not: a name with one private address is meant to reach it.
    """
    parsed = [ip_address(address) for address in addresses]
    if rules.loopback and parsed and all(_is_this_machine(address) for address in parsed):
        return _ipv4_first(parsed)
    if not tls:
        raise AddressNotAllowed(f"Without TLS, only the local machine may be called, not {host}.", host=host)
    _check_port(host, port, rules)
    if not parsed or not all(is_public(address) for address in parsed):
        raise AddressNotAllowed(f"{host} does not resolve to public addresses only.", host=host)
    return _ipv4_first(parsed)


def _is_this_machine(address: Address) -> bool:
    """Return whether an address is loopback. Newer Pythons also include the IPv4-mapped form."""
    return address.is_loopback and not (isinstance(address, IPv6Address) and address.ipv4_mapped)


def _check_port(host: str, port: int, rules: Rules) -> None:
    if port not in rules.ports:
        allowed = ", ".join(str(allowed) for allowed in sorted(rules.ports))
        raise AddressNotAllowed(f"Port {port} of {host} may not be called; allowed: {allowed}.", host=host)


def _ipv4_first(addresses: list[Address]) -> list[str]:
    """Return the addresses with IPv4 first, since a function in a VPC has no IPv6 route unless somebody
    created one."""
    return [str(address) for address in sorted(dict.fromkeys(addresses), key=lambda address: address.version)]


def _is_odd_number(host: str) -> bool:
    """Return whether a host is a number but not a plain IPv4 address: 2130706433, 0x7f.1, 0177.0.0.1, 127.1.

    Resolvers read these as addresses, in different ways; a name never ends in a number.
    """
    if not _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
        return False
    try:
        IPv4Address(host)
    except ValueError:
        return True
    return False
