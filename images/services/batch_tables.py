"""Rows of a batch from what was sent: JSON, or a table as spreadsheets and go-iiif write it; nothing is looked up."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

GO_IIIF = ("source_id", "alternate_id")
_TEXTS = ("identifier", "source", "store", "label", "rights", "attribution", "collection")
_METADATA = "metadata"
_DELIMITERS = ",;\t"
_REASON = "reason"
_IGNORED = ("row", _REASON)
"""What a file of wrong rows says besides; it may be corrected and sent again as it is."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class TableError(ValueError):
    """It is no table of images at all; said in the language of the request."""


@dataclass(frozen=True, slots=True)
class RawRow:
    """What was written, unchecked. `number` is the line of a table, else the place in the list, from 1."""

    number: int
    values: Mapping[str, Any]


def rows_from_json(rows: object) -> list[RawRow]:
    """Raises TableError."""
    if not isinstance(rows, list):
        raise TableError(_("The rows are a list of objects."))
    return [RawRow(number, row if isinstance(row, dict) else {}) for number, row in enumerate(rows, start=1)]


def rows_from_text(text: str) -> list[RawRow]:
    """A list in JSON, also one in an object's `rows`, or else a table. Raises TableError."""
    if not text.lstrip("\ufeff \t\r\n").startswith(("[", "{")):
        return rows_from_csv(text)
    try:
        read = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise TableError(_("It is no JSON: %(reason)s.") % {"reason": error}) from error
    return rows_from_json(read.get("rows") if isinstance(read, dict) else read)


def wrong_rows_table(rows: Iterable[tuple[int, Mapping[str, Any], str]]) -> str:
    """Number, values and reason of each as CSV, to be corrected and read again. No cell is a formula."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(["row", *_TEXTS, _METADATA, _REASON])
    for number, values, reason in rows:
        flat = _flat(values)
        cells = [_guarded(str(flat.get(name) or "")) for name in (*_TEXTS, _METADATA)]
        writer.writerow([number, *cells, _guarded(reason)])
    return out.getvalue()


def _flat(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The cells of a row that may have been written in JSON."""
    source, metadata = values.get("source"), values.get(_METADATA)
    flat = dict(values)
    if isinstance(source, dict):
        flat["source"] = source.get("key") or source.get("url")
        flat["store"] = source.get("store") or values.get("store")
    if metadata and not isinstance(metadata, str):
        flat[_METADATA] = json.dumps(metadata, ensure_ascii=False)
    return flat


def _guarded(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _without_guard(cell: str) -> str:
    return cell[1:] if cell.startswith(tuple(f"'{sign}" for sign in _FORMULA)) else cell


def rows_from_csv(text: str) -> list[RawRow]:
    """A table with a header: `identifier,source` and more, or go-iiif's. Empty lines don't count. Raises TableError."""
    text = text.removeprefix("\ufeff")
    first = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(header)
        filled = (cells for cells in reader if any(cell.strip() for cell in cells))
        return [RawRow(reader.line_num, _values(header, cells)) for cells in filled]
    except csv.Error as error:
        text = _("Line %(line)s cannot be read: %(reason)s.")
        raise TableError(text % {"line": reader.line_num, "reason": error}) from error


def _check_header(header: Sequence[str]) -> None:
    if tuple(header) == GO_IIIF:
        return
    if "source" not in header or "identifier" not in header:
        raise TableError(
            _("The first line must name the columns: identifier,source and more, or source_id,alternate_id.")
        )
    known = {*_TEXTS, _METADATA, *(_IGNORED if _REASON in header else ())}
    unknown = [name for name in header if name not in known and not name.startswith(f"{_METADATA}.")]
    if unknown:
        text = _("There is no column %(name)r; there are %(names)s, metadata.NAME.")
        raise TableError(text % {"name": unknown[0], "names": ", ".join([*_TEXTS, _METADATA])})
    if len(set(header)) != len(header):
        raise TableError(_("A column stands twice in the first line."))


def _values(header: Sequence[str], cells: Sequence[str]) -> Mapping[str, Any]:
    named = {name: cell.strip() for name, cell in zip(header, cells, strict=False)}
    if _REASON in header:
        named = {name: _without_guard(cell) for name, cell in named.items()}
    values = _named_values(header, named)
    if len(cells) > len(header):
        text = _("It has %(count)s cells, and the first line %(named)s.")
        return {**values, "": text % {"count": len(cells), "named": len(header)}}
    return values


def _named_values(header: Sequence[str], named: Mapping[str, str]) -> Mapping[str, Any]:
    if tuple(header) == GO_IIIF:
        source = named["source_id"]
        return {"identifier": named.get("alternate_id") or source, "source": source}
    values: dict[str, Any] = {name: text for name, text in named.items() if name in _TEXTS and text}
    metadata = _metadata(named)
    return {**values, _METADATA: metadata} if metadata else values


def _metadata(named: Mapping[str, str]) -> Any:
    """From one cell of JSON, or from columns such as `metadata.Date`."""
    text = named.get(_METADATA, "")
    try:
        rows = json.loads(text) if text else []
    except (ValueError, RecursionError):
        return text  # refused as what it is
    if not isinstance(rows, list):
        return rows
    prefix = f"{_METADATA}."
    columns = {name.removeprefix(prefix): cell for name, cell in named.items() if name.startswith(prefix) and cell}
    return [*rows, *({"label": label, "value": value} for label, value in columns.items())]
