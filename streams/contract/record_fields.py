"""What records are declared with: the types of their fields, and how a declaration is read back.

A record is a `msgspec.Struct`; a field's limits and its sentence stand beside its type. The JSON Schemas, the decoder,
the validator and the documentation follow from that.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta, inspect

from streams.contract.words import CLOCK_MIN_MS, ID_CHARS_MAX, INT64_MAX, INT64_MIN, SAFE_INTEGER_MAX, Documented

CUT_AT = "cut_at"
"""Keyword of an unfinished schema: where a text is cut. It replaces `maxLength`: a longer text refuses no record."""

# The decoder leaves the pattern to the intake, which looks at the ids of many records at once.
Id = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=ID_CHARS_MAX,
        extra_json_schema={"pattern": r"^[^\u0000-\u001f]*$"},
        extra={"identifier": True},
    ),
]
"""A string without control characters that names something."""
Clock = Annotated[int, Meta(ge=CLOCK_MIN_MS, le=INT64_MAX, extra={"clock": True})]
"""A sender's time in milliseconds since 1970, which must also make sense beside the broker's clock."""
Ms = Annotated[int, Meta(ge=INT64_MIN, le=INT64_MAX)]
Count = Annotated[int, Meta(ge=0, le=SAFE_INTEGER_MAX)]
Ordinal = Annotated[int, Meta(ge=1, le=SAFE_INTEGER_MAX)]
Priority = Annotated[int, Meta(ge=0, le=100)]
Share = Annotated[float, Meta(ge=0, le=1)]
Signed = Annotated[float, Meta(ge=-1, le=1)]
Amount = Annotated[float, Meta(ge=0)]


def doc(sentence: str) -> Meta:
    """A field's sentence."""
    return Meta(description=sentence)


def chars(most: int, sentence: str) -> Meta:
    """The sentence of a string, and how many characters (code points) it may have."""
    return Meta(max_length=most, description=sentence)


def told(most: int, sentence: str) -> Meta:
    """The same for a text that names nothing. It is cut if it is too long; no fault of it refuses the record."""
    sentence += f" Cut at {most:,} characters; anything but a string counts as absent."
    return Meta(max_length=most, description=sentence, extra_json_schema={CUT_AT: most}, extra={"tells": True})


def form(version: int) -> Meta:
    """The only value of the field that says which version of a record it is."""
    return Meta(ge=version, le=version, description="Version of this record's form.")


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Base of all records. Fields that are not declared are ignored, never refused.

    Attributes:
        NAME, VERSION: what it is called, and which version of it is declared.
        ANY_OF: fields of which at least one must be there, unless the record's `kind` is one of UNLESS_KIND.
    """

    NAME: ClassVar[str]
    VERSION: ClassVar[int]
    ANY_OF: ClassVar[tuple[str, ...]] = ()
    UNLESS_KIND: ClassVar[tuple[str, ...]] = ()


@dataclass(frozen=True, slots=True)
class Field:
    """A field as it is declared.

    Attributes:
        shape: type and limits of its value where that is not null, as msgspec describes them.
        words: the closed list that it is taken from.
        max_length: limit of a string, in characters.
        identifier, tells, clock: it is an `Id`, a text by `told`, or a `Clock`.
    """

    name: str
    required: bool
    shape: inspect.Type
    doc: str
    words: type[Documented] | None = None
    max_length: int | None = None
    identifier: bool = False
    tells: bool = False
    clock: bool = False


@cache
def fields_of(record: type[msgspec.Struct]) -> tuple[Field, ...]:
    """The fields of a record, in their order."""
    declared = inspect.type_info(record)
    assert isinstance(declared, inspect.StructType)
    return tuple(_field(each) for each in declared.fields)


def _field(declared: inspect.Field) -> Field:
    found, sentence, marks = declared.type, "", dict[str, Any]()
    while isinstance(found, inspect.Metadata | inspect.UnionType):
        if isinstance(found, inspect.Metadata):
            sentence = sentence or (found.extra_json_schema or {}).get("description", "")
            marks |= found.extra or {}
            found = found.type
        else:
            found = found.types[0]
    if isinstance(found, inspect.EnumType):
        marks["words"] = found.cls
    elif isinstance(found, inspect.StrType):
        marks["max_length"] = found.max_length
    return Field(declared.name, declared.required, found, sentence, **marks)
