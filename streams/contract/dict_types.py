"""Writes `record_dicts.py`: for each record that stages publish, the type of the dictionary that they make of it.

The records' classes are the one declaration. `python -m streams.contract.dict_types` writes the file anew.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import inspect

from streams.contract.flag_record import Rating, Reason, Root, Spread, Subject
from streams.contract.record_fields import Field, fields_of
from streams.contract.records import ClaimScore, Community, DeadLetter, Flag, SourceScore

FILE = Path(__file__).with_name("record_dicts.py")
WRITTEN: tuple[type[msgspec.Struct], ...] = (
    Reason, Rating, Subject, Root, Spread, ClaimScore, SourceScore, Community, Flag, DeadLetter,
)  # fmt: skip
# What a core cannot know of a flag: the stage adds it.
ADDED_LATER = ("trace_id",)

_PLAIN = {
    inspect.BoolType: "bool",
    inspect.IntType: "int",
    inspect.FloatType: "float",
    inspect.StrType: "str",
    inspect.EnumType: "str",
}
_HEAD = '''"""Records as stages make them: dictionaries, which leave as JSON. mypy checks their fields.

`python -m streams.contract.dict_types` wrote this from the records' classes, which say what the fields mean.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict
'''


def source() -> str:
    """The file as it must stand."""
    return "\n\n".join([_HEAD, *map(_class_of, WRITTEN)])


def _class_of(record: type[msgspec.Struct]) -> str:
    lines = [f"    {each.name}: {_type_of(each)}" for each in fields_of(record)]
    name = record.__name__
    return "\n".join([f"class {name}Dict(TypedDict):", f'    """`{name}` as a dictionary."""', "", *lines, ""])


def _type_of(field: Field) -> str:
    found = _named(field.shape)
    if not field.required:
        return f"NotRequired[{found} | None]"
    return f"NotRequired[{found}]" if field.name in ADDED_LATER else found


def _named(shape: inspect.Type) -> str:
    while isinstance(shape, inspect.Metadata):
        shape = shape.type
    if isinstance(shape, inspect.ListType):
        return f"list[{_named(shape.item_type)}]"
    return f"{shape.cls.__name__}Dict" if isinstance(shape, inspect.StructType) else _PLAIN[type(shape)]


if __name__ == "__main__":
    FILE.write_text(source(), "utf-8")
