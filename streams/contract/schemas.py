"""JSON Schemas of every record, written from the one definition in `streams.contract.records`.

`python -m streams.contract.schemas` writes them to `schemas/`; with `--check` it only says which are stale.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import orjson

from streams.contract.records import RECORDS, Field, Record

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FOLDER = Path(__file__).parents[2] / "schemas"
FROZEN = ("flag.v1.schema.json",)
"""Schemas of versions that nothing writes any more: they stand as they were published."""


def file_name(record: Record) -> str:
    """Name of the record's schema file, such as `event.v1.schema.json`."""
    return f"{record.name}.v{record.version}.schema.json"


def schema_of(record: Record) -> dict[str, Any]:
    """The record as a JSON Schema (draft 2020-12), open to fields that it does not list."""
    head = {"$schema": DIALECT, "$id": f"urn:credence:{record.name}:v{record.version}", "title": record.name}
    return head | {"description": record.doc} | _object(record.fields) | _any_of(record)


def _any_of(record: Record) -> dict[str, Any]:
    if not record.any_of:
        return {}
    exempt = {"properties": {"kind": {"enum": [str(kind) for kind in record.unless_kind]}}}
    present = [{"required": [name], "properties": {name: {"type": "string"}}} for name in record.any_of]
    return {"if": exempt, "else": {"anyOf": present}}


def _object(fields: tuple[Field, ...]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [field.name for field in fields if field.required],
        "properties": {field.name: _property(field) for field in fields},
    }


def _property(field: Field) -> dict[str, Any]:
    if field.json_type == "any":
        return {"description": field.doc}
    # Many serialisers write an absent value as null, so an optional field may be null.
    schema: dict[str, Any] = {"type": field.json_type if field.required else [field.json_type, "null"]}
    sentence = field.doc
    if field.words is not None:
        schema["enum"] = [str(word) for word in field.words] + ([] if field.required else [None])
        sentence += " " + " ".join(f"`{word}`: {word.doc}" for word in field.words)
    if field.tells:
        sentence += f" Cut at {field.max_length:,} characters; anything but a string counts as absent."
    schema["description"] = sentence
    if field.fields and field.json_type == "array":
        schema["items"] = _object(field.fields)
    elif field.fields:
        schema |= _object(field.fields)
    if field.items is not None:
        schema["items"] = {"type": field.items}
    limits = {
        "minLength": field.min_length or None,
        "maxLength": None if field.tells else field.max_length,
        "pattern": r"^[^\u0000-\u001f]*$" if field.identifier else None,
        "minimum": field.minimum,
        "maximum": field.maximum,
    }
    return schema | {keyword: limit for keyword, limit in limits.items() if limit is not None}


def files() -> dict[str, bytes]:
    """Every schema file by name, as it must stand in `schemas/`."""
    return {
        file_name(record): orjson.dumps(schema_of(record), option=orjson.OPT_INDENT_2) + b"\n" for record in RECORDS
    }


def stale(folder: Path = FOLDER) -> list[str]:
    """Names of the schema files in the folder that are missing, differ from the definition, or have lost theirs."""
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
