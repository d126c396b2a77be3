"""Remembered: the lessons of the latest settled claims, so that a verdict that is withdrawn can be unlearned.

A verdict that is changed or withdrawn changes a lesson that others were learned after. So the lessons of the latest
claims are kept: what they taught is learned again without it, from what was learned before the first of them. That is
exact for as long as a claim's lessons are remembered. What an older verdict taught stays, and fades.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import orjson

from streams.scoring.numeric import Floats, Ints
from streams.scoring.signals.registry import SIGNALS
from streams.tables.blocks import Block
from streams.tables.field import TEXT, Field
from streams.tables.index import NO_ROWS
from streams.tables.table import Table

LESSONS = 600  # of two hundred claims; to learn them again takes a quarter of a second


class Lesson(NamedTuple):
    """What a settled claim teaches at one age.

    Attributes:
        age: in hours.
        false: the verdict.
        participants: then.
        corroboration: L then, in nats.
        weight: independent weight behind it.
        alarm: the claim's highest before the verdict, in nats.
        signals: [signals] as they were then, in nats.
    """

    age: int
    false: bool
    participants: int
    corroboration: float
    weight: float
    alarm: float
    signals: Floats


class Remembered:
    """The lessons of the latest settled claims, by (claim, age), in the order in which their verdicts came."""

    def __init__(self) -> None:
        self.table = Table("remembered", {
            "number": Field("i8", "which lesson it is, from 1"),
            "finding": Field("i1", "of the verdict: +1 false, −1 true"),
            "figures": Field(TEXT, "what was known of the claim then, as JSON"),
        })  # fmt: skip
        self._number = 0

    def take(self, block: Block, i: int) -> tuple[Lesson | None, bool]:
        """Take in a lesson, or take one back if its verdict is neither true nor false.

        Returns:
            the lesson, if it is a new one; and whether one that was learned is not what it was, so that all are to be
            learned again.
        """
        table, key = self.table, f"{block['c'][i]}\0{block['h'][i]}"
        row, finding = table.find_one(key), int(block["f"][i])
        if row >= 0 and finding == table["finding"][row]:
            return None, False
        if not finding:
            if row >= 0:
                table.free(np.array([row]))
            return None, row >= 0
        if row >= 0:
            table["finding"][row] = finding
            table.touch(np.array([row]))
            return None, True
        lesson = Lesson(
            int(block["h"][i]), finding > 0, int(block["n"][i]), float(block["L"][i]), float(block["A"][i]),
            float(block["al"][i]), np.asarray(block["sig"][i], np.float64),
        )  # fmt: skip
        (row,), _ = table.ensure([key])
        table["number"][row] = table["number"][: table.size].max() + 1
        table["finding"][row] = finding
        told = lesson._asdict() | {"signals": dict(zip(SIGNALS, lesson.signals.tolist(), strict=True))}
        table.texts("figures")[row] = orjson.dumps(told).decode()
        return lesson, False

    def all(self) -> list[Lesson]:
        """Every lesson, in order."""
        return [self._lesson(row) for row in self._in_order().tolist()]

    def forget(self) -> list[Lesson]:
        """Forget the lessons beyond the latest LESSONS; they, in order."""
        rows = self._in_order()[: max(0, len(self.table) - LESSONS)] if len(self.table) > LESSONS else NO_ROWS
        lessons = [self._lesson(row) for row in rows.tolist()]
        self.table.free(rows)
        return lessons

    def _in_order(self) -> Ints:
        rows = self.table.rows()
        return rows[np.argsort(self.table["number"][rows])]

    def _lesson(self, row: int) -> Lesson:
        told = orjson.loads(self.table.texts("figures")[row])
        signals = np.array([told["signals"].get(name, 0.0) for name in SIGNALS])
        return Lesson(**told | {"false": bool(self.table["finding"][row] > 0), "signals": signals})
