"""A field of a table, declared once: the record's layout, the changelog's layout hash and the page follow."""

from __future__ import annotations

from typing import NamedTuple


class Field(NamedTuple):
    """A number or a text that a table keeps in every row.

    Attributes:
        dtype: numpy's name of its type, or TEXT. A new row is zero in every field.
        meaning: what it says, in a few words.
        unit: of the number; "" for counts, codes and flags.
    """

    dtype: str
    meaning: str
    unit: str = ""


TEXT = "text"  # the record holds the place of the text (see `texts`)
LINK = "row + 1"  # unit of a field that names a row: 0 is none
FIXED = "2⁻³⁰ nats"  # unit of sums that do not depend on their order
HASH = "hash"
