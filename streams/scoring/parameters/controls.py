"""What operators did to the rules: which control, of whom, when and why. It came through the log, as the values did.

A control is a "params" block that names its rule, its kind (such as `pause` or `budget`), who sent it, and a note. Of
each rule the latest control of each subject is kept: its switch, its precision, its budget.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.tables.blocks import Block
from streams.tables.field import TEXT, Field
from streams.tables.table import Table

SUBJECT = {"pause": "switch", "stop": "switch", "resume": "switch", "precision": "precision", "budget": "budget"}
NOTE_CHARS_MAX = 2_000
BY_CHARS_MAX = 256


CONTROL_FIELDS = {
    "at_ms": Field("i8", "when it was sent", "ms"),
    "control": Field(TEXT, "which"),
    "by": Field(TEXT, "who sent it"),
    "note": Field(TEXT, "and why"),
}


class Controls:
    """The latest controls of each rule; `table` is all there is to keep."""

    def __init__(self) -> None:
        self.table = Table("controls", CONTROL_FIELDS)

    def take(self, block: Block) -> None:
        """Keep who sent a control, and why; nothing of a block that names no rule. Its origin is when it was sent."""
        meta: dict[str, Any] = block.meta
        rule, control = meta.get("rule"), meta.get("control")
        if not rule or control not in SUBJECT:
            return
        rows, _ = self.table.ensure([f"{rule}/{SUBJECT[control]}"])
        self.table["at_ms"][rows] = block.last_origin()
        by, note = str(meta.get("by", ""))[:BY_CHARS_MAX], str(meta.get("note", ""))[:NOTE_CHARS_MAX]
        for name, value in (("control", control), ("by", by), ("note", note)):
            self.table.texts(name)[int(rows[0])] = value
        self.table.touch(np.asarray(rows))

    def of(self, rule: str) -> dict[str, dict[str, Any]]:
        """Subject → its latest control, of a rule: control, by, note, at_ms."""
        found = {}
        for key, row in self.table.items():
            name, _, subject = str(key).rpartition("/")
            if name == rule:
                found[subject] = {
                    **{text: self.table.texts(text)[row] for text in ("control", "by", "note")},
                    "at_ms": int(self.table["at_ms"][row]),
                }
        return found
