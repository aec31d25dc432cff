"""Answers that a web server in front sends by itself, so that they never reach Python (IIIF_OFFLOAD).

What leaves the short way is also written as a plain file (`offload_tree`), in the background: its path is the path of
the request, below a link that is there only while the image is served as it was then. Whoever changes a record, a
profile or a service copy takes the link away, on every node that hears of it; and each link goes after
IIIF_OFFLOAD_SECONDS, so that a change that nobody was told of is seen by then.

Large bodies may also lie there under the name of their key, for answers that pass by this server, which looks at the
record and says the headers, and has the web server send the body (X-Accel-Redirect): that needs no link.
"""

import hashlib
import json
import logging
import re
import threading
from collections.abc import Sequence
from functools import lru_cache, partial

from django.core.signals import setting_changed
from django.db import DatabaseError, connection
from django.dispatch import receiver

from caching.background import BackgroundQueue
from caching.bus import news_missed, news_received
from caching.derivatives import get_derivative_cache
from caching.errors import CacheError
from caching.eviction import Amount
from caching.keys import DerivativeKey
from images.decoders.layers import REVISION as LAYERS_REVISION
from images.iiif.identifiers import encode_identifier
from images.iiif.output import OutputFormat
from images.offload_conf import offload_conf
from images.selectors.images import ServedImage, is_served_image_current
from images.services.offload_tree import OffloadTree, is_name

logger = logging.getLogger(__name__)

_LAYOUT = 1
"""Raised when files are laid out otherwise than before."""
_WAITING = 256
"""Bodies of up to a megabyte that wait to be written; what comes while so many wait is published another time."""
_SWEEP_EVERY = 2000
"""Files written, after which room is made; or a twentieth of the budget in bytes."""
_LARGEST_SHARE = 20
"""One body may take a twentieth of the budget."""
ACCEL_PREFIX = "/_offload/"
"""What deploy/nginx.conf leads into the folder `v` of the tree, for nobody but this server."""
_SPELLING = re.compile(r"(full|\d+,\d+,\d+,\d+)/(max|full|\d*,\d*)/0/[a-z]+\.[a-z0-9]+")
_MTIMES = 2**20


class Offload:
    """Publishes below IIIF_OFFLOAD_DIR. Thread-safe; raises nothing."""

    def __init__(self) -> None:
        self._tree = OffloadTree(offload_conf.folder)
        self._seconds = offload_conf.seconds
        self._queue = BackgroundQueue("offload", _WAITING)
        self._closed = threading.Event()
        self._written = 0
        self._written_bytes = 0

    def start(self) -> None:
        """Take away links that have become old, from now on: those of processes that have died, too."""
        threading.Thread(target=self._expire, name="offload-links", daemon=True).start()

    def publish(self, served: ServedImage, tree: str, path: str, key: DerivativeKey, body: bytes) -> None:
        """Later, if that is possible. `tree` and `path` as `offload_tree` lays them out."""
        self._queue.submit(partial(self._publish, served, f"{tree}/{path}", key, body))

    def find_accelerated(self, served: ServedImage, key: DerivativeKey, byte_size: int) -> str | None:
        """Where the web server finds the body of an answer; if it does not, the body is copied there later."""
        folder, modified = _accel_folder(served), int(served.modified.timestamp())
        if self._tree.has(folder, key.digest, byte_size, modified):
            return f"{ACCEL_PREFIX}{folder}/{key.digest}"
        if byte_size < offload_conf.max_bytes // _LARGEST_SHARE:
            self._queue.submit(partial(self._copy, folder, key, modified))
        return None

    def wait(self, timeout_seconds: float = 10.0) -> bool:
        return self._queue.wait(timeout_seconds)

    def _copy(self, folder: str, key: DerivativeKey, modified: int) -> None:
        derivative = get_derivative_cache().find(key)
        if derivative is None or derivative.length is None:
            return
        try:
            if not self._tree.has(folder, key.digest, derivative.length, modified):
                self._tree.put(folder, key.digest, derivative.chunks, modified)
                self._make_room(derivative.length)
        except (OSError, CacheError) as error:
            logger.warning("a large answer could not be laid out for the web server: %s", error)
        finally:
            derivative.close()

    def _publish(self, served: ServedImage, path: str, key: DerivativeKey, body: bytes) -> None:
        name, folder = encode_identifier(served.identifier), _folder(served)
        modified = modified_seconds(served, key)
        try:
            if not self._tree.has(folder, path, len(body), modified):
                self._tree.put(folder, path, (body,), modified)
                self._make_room(len(body))
            if self._tree.find_link(name) != folder:
                self._link(served, name, folder)
        except OSError as error:
            logger.warning("an answer could not be published: %s", error)

    def _link(self, served: ServedImage, name: str, folder: str) -> None:
        """Only then look whether the record has changed: whoever changes it later takes the link away."""
        self._tree.link(name, folder)
        is_current = False
        try:
            is_current = is_served_image_current(served)
        except DatabaseError as error:
            logger.warning("nothing is published while the database does not answer: %s", error)
        finally:
            if not is_current:
                self._tree.unlink(name)
            if threading.current_thread() is not threading.main_thread():
                connection.close()  # the thread ends when there is nothing to do

    def _make_room(self, byte_size: int) -> None:
        self._written += 1
        self._written_bytes += byte_size
        if self._written >= _SWEEP_EVERY or self._written_bytes >= offload_conf.max_bytes // _LARGEST_SHARE:
            self._written = self._written_bytes = 0
            self._tree.sweep(offload_conf.max_bytes, offload_conf.max_entries)

    def _expire(self) -> None:
        while not self._closed.wait(min(1.0, self._seconds / 4)):
            try:
                self._tree.expire(self._seconds)
            except OSError as error:
                logger.warning("old links could not be taken away: %s", error)


def find_tree(served: ServedImage, link: str, uri: str, path: str, version: str) -> str | None:
    """Where a spelling is published; None where a web server could not know the headers.

    `link` is the Link header of the answer, `uri` that of the image, `path` the parameters as they were written,
    `version` what stood in the URL. The web server's header says level 2, and as canonical the request itself (tree
    `as`), or the same with `max` or `full` as size (tree `max`).
    """
    if not _SPELLING.fullmatch(path) or not is_name(encode_identifier(served.identifier)):
        return None
    spoken = version or "3"
    region, _size, rest = path.split("/", 2)
    whole = f"{region}/{'full' if spoken == '2' else 'max'}/{rest}"
    profile = f"http://iiif.io/api/image/{spoken}/level2.json"
    for tree, canonical in (("as", path), ("max", whole)):
        if link == f'<{uri}/{canonical}>;rel="canonical", <{profile}>;rel="profile"':
            return f"{tree}{version}"
    return None


def modified_seconds(served: ServedImage, key: DerivativeKey) -> int:
    """Web servers make ETags of a file's time and length: other bytes of one image have another time, on each node."""
    return int(served.modified.timestamp()) - int(key.digest[:8], 16) % _MTIMES


def _accel_folder(served: ServedImage) -> str:
    return f"{served.uuid}.{served.version}.accel"


def _folder(served: ServedImage) -> str:
    """Named by all that answers hang on, the same in every process."""
    profile, capabilities = served.profile, served.capabilities
    state = [
        _LAYOUT,
        served.record_modified.isoformat(),
        [profile.encoding.fingerprint(output_format.value) for output_format in OutputFormat],
        [str(profile.layer_policy), LAYERS_REVISION],
        sorted(map(str, capabilities.features)),
        sorted(map(str, capabilities.qualities)),
        sorted(map(str, capabilities.formats)),
        repr(capabilities.limits),
        repr(served.tile),
        served.copy.copy_fingerprint if served.copy else "",
    ]
    digest = hashlib.sha256(json.dumps(state).encode()).hexdigest()
    return f"{served.uuid}.{served.version}.{digest[:16]}"


@lru_cache(maxsize=1)
def get_offload() -> Offload | None:
    """None where nothing is published."""
    return Offload() if offload_conf.ways else None


def offload_sweep() -> Amount | None:
    """Keep the budgets; what was removed. None where nothing is published."""
    if not offload_conf.ways:
        return None
    return OffloadTree(offload_conf.folder).sweep(offload_conf.max_bytes, offload_conf.max_entries)


def offload_clear() -> None:
    """Remove everything that was published: another version of this server might encode otherwise. Raises OSError."""
    if offload_conf.ways:
        tree = OffloadTree(offload_conf.folder)
        tree.unlink_all()
        tree.discard(None, None)


@receiver(news_received, dispatch_uid="images.services.offload.news_received")
def _hear(topic: str, names: Sequence[str], **_kwargs: object) -> None:
    if not offload_conf.ways:
        return
    tree = OffloadTree(offload_conf.folder)
    try:
        if topic == "records":
            for identifier in names:
                tree.unlink(encode_identifier(identifier))
        elif topic == "every-record":
            tree.unlink_all()
        elif topic == "discarded":
            _discard(tree, *names)
    except OSError:
        logger.exception("what was published could not be taken away")


def _discard(tree: OffloadTree, image: str, before_version: str) -> None:
    if not image:
        tree.unlink_all()
    tree.discard(image or None, int(before_version) if before_version else None)


@receiver(news_missed, dispatch_uid="images.services.offload.news_missed")
def _trust_nothing(**_kwargs: object) -> None:
    if offload_conf.ways:
        try:
            OffloadTree(offload_conf.folder).unlink_all()
        except OSError:
            logger.exception("what was published could not be taken away")


def _forget(**_kwargs: object) -> None:
    get_offload.cache_clear()


setting_changed.connect(_forget, dispatch_uid="images.services.offload")
