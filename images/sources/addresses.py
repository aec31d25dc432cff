"""Which addresses this server may connect to when a record names a URL.

Only global unicast, by a list of our own: the standard library's `is_global` differs between its patch releases and
knows nothing of addresses that carry another one inside. IANA's special-purpose registries (RFC 6890 and updates) are
the source of the list; the metadata services of clouds stand in it where the registries do not cover them.
"""

import ipaddress
from collections.abc import Iterable

from images.sources.errors import SourceNotAllowedError

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_REFUSED_IPV4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network, RFC 791
        "10.0.0.0/8",  # private, RFC 1918
        "100.64.0.0/10",  # shared by carriers, RFC 6598; a cloud's metadata at 100.100.100.200
        "127.0.0.0/8",  # loopback, RFC 1122
        "168.63.129.16/32",  # a cloud's host agent
        "169.254.0.0/16",  # link local, RFC 3927; clouds' metadata at 169.254.169.254
        "172.16.0.0/12",  # private, RFC 1918
        "192.0.0.0/24",  # protocol assignments, RFC 6890; a cloud's metadata at 192.0.0.192
        "192.0.2.0/24",  # documentation, RFC 5737
        "192.31.196.0/24",  # AS112, RFC 7535
        "192.52.193.0/24",  # multicast relays, RFC 7450
        "192.88.99.0/24",  # 6to4 relays, RFC 7526
        "192.168.0.0/16",  # private, RFC 1918
        "192.175.48.0/24",  # AS112, RFC 7534
        "198.18.0.0/15",  # benchmarks, RFC 2544
        "198.51.100.0/24",  # documentation, RFC 5737
        "203.0.113.0/24",  # documentation, RFC 5737
        "224.0.0.0/4",  # multicast, RFC 5771
        "240.0.0.0/4",  # reserved and broadcast, RFC 1112
    )
)
_GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")  # all that was ever assigned as global unicast
_REFUSED_IPV6 = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, RFC 2928: Teredo, ORCHID, benchmarks
        "2001:db8::/32",  # documentation, RFC 3849
        "2002::/16",  # 6to4, RFC 3056
        "2620:4f:8000::/48",  # AS112, RFC 7534
        "3ffe::/16",  # 6bone, given back by RFC 3701
        "3fff::/20",  # documentation, RFC 9637
    )
)
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")  # RFC 4291, section 2.5.5.2
_COMPATIBLE = ipaddress.IPv6Network("::/96")  # RFC 4291, section 2.5.5.1
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052
_NAT64_LOCAL = ipaddress.IPv6Network("64:ff9b:1::/48")  # RFC 8215
_TEREDO = ipaddress.IPv6Network("2001::/32")  # RFC 4380
_SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")  # RFC 3056
_ISATAP_IDENTIFIERS = (0x0000_5EFE, 0x0200_5EFE)  # RFC 5214, section 6.1


def check_addresses(addresses: Iterable[str], allowed_networks: Iterable[IPNetwork] = ()) -> tuple[IPAddress, ...]:
    """All of `addresses`, parsed, if a connection to every single one is permitted; else SourceNotAllowedError.

    `allowed_networks` are let through although they are not global: an intranet's own image servers.
    """
    allowed = tuple(allowed_networks)
    checked = []
    for text in addresses:
        try:
            address = ipaddress.ip_address(text)
        except ValueError as error:
            raise SourceNotAllowedError("The URL's host has an address that cannot be read.", repr(text)) from error
        if not is_permitted(address, allowed):
            raise SourceNotAllowedError(
                "The URL leads to an address that this server does not fetch from: only public addresses are allowed.",
                f"refused address {address}",
            )
        checked.append(address)
    return tuple(checked)


def is_permitted(address: IPAddress, allowed: tuple[IPNetwork, ...] = ()) -> bool:
    """May a connection to `address` be made? Addresses that carry an IPv4 address are no better than that one."""
    if any(address in network for network in allowed):
        return True
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _REFUSED_IPV4)
    if address.scope_id is not None:
        return False
    embedded = embedded_ipv4(address)
    if address in _MAPPED or address in _NAT64:  # only another way to write the IPv4 address
        return all(is_permitted(inner, allowed) for inner in embedded)
    if address not in _GLOBAL_IPV6 or any(address in network for network in _REFUSED_IPV6):
        return False
    return all(is_permitted(inner, allowed) for inner in embedded)


def embedded_ipv4(address: ipaddress.IPv6Address) -> tuple[ipaddress.IPv4Address, ...]:
    """The IPv4 addresses that an IPv6 address carries by one of the schemes for it; mostly none."""
    value = int(address)
    low = ipaddress.IPv4Address(value & 0xFFFF_FFFF)
    found = []
    if any(address in network for network in (_MAPPED, _COMPATIBLE, _NAT64, _NAT64_LOCAL)):
        found.append(low)
    if address in _SIX_TO_FOUR:
        found.append(ipaddress.IPv4Address((value >> 80) & 0xFFFF_FFFF))
    if address in _TEREDO:  # the server plainly, the client with all bits inverted
        found.append(ipaddress.IPv4Address((value >> 64) & 0xFFFF_FFFF))
        found.append(ipaddress.IPv4Address(~value & 0xFFFF_FFFF))
    if (value >> 32) & 0xFFFF_FFFF in _ISATAP_IDENTIFIERS:
        found.append(low)
    return tuple(found)
