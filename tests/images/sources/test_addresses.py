import ipaddress
from typing import Any

import pytest

from images.sources.addresses import check_addresses, embedded_ipv4, is_permitted
from images.sources.errors import SourceError, SourceNotAllowedError
from tests.images.sources.conftest import Fetch
from tests.images.sources.origin import Canary, Origin

REFUSED = [
    # IPv4
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "100.127.255.255", "127.0.0.1",
    "127.1.2.3", "127.255.255.255", "168.63.129.16", "169.254.0.1", "169.254.169.254", "169.254.170.2", "172.16.0.1",
    "172.31.255.255", "192.0.0.1", "192.0.0.170", "192.0.0.192", "192.0.2.1", "192.31.196.1", "192.52.193.1",
    "192.88.99.1", "192.168.0.1", "192.168.255.255", "192.175.48.1", "198.18.0.1", "198.19.255.255", "198.51.100.1",
    "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    # IPv6
    "::", "::1", "::2", "100::1", "100:0:0:1::1", "2001::1", "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1",
    "2620:4f:8000::1", "3ffe::1", "3fff::1", "4000::1", "5f00::1", "8000::1", "fc00::1", "fd00::1", "fd00:ec2::254",
    "fd20:ce::254", "fe80::1", "fe80::1%eth0", "fe80::a9fe:a9fe", "fec0::1", "ff00::1", "ff02::1", "ff0e::1",
    # IPv4 inside IPv6: mapped, compatible, translated, NAT64 twice, 6to4, Teredo, ISATAP
    "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0.0.0.0",
    "::ffff:192.168.1.1", "::ffff:100.64.0.1", "::127.0.0.1", "::10.0.0.1", "::169.254.169.254", "::8.8.8.8",
    "::ffff:0:127.0.0.1", "::ffff:0:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe",
    "64:ff9b::192.168.0.1", "64:ff9b::168.63.129.16", "64:ff9b:1::7f00:1", "64:ff9b:1::8.8.8.8",
    "64:ff9b:1:fffe::10.0.0.1",
    "64:ff9b:2::1", "2002:7f00:1::", "2002:7f00:1::1", "2002:a00:1::1", "2002:a9fe:a9fe::1", "2002:c0a8:101::1",
    "2002:808:808::1", "2001:0:7f00:1::", "2001:0:808:808:0:0:f5ff:fffe", "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "2a00:1450:4001::5efe:7f00:1", "2a00:1450:4001::5efe:10.0.0.1", "2a00:1450:4001::200:5efe:a9fe:a9fe",
    "2a00:1450:4001:0:200:5efe:192.168.0.1",
]  # fmt: skip

PERMITTED = [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
    "168.63.129.15", "168.63.129.17", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255", "192.169.0.0",
    "198.17.255.255", "198.20.0.0", "223.255.255.255", "2001:200::1", "2001:4860:4860::8888", "2606:4700::1111",
    "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2a00:1450:4001::5efe:8.8.8.8",
]  # fmt: skip


def test_there_are_enough_refused_addresses() -> None:
    assert len(set(REFUSED)) == len(REFUSED) >= 80


@pytest.mark.parametrize("address", REFUSED)
def test_refused(address: str) -> None:
    assert not is_permitted(ipaddress.ip_address(address))
    with pytest.raises(SourceNotAllowedError) as caught:
        check_addresses([address])
    assert address not in caught.value.detail


@pytest.mark.parametrize("address", PERMITTED)
def test_permitted(address: str) -> None:
    assert check_addresses([address]) == (ipaddress.ip_address(address),)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_one_refused_address_refuses_the_host(position: int) -> None:
    addresses = ["8.8.8.8", "2606:4700::1111"]
    addresses.insert(position, "127.0.0.1")
    with pytest.raises(SourceNotAllowedError, match="only public addresses"):
        check_addresses(addresses)


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "0x7f.1", "1.2.3", "[::1]", "8.8.8.8 "])
def test_no_address(text: str) -> None:
    with pytest.raises(SourceNotAllowedError, match="cannot be read"):
        check_addresses([text])


@pytest.mark.parametrize(
    ("address", "networks", "permitted"),
    [
        ("10.1.2.3", ["10.1.0.0/16"], True),
        ("10.2.2.3", ["10.1.0.0/16"], False),
        ("::ffff:10.1.2.3", ["10.1.0.0/16"], True),
        ("64:ff9b::10.1.2.3", ["10.1.0.0/16"], True),
        ("2002:a01:203::1", ["10.1.0.0/16"], False),
        ("fd12::1", ["10.1.0.0/16", "fd12::/16"], True),
        ("::1", ["127.0.0.0/8"], False),
        ("8.8.8.8", ["10.0.0.0/8"], True),
    ],
)
def test_allowed_networks(address: str, networks: list[str], *, permitted: bool) -> None:
    allowed = tuple(ipaddress.ip_network(network) for network in networks)
    assert is_permitted(ipaddress.ip_address(address), allowed) is permitted


@pytest.mark.parametrize(
    ("address", "embedded"),
    [
        ("2606:4700::1111", []),
        ("::ffff:192.0.2.33", ["192.0.2.33"]),
        ("64:ff9b::192.0.2.33", ["192.0.2.33"]),
        ("2002:c000:221::1", ["192.0.2.33"]),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", ["65.54.227.120", "192.0.2.45"]),  # the example of RFC 4380
        ("2a00::200:5efe:192.0.2.33", ["192.0.2.33"]),
    ],
)
def test_embedded_addresses(address: str, embedded: list[str]) -> None:
    assert [str(inner) for inner in embedded_ipv4(ipaddress.IPv6Address(address))] == embedded


# Host forms as they stand in a URL; every one is, to some parser or resolver, this machine or its neighbours.
HOSTS = [
    "127.0.0.1", "127.1", "127.0.1", "127", "2130706433", "017700000001", "0x7f000001", "0x7f.1", "0x7f.0.0.1",
    "0177.0.0.1", "0177.1", "00000177.0.0.1", "127.0.0.01", "127.0.0.001", "127.000.000.001", "0x7F.0x0.0x0.0x1",
    "127.0.0.1.", "127.0.0.1..", "127..1", ".127.0.0.1", "127.0.0.0x1", "127.0.0.0x", "0x", "0", "0.0.0.0", "0.0", "00",
    "1.1.1.1.127.0.0.1", "256.256.256.256", "127.0.0.257", "383.0.0.1", "4294967296", "6425673729", "-1", "127.0.0.-1",
    "①②⑦.0.0.1", "１２７.0.0.1", "127。0。0。1", "127．0．0．1", "127｡0｡0｡1", "١٢٧.0.0.1", "ⓛocalhost", "ｌocalhost",
    "loc\u00adalhost", "localhost", "LOCALHOST", "localhost.", "localhost%00.example.com", "%6cocalhost",
    "%31%32%37.0.0.1",
    "127%2e0%2e0%2e1", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[0000:0000:0000:0000:0000:0000:0000:0001]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]", "[::ffff:0:127.0.0.1]", "[0:0:0:0:0:ffff:127.0.0.1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]",
    "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::1]", "[2001:0:7f00:1::]", "[::1%25lo]", "[::1%lo]",
    "[fe80::1%25eth0]", "[fe80::1]", "[::1", "::1]", "::1", "[127.0.0.1]", "[v1.127]", "[]", "169.254.169.254",
    "0xa9fea9fe", "2852039166", "0251.0376.0251.0376", "169.254.43518", "[fd00:ec2::254]", "100.100.100.200",
    "192.0.0.192", "168.63.129.16", "10.0.0.1", "192.168.0.1", "172.16.0.1", "user@127.0.0.1", "user:pw@127.0.0.1",
    "8.8.8.8@127.0.0.1", "127.0.0.1@8.8.8.8", "8.8.8.8\\@127.0.0.1", "127.0.0.1\\.8.8.8.8", "8.8.8.8#@127.0.0.1",
    "8.8.8.8?@127.0.0.1", "127.0.0.1:80", "127.0.0.1\t", "127.0.0.1\n", "127.0.0.1\r\nHost: example.com",
    "127.0.0.1 ", " 127.0.0.1", "127.0.0.1\x00", "", ":", "example.com:", "a..b", "-a.example", "a-.example",
    "a" * 64 + ".example", ".".join(["a" * 60] * 5), "ex*mple.com", "exa mple.com", "127.0.0.1;8.8.8.8",
    "127.0.0.1,8.8.8.8",
]  # fmt: skip
_TO_A_PUBLIC_ADDRESS = {
    "8.8.8.8#@127.0.0.1",
    "8.8.8.8?@127.0.0.1",
}  # rightly read, and then the port is not in the host


def test_there_are_enough_hosts() -> None:
    assert len(set(HOSTS)) == len(HOSTS) >= 100


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", HOSTS, ids=ascii)
def test_no_form_of_a_private_host_is_connected_to(fetch: Fetch, canary: Canary, scheme: str, host: str) -> None:
    if host in _TO_A_PUBLIC_ADDRESS:
        host = host.replace("8.8.8.8", "10.0.0.1")
    ports: dict[str, Any] = {"ports": (80, 443, canary.port), "allowed_networks": ()}
    with pytest.raises(SourceError) as caught:
        fetch(f"{scheme}://{host}:{canary.port}/image.tif", **ports)
    assert isinstance(caught.value, SourceNotAllowedError), caught.value.technical
    assert canary.count() == 0


SCHEMES = [
    "file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1:{port}/_x", "dict://127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    "http:127.0.0.1:{port}", "http:/127.0.0.1:{port}/", "http:///127.0.0.1:{port}/", "http:\\\\127.0.0.1:{port}\\",
    "data:,x",
    "javascript:alert(1)", "http://127.0.0.1:{port}", "HTTP://127.0.0.1:{port}/", "unix:/var/run/docker.sock",
    "127.0.0.1:{port}",
    "http+unix://%2Fvar%2Frun/", "jar:http://127.0.0.1:{port}!/", "http://127.0.0.1:0{port}/",
    "http://127.0.0.1:+{port}/", "",
    "http://", "https://", "http://:{port}/", "http://?", "http://#", "http://127.0.0.1:{port}:80/", "x" * 5000,
    "http://127.0.0.1:{port}\u2028/", "http://127.0.0.1:{port}/\x85", "http://127.0.0.1:{port}/a b",
]  # fmt: skip


@pytest.mark.parametrize("url", SCHEMES)
def test_no_other_scheme_and_no_odd_url(fetch: Fetch, canary: Canary, url: str) -> None:
    with pytest.raises(SourceNotAllowedError):
        fetch(url.format(port=canary.port), ports=(80, canary.port), allowed_networks=())
    assert canary.count() == 0


@pytest.mark.parametrize("port", [0, 1, 22, 25, 6379, 8080, 65535, 65536, 99999])
def test_only_the_ports_of_the_web(fetch: Fetch, port: int) -> None:
    with pytest.raises(SourceNotAllowedError, match="port"):
        fetch(f"http://127.0.0.1:{port}/", ports=(80, 443))


# --- Where the answer or the resolver leads elsewhere ---------------------------------------------------------------

_REDIRECTIONS = [
    "http://127.0.0.2:{port}/", "//127.0.0.2:{port}/", "http://[::1]:{port}/", "http://2130706434:{port}/",
    "http://localhost:{port}/", "http://127.2:{port}/", "http://[::ffff:127.0.0.2]:{port}/",
    "http://x@127.0.0.2:{port}/",
    "\\\\127.0.0.2:{port}\\", "/\\127.0.0.2:{port}/", "http:\\\\127.0.0.2:{port}/", "file:///etc/passwd",
    "http://[::1:{port}/",
    "gopher://127.0.0.2:{port}/", "https://127.0.0.2:{port}/", "http://127.0.0.2:{port}/\tx", "http://0:{port}/",
]  # fmt: skip


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", _REDIRECTIONS)
def test_no_redirect_to_a_private_address(
    fetch: Fetch, origin: Origin, canary: Canary, status: int, location: str
) -> None:
    url = origin.serve("/start", b"", status, Location=location.format(port=canary.port))
    with pytest.raises(SourceNotAllowedError):
        fetch(url, ports=(80, origin.port, canary.port), resolve=lambda _host, _port: ["::1"])
    assert canary.count() == 0
    assert len(origin.requests["/start"]) == 1


class Rebinding:
    """A resolver that answers an allowed address first and a forbidden one ever after."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, _host: str, _port: int) -> list[str]:
        self.calls += 1
        return ["127.0.0.1" if self.calls == 1 else "127.0.0.2"]


def test_what_was_checked_is_what_is_connected_to(fetch: Fetch, origin: Origin, canary: Canary) -> None:
    origin.serve("/image.tif", b"image")
    resolve = Rebinding()
    with fetch(origin.url("/image.tif", "rebinding.example"), resolve=resolve) as reader:
        assert reader.read(0, 5) == b"image"
    assert resolve.calls == 1
    assert origin.requests["/image.tif"][0]["Host"] == f"rebinding.example:{origin.port}"
    assert canary.count() == 0


def test_every_hop_is_resolved_and_checked_anew(fetch: Fetch, origin: Origin, canary: Canary) -> None:
    url = origin.url("/start", "rebinding.example")
    origin.serve("/start", b"", 302, Location=f"http://rebinding.example:{canary.port}/image.tif")
    resolve = Rebinding()
    with pytest.raises(SourceNotAllowedError):
        fetch(url, resolve=resolve, ports=(origin.port, canary.port))
    assert resolve.calls == 2
    assert canary.count() == 0


def test_a_name_with_one_forbidden_address(fetch: Fetch, origin: Origin) -> None:
    origin.serve("/image.tif", b"image")
    with pytest.raises(SourceNotAllowedError):
        fetch(origin.url("/image.tif", "mixed.example"), resolve=lambda _host, _port: ["127.0.0.1", "127.0.0.2"])
    assert not origin.requests


def test_proxies_of_the_environment_are_not_used(
    fetch: Fetch, origin: Origin, canary: Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
    with fetch(origin.serve("/image.tif", b"image")) as reader:
        assert reader.read(0, 5) == b"image"
    assert canary.count() == 0
