"""The OpenAPI description as the page of it shows it: operations by tag, with parameters, bodies, answers, examples."""

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]

_METHODS = ("get", "post", "put", "patch", "delete")
_GENERAL = "general"
_JSON = "application/json"
_DEEPEST_EXAMPLE = 4
_BY_TYPE: Mapping[str, Any] = {"integer": 1, "number": 1.5, "boolean": True, "string": "text"}
_BY_FORMAT = {
    "uuid": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
    "date-time": "2030-01-31T12:00:00Z",
    "uri": "https://example.org/map.jp2",
}


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a member of an object; `link` names the object that it holds, or is ""."""

    name: str
    type: str
    link: str
    place: str
    is_required: bool
    description: str
    limits: str


@dataclass(frozen=True, slots=True)
class Content:
    """A body as one media type; `link` names the object that it is, `example` is text or ""."""

    media_type: str
    type: str
    link: str
    example: str


@dataclass(frozen=True, slots=True)
class Answer:
    status: str
    description: str
    contents: tuple[Content, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one address; `example` is a command for a shell."""

    anchor: str
    method: str
    path: str
    description: str
    is_open: bool
    parameters: tuple[Field, ...]
    bodies: tuple[Content, ...]
    answers: tuple[Answer, ...]
    example: str


@dataclass(frozen=True, slots=True)
class Tag:
    name: str
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class Object:
    """A schema that others refer to; `values` are those of an enumeration."""

    name: str
    type: str
    description: str
    fields: tuple[Field, ...]
    values: tuple[str, ...]


class Reference:
    """What the page shows of an OpenAPI 3.0 document, whose references are all to `#/components/schemas/`."""

    def __init__(self, document: Schema) -> None:
        self._document = document
        self._schemas: Schema = document.get("components", {}).get("schemas", {})

    def tags(self) -> tuple[Tag, ...]:
        """Operations in the order of their addresses, those of no tag first."""
        found: dict[str, list[Operation]] = {_GENERAL: []}
        for path, methods in self._document["paths"].items():
            for method in _METHODS:
                if method in methods:
                    tag = (methods[method].get("tags") or [_GENERAL])[0]
                    found.setdefault(tag, []).append(self._operation(path, method, methods[method]))
        return tuple(Tag(name, tuple(operations)) for name, operations in found.items() if operations)

    def objects(self) -> tuple[Object, ...]:
        return tuple(self._object(name, schema) for name, schema in sorted(self._schemas.items()))

    def _operation(self, path: str, method: str, operation: Schema) -> Operation:
        contents = operation.get("requestBody", {}).get("content", {})
        bodies = tuple(self._content(media_type, each) for media_type, each in contents.items())
        parameters = tuple(self._parameter(each) for each in operation.get("parameters", ()))
        return Operation(
            anchor=operation["operationId"],
            method=method.upper(),
            path=path,
            description=operation.get("description", ""),
            is_open=not operation.get("security"),
            parameters=parameters,
            bodies=bodies,
            answers=tuple(self._answer(status, each) for status, each in operation["responses"].items()),
            example=_command(method, path, parameters, bodies, is_open=not operation.get("security")),
        )

    def _answer(self, status: str, answer: Schema) -> Answer:
        contents = tuple(self._content(media_type, each) for media_type, each in answer.get("content", {}).items())
        return Answer("" if status == "default" else status, answer.get("description", ""), contents)

    def _content(self, media_type: str, content: Schema) -> Content:
        schema = content.get("schema", {})
        name, link = self._type(schema)
        is_json = media_type == _JSON or media_type.endswith("+json")
        example = json.dumps(self._example(schema), indent=2, ensure_ascii=False) if is_json else ""
        return Content(media_type, name, link, example)

    def _parameter(self, parameter: Schema) -> Field:
        found = self._field(parameter["name"], parameter.get("schema", {}), is_required=parameter.get("required"))
        description = parameter.get("description") or found.description
        return Field(found.name, found.type, found.link, parameter["in"], found.is_required, description, found.limits)

    def _object(self, name: str, schema: Schema) -> Object:
        required = set(schema.get("required", ()))
        fields = tuple(
            self._field(key, each, is_required=key in required) for key, each in schema.get("properties", {}).items()
        )
        values = tuple(_shown(each) for each in schema.get("enum", ()))
        return Object(name, self._type(schema)[0], schema.get("description", ""), fields, values)

    def _field(self, name: str, schema: Schema, *, is_required: Any) -> Field:
        shown, link = self._type(schema)
        limits = ", ".join(_limits(schema))
        return Field(name, shown, link, "", bool(is_required), schema.get("description", ""), limits)

    def _type(self, schema: Schema) -> tuple[str, str]:
        """How the type is written, and the object that it refers to, or ""."""
        if "$ref" in schema:
            name = _referred(schema)
            return name, name
        alternatives = schema.get("allOf") or schema.get("oneOf") or schema.get("anyOf")
        if alternatives:
            found = [self._type(each) for each in alternatives]
            return " | ".join(name for name, _link in found), found[0][1]
        if schema.get("type") == "array":
            name, link = self._type(schema.get("items", {}))
            return f"[{name}]", link
        kind = schema.get("type", "any")
        return (f"{kind} ({schema['format']})" if "format" in schema else kind), ""

    def _example(self, schema: Schema, depth: int = 0) -> Any:
        """A value that the schema allows, as far as its depth lets it; what only answers have is left in."""
        if "example" in schema or "default" in schema:
            return schema.get("example", schema.get("default"))
        if "$ref" in schema:
            return self._example(self._schemas.get(_referred(schema), {}), depth)
        alternatives = schema.get("allOf") or schema.get("oneOf") or schema.get("anyOf")
        if alternatives:
            return self._example(alternatives[0], depth)
        if schema.get("enum"):
            return schema["enum"][0]
        if schema.get("type") == "array":
            return [] if depth >= _DEEPEST_EXAMPLE else [self._example(schema.get("items", {}), depth + 1)]
        if schema.get("type") == "object" or "properties" in schema:
            members = {} if depth >= _DEEPEST_EXAMPLE else schema.get("properties", {})
            return {name: self._example(each, depth + 1) for name, each in members.items()}
        return _BY_FORMAT.get(schema.get("format", ""), _BY_TYPE.get(schema.get("type", "")))


def _referred(schema: Schema) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _limits(schema: Schema) -> Iterator[str]:
    if schema.get("enum"):
        yield " | ".join(_shown(each) for each in schema["enum"])
    for name in ("minimum", "maximum", "minLength", "maxLength", "maxItems", "pattern", "default"):
        # The bounds of a column of the database say nothing to anybody.
        if name in schema and not (name in {"minimum", "maximum"} and abs(schema[name]) > 2**30):
            yield f"{name} {schema[name] if name == 'pattern' else _shown(schema[name])}"
    yield from (name for name in ("nullable", "readOnly", "writeOnly") if schema.get(name))


def _command(
    method: str, path: str, parameters: tuple[Field, ...], bodies: tuple[Content, ...], *, is_open: bool
) -> str:
    """The operation with curl, where $SERVER and $TOKEN stand for the address of the server and the token."""
    words = ["curl"]
    if method != "get":
        words.append(f"-X {method.upper()}")
    if not is_open:
        words.append('-H "Authorization: Bearer $TOKEN"')
    query = [each for each in parameters if each.place == "query" and each.is_required]
    address = path + ("?" + "&".join(f"{each.name}={each.name.upper()}" for each in query) if query else "")
    for name in [each.name for each in parameters if each.place == "path"]:
        address = address.replace("{" + name + "}", name.upper())
    lines = [" ".join([*words, f'"$SERVER{address}"'])]
    body = next((each for each in bodies if each.media_type == _JSON), None)
    if body is not None:
        lines += [f"-H 'Content-Type: {_JSON}'", f"-d {shlex.quote(body.example)}"]
    elif bodies and bodies[0].media_type != "multipart/form-data":
        lines += [f"-H 'Content-Type: {bodies[0].media_type}'", "--data-binary @file"]
    elif bodies:
        lines += ["-F file=@file"]
    return " \\\n  ".join(lines)
