"""Named queries: which images make up a set, written once as a template and asked for with arguments.

A template is a query string. Each `field=value` is a condition, and all of them hold: `field` is `collection`,
`identifier`, `label`, `rights` or `metadata.NAME`; `value` is taken as it is, or, as `p1`, `p2` …, from the arguments
of the request. A value of `identifier` that ends in `*` is a beginning. `order=` names fields, separated by `;`, each
with ` desc` where the order is downward: `collection=p1&metadata.Shelfmark=p2&order=metadata.Page;identifier`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

FIELDS = ("collection", "identifier", "label", "rights")
METADATA = "metadata."
MAX_PARAMETERS = 9

_PARAMETER = re.compile(r"p([1-9])")
_DIGITS = re.compile(r"(\d+)")
_MAX_DIGITS = 100


class QueryTemplateError(ValueError):
    """The template is not one; the message says why."""


class QueryArgumentsError(ValueError):
    """The request has more or fewer arguments than the template, or one that means every image."""


@dataclass(frozen=True, slots=True)
class Condition:
    """`parameter` counts from 1; None where `value` is fixed."""

    field: str
    value: str
    parameter: int | None = None

    @property
    def is_everything(self) -> bool:
        """Whether all images fulfil it."""
        return self.field == "identifier" and self.value == "*"


@dataclass(frozen=True, slots=True)
class Order:
    field: str
    is_descending: bool = False


@dataclass(frozen=True, slots=True)
class QueryTemplate:
    conditions: tuple[Condition, ...]
    orders: tuple[Order, ...]

    @property
    def arity(self) -> int:
        """How many arguments a request has."""
        return max((condition.parameter or 0 for condition in self.conditions), default=0)

    def resolve(self, arguments: Sequence[str]) -> tuple[Condition, ...]:
        """The conditions with their values. Raises QueryArgumentsError."""
        if len(arguments) != self.arity or not all(arguments):
            wanted = "1 argument" if self.arity == 1 else f"{self.arity} arguments"
            raise QueryArgumentsError(f"This query has {wanted}, not {len(arguments)}.")
        resolved = tuple(
            condition if condition.parameter is None else Condition(condition.field, arguments[condition.parameter - 1])
            for condition in self.conditions
        )
        if any(condition.is_everything for condition in resolved):
            raise QueryArgumentsError("* stands behind the beginning of an identifier, not alone.")
        return resolved


def parse_query_template(text: str) -> QueryTemplate:
    """Raises QueryTemplateError."""
    conditions: list[Condition] = []
    orders: tuple[Order, ...] = ()
    try:
        pairs = parse_qsl(text.strip(), keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError as error:
        raise QueryTemplateError("A template is written as field=value&field=value.") from error
    for field, value in pairs:
        if field == "order":
            orders = tuple(_order(part) for part in value.split(";"))
            continue
        _check_field(field)
        if not value:
            raise QueryTemplateError(f"{field} has no value.")
        parameter = _PARAMETER.fullmatch(value)
        conditions.append(Condition(field, "" if parameter else value, int(parameter[1]) if parameter else None))
    if not conditions:
        raise QueryTemplateError("A template has one condition at least.")
    template = QueryTemplate(tuple(conditions), orders)
    used = {condition.parameter for condition in conditions} - {None}
    if used != set(range(1, template.arity + 1)):
        raise QueryTemplateError("Parameters are numbered from p1 without gaps.")
    return template


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts `page 2` before `page 10`."""
    parts = _DIGITS.split(text.casefold())
    return tuple((0, int(part), "") if _is_number(part) else (1, 0, part) for part in parts if part)


def _is_number(part: str) -> bool:
    """Python makes no numbers of more than 4,300 digits; so many are no page number."""
    return len(part) <= _MAX_DIGITS and part.isdecimal()


def _order(text: str) -> Order:
    field, _, direction = text.strip().partition(" ")
    _check_field(field)
    if direction.strip().lower() not in ("", "asc", "desc"):
        raise QueryTemplateError(f"An order is upward, or ends in desc; {direction!r} is neither.")
    return Order(field, is_descending=direction.strip().lower() == "desc")


def _check_field(field: str) -> None:
    if field in FIELDS or (field.startswith(METADATA) and len(field) > len(METADATA)):
        return
    raise QueryTemplateError(f"{field!r} is no field; there are {', '.join(FIELDS)} and metadata.NAME.")
