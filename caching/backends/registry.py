"""From configuration to a backend."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, cast

from caching.backends.protocol import DerivativeBackend

BACKENDS = {
    "disk": "caching.backends.disk.DiskBackend",
    "null": "caching.backends.null.NullBackend",
}
"""Short names; a dotted path of one's own works as well."""


def backend_class(name: str) -> type[Any]:
    """The class behind a short name or a dotted path. Raises ImportError if there is none."""
    module, _, attribute = BACKENDS.get(name, name).rpartition(".")
    if not module:
        raise ImportError(f"{name!r} is no dotted path; known names are {', '.join(BACKENDS)}")
    try:
        found = getattr(import_module(module), attribute)
    except AttributeError as error:
        raise ImportError(f"the module {module!r} has no {attribute!r}") from error
    return cast("type[Any]", found)


def build_backend(configuration: Mapping[str, Any], **defaults: object) -> DerivativeBackend:
    """Build {"BACKEND": name, "OPTIONS": {...}}; `defaults` hold where the options say nothing."""
    options = {**defaults, **configuration.get("OPTIONS", {})}
    return cast("DerivativeBackend", backend_class(configuration["BACKEND"])(**options))
