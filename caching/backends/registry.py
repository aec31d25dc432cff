"""From configuration to a backend."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

from caching.backends.protocol import DerivativeBackend
from caching.conf import conf

BACKENDS = {
    "disk": "caching.backends.disk.DiskBackend",
    "redis": "caching.backends.redis.RedisBackend",
    "objects": "caching.backends.objects.ObjectBackend",
    "storage": "caching.backends.objects.StorageBackend",
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


@dataclass(frozen=True, slots=True)
class Tier:
    name: str
    backend: DerivativeBackend


def build_tiers(configurations: Sequence[Mapping[str, Any]]) -> list[Tier]:
    """Build each; budgets and folder of the settings are those of the first.

    Raises ImportError, TypeError or ValueError.
    """
    if not configurations:
        raise ValueError("there has to be one at least")
    tiers: list[Tier] = []
    for number, configuration in enumerate(configurations):
        defaults: dict[str, object] = {"image_share": conf.image_share}
        if number == 0:
            defaults |= {"byte_budget": conf.byte_budget, "entry_budget": conf.entry_budget}
            if backend_class(configuration["BACKEND"]) is backend_class("disk"):
                defaults["root"] = conf.derivative_folder
        backend = build_backend(configuration, **defaults)
        short = configuration["BACKEND"].rpartition(".")[2].removesuffix("Backend").lower()
        taken = sum(tier.name.rstrip("0123456789") == short for tier in tiers)
        tiers.append(Tier(f"{short}{taken + 1}" if taken else short, backend))
    return tiers
