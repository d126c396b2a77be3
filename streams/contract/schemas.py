"""JSON Schemas of every record, written from the one definition in `streams.contract.records`.

`python -m streams.contract.schemas` writes them to `schemas/`; with `--check` it only says which are stale.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec
import orjson

from streams.contract.record_fields import CUT_AT, Record
from streams.contract.records import RECORDS
from streams.contract.words import Documented

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FOLDER = Path(__file__).parents[2] / "schemas"
FROZEN = ("flag.v1.schema.json",)
"""Schemas of versions that nothing writes any more. They stay as they were published."""


# Keywords in the order in which files have them. Others that msgspec writes are left out.
_KEYWORDS = (
    "type", "enum", "description", "required", "properties", "items", "minLength", "maxLength", "pattern", "minimum",
    "maximum",
)  # fmt: skip
_WORDS = {words.__name__: words for words in Documented.__subclasses__()}


def file_name(record: type[Record]) -> str:
    """Name of the record's schema file, such as `event.v1.schema.json`."""
    return f"{record.NAME}.v{record.VERSION}.schema.json"


def schema_of(record: type[Record]) -> dict[str, Any]:
    """The record as a JSON Schema (draft 2020-12), open to fields that it does not list."""
    _, found = msgspec.json.schema_components([record], ref_template="{name}")
    schema = _plain(found[record.__name__], found)
    head = {"$schema": DIALECT, "$id": f"urn:credence:{record.NAME}:v{record.VERSION}", "title": record.NAME}
    return head | {"description": " ".join(schema.pop("description").split())} | schema | _any_of(record)


def _any_of(record: type[Record]) -> dict[str, Any]:
    if not record.ANY_OF:
        return {}
    exempt = {"properties": {"kind": {"enum": [str(kind) for kind in record.UNLESS_KIND]}}}
    present = [{"required": [name], "properties": {name: {"type": "string"}}} for name in record.ANY_OF]
    return {"if": exempt, "else": {"anyOf": present}}


def _plain(schema: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """The schema in one piece: without references, with one type or null, and with each word's sentence."""
    if "anyOf" in schema:
        # Many serialisers write an absent value as null, so an optional field may be null.
        value = _plain(schema["anyOf"][0], found)
        null = {"type": [value["type"], "null"]} | ({"enum": [*value["enum"], None]} if "enum" in value else {})
        return value | null
    if words := _WORDS.get(schema.get("$ref", "")):
        sentences = (f"`{word}`: {word.doc}" for word in words)
        schema = {"type": "string", "enum": list(map(str, words))} | schema
        schema["description"] = " ".join((schema["description"], *sentences))
    elif "$ref" in schema:
        schema = found[schema["$ref"]] | schema
    if CUT_AT in schema:
        schema = schema | {"maxLength": None}
    if "properties" in schema:
        schema = schema | {"properties": {name: _plain(of, found) for name, of in schema["properties"].items()}}
    if "items" in schema:
        schema = schema | {"items": _plain(schema["items"], found)}
    return {keyword: schema[keyword] for keyword in _KEYWORDS if schema.get(keyword) is not None}


def files() -> dict[str, bytes]:
    """Every schema file by name, as it must stand in `schemas/`."""
    return {
        file_name(record): orjson.dumps(schema_of(record), option=orjson.OPT_INDENT_2) + b"\n" for record in RECORDS
    }


def stale(folder: Path = FOLDER) -> list[str]:
    """Names of schema files that are missing in the folder, differ from the definition, or have no definition."""
    wanted = files()
    found = {path.name: path.read_bytes() for path in folder.glob("*.schema.json") if path.name not in FROZEN}
    return sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))


def main(arguments: list[str], folder: Path = FOLDER) -> int:
    """Write the schemas, or with `--check` only look; the exit status is 1 if any was found stale by a check."""
    names = stale(folder)
    if arguments == ["--check"]:
        print("\n".join(f"stale: schemas/{name}" for name in names) or "schemas are up to date")
        return 1 if names else 0
    if arguments:
        print("usage: python -m streams.contract.schemas [--check]", file=sys.stderr)
        return 2
    for name in names:
        if name in files():
            (folder / name).write_bytes(files()[name])
        else:
            (folder / name).unlink()
        print(f"schemas/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
