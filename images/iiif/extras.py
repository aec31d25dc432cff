"""What curators add to info.json: services, links, properties of extensions (Image API 3.0 §5.6 to 5.8, 2.1 §5.4)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from images.iiif.information import ImageInformation
from images.iiif.output import OutputFormat

RESERVED = frozenset(
    {
        "@id", "@type", "id", "type", "protocol", "profile", "width", "height", "sizes", "tiles", "maxWidth",
        "maxHeight", "maxArea", "rights", "license", "attribution", "extraFormats", "extraQualities",
        "extraFeatures", "formats", "qualities", "supports",
    }
)  # fmt: skip
"""Properties that the server says itself, so that they are true."""


class ExtraPropertyError(ValueError):
    """An addition is not one; the message says why."""


@dataclass(frozen=True, slots=True)
class Extras:
    """Additions in the form that `ImageInformation` takes."""

    services: tuple[Mapping[str, Any], ...] = ()
    part_of: tuple[Mapping[str, Any], ...] = ()
    see_also: tuple[Mapping[str, Any], ...] = ()
    contexts: tuple[str, ...] = ()
    preferred_formats: tuple[OutputFormat, ...] = ()
    logo: str = ""
    other: Mapping[str, Any] = field(default_factory=dict)

    def add_to(self, information: ImageInformation) -> ImageInformation:
        return replace(
            information,
            services=self.services,
            part_of=self.part_of,
            see_also=self.see_also,
            contexts=self.contexts,
            preferred_formats=self.preferred_formats,
            logo=self.logo,
            extra=self.other,
        )


def parse_extras(properties: object) -> Extras:
    """Properties as they stand in info.json, by name. Raises ExtraPropertyError."""
    if not isinstance(properties, Mapping):
        raise ExtraPropertyError("Additions to info.json are an object: names and values.")
    taken = sorted(RESERVED.intersection(properties))
    if taken:
        raise ExtraPropertyError(f"{', '.join(taken)}: the server says this itself.")
    known = {"service", "partOf", "seeAlso", "@context", "preferredFormats", "logo"}
    logo = properties.get("logo", "")
    if not isinstance(logo, str):
        raise ExtraPropertyError("logo is the URI of a picture.")
    return Extras(
        services=_objects(properties, "service"),
        part_of=_objects(properties, "partOf"),
        see_also=_objects(properties, "seeAlso"),
        contexts=_contexts(properties),
        preferred_formats=_formats(properties),
        logo=logo,
        other={name: value for name, value in properties.items() if name not in known},
    )


def _objects(properties: Mapping[str, Any], name: str) -> tuple[Mapping[str, Any], ...]:
    value = properties.get(name, [])
    values = [value] if isinstance(value, Mapping) else value
    if not isinstance(values, list) or not all(
        isinstance(item, Mapping) and ("id" in item or "@id" in item) for item in values
    ):
        raise ExtraPropertyError(f"{name} is a list of objects, each with an id.")
    return tuple(values)


def _contexts(properties: Mapping[str, Any]) -> tuple[str, ...]:
    value = properties.get("@context", [])
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(item, str) for item in values):
        raise ExtraPropertyError("@context is the URI of an extension, or a list of them.")
    return tuple(values)


def _formats(properties: Mapping[str, Any]) -> tuple[OutputFormat, ...]:
    values = properties.get("preferredFormats", [])
    if not isinstance(values, list):
        raise ExtraPropertyError("preferredFormats is a list of formats.")
    try:
        return tuple(OutputFormat(value) for value in values)
    except ValueError as error:
        known = ", ".join(OutputFormat)
        raise ExtraPropertyError(f"preferredFormats are some of {known}.") from error
