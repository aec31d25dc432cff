"""What the root and the options of each kind of store may be; each rule answers with a sentence about what is wrong."""

import ipaddress
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from uritemplate import URITemplate

from images.sources.errors import SourceNotAllowedError
from images.sources.location import key_segments

Rule = Callable[[Any], str]

_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?", re.ASCII)
_BUCKET = re.compile(r"[A-Za-z0-9_$](?:[A-Za-z0-9_.-]{0,220}[A-Za-z0-9_])?", re.ASCII)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", re.ASCII)  # RFC 9110, section 5.1
_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key"})
_OWN_HEADERS = frozenset(
    {"host", "range", "if-match", "if-none-match", "accept-encoding", "connection", "content-length"}
    | {"transfer-encoding"}
)


def _text(value: Any) -> str:
    return "" if isinstance(value, str) and 0 < len(value) <= 500 and value.isprintable() else "must be a text"


def _flag(value: Any) -> str:
    return "" if isinstance(value, bool) else "must be true or false"


def _url(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable() or " " in value:
        return "must be a URL"
    try:
        parts = urlsplit(value)
        _port = parts.port
    except ValueError:
        return "must be a URL"
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or "@" in value:
        return "must be http:// or https:// and a host, without a user name or a query"
    return ""


def _addressing(value: Any) -> str:
    return "" if value in {"path", "virtual"} else 'must be "path" or "virtual"'


def _headers(value: Any) -> str:
    if not isinstance(value, dict) or not all(isinstance(text, str) and text.isprintable() for text in value.values()):
        return "must be names and texts"
    for name in value:
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OWN_HEADERS:
            return f"cannot have {name!r}"
        if name.lower() in _SECRET_HEADERS:
            return f"cannot have {name!r}: secrets stand where credentials are kept"
    return ""


def _networks(value: Any) -> str:
    if not isinstance(value, list):
        return "must be a list of networks"
    try:
        for network in value:
            ipaddress.ip_network(network)
    except (ValueError, TypeError) as error:
        return f"has something that is no network: {error}"
    return ""


def _ports(value: Any) -> str:
    is_list = isinstance(value, list) and all(type(port) is int and 0 < port < 65_536 for port in value)
    return "" if is_list and value else "must be a list of port numbers"


OPTIONS: dict[str, dict[str, Rule]] = {
    "filesystem": {},
    "http": {"headers": _headers, "networks": _networks, "ports": _ports, "ca_file": _text},
    "s3": {
        "region": _text,
        "endpoint_url": _url,
        "addressing_style": _addressing,
        "anonymous": _flag,
        "request_payer": _flag,
        "versioned": _flag,
    },
    "gcs": {"endpoint_url": _url, "anonymous": _flag},
    "azure": {"account_name": _text, "endpoint_url": _url, "anonymous": _flag},
    "storage": {},
    "flickr": {},
}
"""By kind and name."""

REMOTE_KINDS = frozenset({"http", "s3", "gcs", "azure", "flickr"})


def check_options(kind: str, options: Any) -> list[str]:
    """What is wrong with the options of a store of that kind; one sentence each."""
    if not isinstance(options, dict):
        return ["Options are a JSON object of names and values."]
    rules = OPTIONS.get(kind, {})
    wrong = []
    for name, value in options.items():
        if name not in rules:
            known = ", ".join(sorted(rules)) or "none"
            wrong.append(f"There is no option {name!r} for this kind of store; there are: {known}.")
        elif problem := rules[name](value):
            wrong.append(f"The option {name!r} {problem}.")
    if kind == "azure" and not wrong and "account_name" not in options:
        wrong.append("A store of this kind needs the option 'account_name'.")
    return wrong


def check_root(kind: str, root: str) -> str:
    """What is wrong with the root of a store of that kind; empty if nothing is."""
    if not root.isprintable():
        return "It has control characters in it."
    match kind:
        case "filesystem":
            return "" if root.startswith("/") else "The folder must be absolute: it begins with a slash."
        case "http":
            return _check_web_root(root)
        case "s3" | "gcs" | "azure":
            return _check_bucket(root)
        case "flickr":
            return "Flickr needs no root: keys are the numbers of photos." if root else ""
    return "" if root else "Name one of the server's storages (STORAGES)."


def is_template(root: str) -> bool:
    """Whether a base URL is a template that the key is put into (RFC 6570)."""
    return "{" in root


def _check_web_root(root: str) -> str:
    if is_template(root):
        before = root.partition("{")[0]
        if URITemplate(root).variable_names != {"id"} or root.count("{") != root.count("}"):
            return "A template must have {id} in it, and no other name."
        if before.count("/") < 3:
            return "The host of a template must stand there as it is: {id} belongs into the path or the query."
        problem = _url(before.partition("?")[0])
    else:
        problem = _url(root)
    return f"It {problem}." if problem else ""


def _check_bucket(root: str) -> str:
    bucket, _, prefix = root.partition("/")
    if not _BUCKET.fullmatch(bucket):
        return "It must be the name of a bucket or container, with or without a slash and a prefix after it."
    try:
        if prefix.rstrip("/"):
            key_segments(prefix.rstrip("/"))
    except SourceNotAllowedError as error:
        return f"The prefix is none: {error.detail}"
    return ""


def check_hosts(hosts: Any) -> str:
    """What is wrong with a list of host names; empty if nothing is."""
    if isinstance(hosts, list) and all(isinstance(host, str) and _HOST.fullmatch(host) for host in hosts):
        return ""
    return 'It must be a list of host names in small letters, without ports: ["iiif.example.org"].'
