"""Looks at an image from outside, as a viewer would: is it served as its info.json says?"""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from images.iiif.conformance import Answer, Check, compare_information, judge, plan_checks
from images.iiif.geometry import Size
from images.iiif.information import build
from images.iiif.version import ApiVersion
from images.selectors.images import ServedImage
from images.services.information import image_information

_SECONDS = 30.0
"""For one request: as long as a decoder may take."""

_AT_ONCE = 2
"""Requests, so that a check leaves room for visitors."""

_LONGEST_ANSWER = 32 * 2**20
"""Bytes of one answer; those that are asked for are small."""

_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class CheckResult:
    """`problem` is a sentence, empty where the answer is right."""

    check: Check
    url: str
    status: int | None
    problem: str

    @property
    def is_right(self) -> bool:
        return not self.problem


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


def image_check(
    served: ServedImage, uri: str, api_version: ApiVersion, *, address: str | None = None
) -> tuple[CheckResult, ...]:
    """Ask for everything that the image's profile offers and refuses; `uri` is the base URI of the image's service.

    `address` (scheme, host, port) is where to connect to in place of what `uri` names: a URI that a client had a say
    in must not choose that. The host of `uri` is then told in the header Host.
    """
    checks = plan_checks(served.capabilities, served.full, api_version)
    # No proxy of the environment: it is this server's own address.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects())
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return tuple(threads.map(partial(_look, opener, served, uri, api_version, address), checks))


def _look(
    opener: urllib.request.OpenerDirector,
    served: ServedImage,
    uri: str,
    api_version: ApiVersion,
    address: str | None,
    check: Check,
) -> CheckResult:
    url = f"{uri}/{check.path}"
    try:
        status, headers, body = _ask(opener, url, check.accept, address)
    except (OSError, ValueError, HTTPException) as error:
        return CheckResult(check, url, None, f"No answer: {error}")
    problem = judge(check, Answer(status, headers, _size(body) if check.size else None))
    if not problem and check.path == "info.json":
        problem = _information_problem(served, uri, api_version, body)
    return CheckResult(check, url, status, problem)


def _ask(
    opener: urllib.request.OpenerDirector, url: str, accept: str, address: str | None
) -> tuple[int, Mapping[str, str], bytes]:
    headers = {"Accept": accept} if accept else {}
    if address is not None:
        outward = urlsplit(url)
        headers |= {"Host": outward.netloc, "X-Forwarded-Proto": outward.scheme}
        url = f"{address}{urlunsplit(outward._replace(scheme='', netloc=''))}"
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - our own address
    try:
        with opener.open(request, timeout=_SECONDS) as response:
            return response.status, _lower(response.headers), _read(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, _lower(error.headers), _read(error)


def _read(response: Any) -> bytes:
    """The whole body. Raises ValueError where it is longer, or takes longer, than any that was asked for."""
    deadline, body = time.monotonic() + _SECONDS, bytearray()
    while data := response.read1(_CHUNK):
        body += data
        if len(body) > _LONGEST_ANSWER or time.monotonic() > deadline:
            raise ValueError(f"it goes on after {len(body)} bytes")
    return bytes(body)


def _lower(headers: Any) -> Mapping[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _size(body: bytes) -> Size | None:
    from PIL import Image as Pillow  # else every web process would load it
    from PIL import UnidentifiedImageError

    try:
        with Pillow.open(BytesIO(body)) as picture:
            return Size(*picture.size)
    except (UnidentifiedImageError, Pillow.DecompressionBombError, OSError, ValueError):
        return None


def _information_problem(served: ServedImage, uri: str, api_version: ApiVersion, body: bytes) -> str:
    try:
        document = json.loads(body)
    except ValueError:
        return "info.json is no JSON."
    return compare_information(document, json.loads(json.dumps(build(image_information(served, uri), api_version))))
