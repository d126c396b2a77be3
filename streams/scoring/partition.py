"""What partitions of the stages have in common: a clock that only the log moves, learned parameters, rare names."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streams.scoring.config import CORE_VERSION, ScoringConfig
from streams.scoring.dispatch import BlockCore
from streams.scoring.effects import Effects
from streams.scoring.parameters.flag_rules import RULE_COUNT
from streams.scoring.parameters.params import Params, apply_params, params_table, read_params
from streams.tables.blocks import Block
from streams.tables.field import Field
from streams.tables.table import Table

CLOCK_FIELDS = {
    "seq": Field("i8", "rows applied, or records where rows do not count one by one"),
    "now_ms": Field("i8", "latest append time", "ms"),
    "swept_ms": Field("i8", "append time at which all that had expired was gone", "ms"),
    "sweeping_ms": Field("i8", "append time of the latest step towards that", "ms"),
    "latest_ms": Field("i8", "latest event time", "ms"),
    "flag_hour": Field(f"{RULE_COUNT}i8", "of each rule: hour of the stream whose flags are counted", "hours"),
    "raised": Field(f"{RULE_COUNT}i8", "flags that each rule raised in it"),
    "standing": Field(f"{RULE_COUNT}i8", "flags of each rule that stand"),
    "held": Field(f"{RULE_COUNT}i8", "flags of each rule that a budget holds back"),
}


class PartitionState(BlockCore):
    """Clock and parameters of one partition.

    The clock is the log's own: `now_ms` is the latest append time seen, `seq` counts what was applied. A score's
    version is `seq`, so that it rises even when a key was forgotten and came back.
    """

    def __init__(self, config: ScoringConfig | None = None, partition: int = 0) -> None:
        super().__init__(config, partition)
        self.clock = Table("clock", CLOCK_FIELDS, integers=True)
        self.params_values = params_table()
        self.clock.ensure([0])
        self._params: Params | None = None

    @property
    def params(self) -> Params:
        """Parameters in force."""
        if self._params is None:
            self._params = read_params(self.params_values)
        return self._params

    @property
    def core_version(self) -> str:
        """Version of the code's models and of the parameters that make scores now."""
        return f"{CORE_VERSION}+p{int(self.params.version)}"

    @property
    def now_ms(self) -> int:
        """Latest append time seen."""
        return int(self.clock["now_ms"][0])

    @property
    def now_s(self) -> int:
        """The same in seconds, at least 1: 0 marks a free row."""
        return max(1, self.now_ms // 1000)

    def _quiet(self, table: Table, age_ms: int) -> npt.NDArray[np.bool_]:
        """Which rows of a table (with a column "seen") are live and were last seen longer ago than that."""
        seen = table["seen"][: table.size]
        quiet: npt.NDArray[np.bool_] = (seen > 0) & (seen < max(0, (self.now_ms - age_ms) // 1000))
        return quiet

    @property
    def seq(self) -> int:
        """What was applied so far: an event or a record counts one, and so does each step of a long one."""
        return int(self.clock["seq"][0])

    def begin(self, append_ms: int, effects: Effects) -> None:
        """A log record starts."""
        clock = self.clock
        clock["seq"][0] += 1
        clock["now_ms"][0] = max(append_ms, int(clock["now_ms"][0]))
        clock.touch(np.zeros(1, np.int64))

    def count_rows(self, rows: int = 0) -> None:
        """Of this record rows count one by one, not it: so it does not matter how a log is cut into records.

        Args:
            rows: how many; 0 if loops count them.
        """
        self.clock["seq"][0] += rows - 1

    def take_params(self, block: Block) -> None:
        """A parameter version arrives."""
        self._params = apply_params(self.params_values, block)

    def sweep_due(self) -> bool:
        """Whether the append clock has gone one coarse step since the last complete sweep.

        What expired goes before a record is folded, and a step of it each time that the clock moves: then it does not
        matter into how many records the rows of a moment were cut.
        """
        clock = self.clock
        if self.now_ms == int(clock["sweeping_ms"][0]):
            return False
        return self.now_ms - int(clock["swept_ms"][0]) >= self.config.sweep_ms

    def swept(self, whole: bool = True) -> None:
        """A step of a sweep is done; if it is the last, everything that had expired is gone."""
        self.clock["sweeping_ms"][0] = self.now_ms
        if whole:
            self.clock["swept_ms"][0] = self.now_ms


def communities_table() -> Table:
    """Names of communities; row 0 is that of none, ""."""
    table = Table("communities", {})
    table.ensure([""])
    return table
