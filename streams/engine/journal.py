"""The changelog of a partition: deltas, a rolling snapshot, and the fence with its outbox, one atomic batch each time.

One keyed record for each changed row would cost 3 µs a row to append, and as much to recover. Here one record, a delta,
holds all rows that a micro-batch changed, as raw columns: 0.1 µs a row. As deltas pile up, the state is copied segment
by segment: the snapshot. Deltas older than its last full turn get tombstones, and compaction removes them. Applying all
that compaction has left, in log order, gives the state: a row's last value is in the newest snapshot of its segment,
or in a delta after that.

Keys: `f` fence and outbox; `dz/<sequence>` delta and `sz/<table>/<segment>` snapshot, compressed; `m` a new owner's
claim.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, islice
from typing import TYPE_CHECKING, NamedTuple

import orjson

from streams.engine.framing import pack, unpack
from streams.engine.replica import Fence
from streams.tables.compression import compress, expand

if TYPE_CHECKING:  # it brings the compiler, which a reader of blocks does without
    from streams.tables.table import Table

FENCE_KEY = b"f"
CLAIM_KEY = b"m"

Entry = tuple[bytes, bytes | None]


class Outgoing(NamedTuple):
    """A record on its way out of a stage. The value of a `loose` one is not compressed yet."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    loose: bool = False


def seal(outbox: Sequence[Outgoing]) -> list[Outgoing]:
    """The records as they are sent: loose ones get compressed."""
    return [o._replace(value=compress(o.value or b""), loose=False) if o.loose else o for o in outbox]


class Change(NamedTuple):
    """A record of the changelog before compression. Without a value it is a tombstone."""

    key: bytes
    value: bytes | None

    def seal(self) -> Entry:
        """The record as it is written."""
        return self.key, None if self.value is None else compress(self.value)


class Journal:
    """Writes and reads the changelog records of one partition's tables.

    Args:
        tables: the state; their order is part of the format.
        slack_bytes: how many bytes of deltas may pile up, beyond the size of the state, before a turn of the
            snapshot begins.
    """

    def __init__(self, tables: Sequence[Table], slack_bytes: int = 8 << 20) -> None:
        self.tables = tuple(tables)
        self._slack_bytes = slack_bytes
        self._sequence = 0
        self._deltas: dict[int, int] = {}  # sequence → bytes before compression, of deltas without a tombstone
        self._delta_bytes = 0  # of all of them: there may be thousands
        self._turn: list[tuple[int, int]] = []  # segments still to write in this turn, last first
        self._turn_began = 0
        self._turn_at = 0
        self.base = 0  # offset from which a recovery must read
        self.meta = b""  # what the state was made for, as the last fence has it
        self._by_name = {t.name: t for t in self.tables}
        self.outbox: list[Outgoing] = []

    # --- write ---------------------------------------------------------------------------------------------------

    def changes(self, at: int = 0) -> list[Change]:
        """Records of what changed since the last call. Seal them and append them in one batch with the `fence`.

        Args:
            at: an offset of the changelog; the batch will come after it.
        """
        parts = [table.take_delta() for table in self.tables]
        if not any(parts):
            return []
        self._sequence += 1
        delta = pack(parts)
        self._pile(self._sequence, len(delta))
        return [Change(b"dz/%d" % self._sequence, delta), *self._snapshot(2 * len(delta), at)]

    def fence(self, fence: Fence, outbox: Sequence[Outgoing]) -> Entry:
        """The record that ends a batch: how far the input is applied, and the outbox (sealed) to send afterwards."""
        return FENCE_KEY, pack([fence.encode(), _pack_outbox(outbox), b"%d" % self.base, self.meta])

    def _snapshot(self, budget_bytes: int, at: int) -> list[Change]:
        """The next segments of the current turn, up to a budget; at the end of the turn, also tombstones."""
        if not self._turn and self._delta_bytes > self._slack_bytes + sum(t.nbytes() for t in self.tables):
            self._turn_at = at
            self._turn = [(i, s) for i, t in reversed(list(enumerate(self.tables))) for s in range(t.segments())[::-1]]
            self._turn_began = self._sequence
        if not self._turn:
            return []
        changes: list[Change] = []
        while self._turn and budget_bytes > 0:
            index, segment = self._turn.pop()
            table = self.tables[index]
            payload = table.segment(segment)
            changes.append(Change(f"sz/{table.name}/{segment}".encode(), payload))
            budget_bytes -= len(payload)
        if not self._turn:
            self.base = self._turn_at
            # Segments made since the turn began need no copy: their rows are in newer deltas, which stay.
            done = [s for s in self._deltas if s < self._turn_began]
            for sequence in done:
                self._unpile(sequence)
                changes.append(Change(b"dz/%d" % sequence, None))
        return changes

    def _pile(self, sequence: int, size: int) -> None:
        """A delta is on the changelog."""
        self._unpile(sequence)
        self._deltas[sequence] = size
        self._delta_bytes += size

    def _unpile(self, sequence: int) -> None:
        """It is not needed any more."""
        self._delta_bytes -= self._deltas.pop(sequence, 0)

    # --- read ----------------------------------------------------------------------------------------------------

    def read(self, key: bytes, value: bytes | None) -> Fence | None:
        """Apply one changelog record; call in log order. Returns the fence if the record holds one."""
        if key == FENCE_KEY and value is not None:
            fence, outbox, base, self.meta = unpack(value)
            self.outbox, self.base = _unpack_outbox(outbox), int(base)
            return Fence.decode(fence)
        if key.startswith(b"dz/"):
            sequence = int(key[3:])
            self._sequence = max(self._sequence, sequence)
            if value is None:
                self._unpile(sequence)
                return None
            delta = expand(value)
            self._pile(sequence, len(delta))
            for table, payload in zip(self.tables, unpack(delta), strict=True):
                if payload:
                    table.apply(payload)
        elif key.startswith(b"sz/") and value is not None:
            self._by_name[key.split(b"/", 2)[1].decode()].apply(expand(value))
        return None

    def recovered(self) -> None:
        """Call once after the last `read`."""
        self._turn.clear()
        for table in self.tables:
            table.recovered()


def _pack_outbox(outbox: Sequence[Outgoing]) -> bytes:
    runs = [(*head, len(list(run))) for head, run in groupby(outbox, _head)]
    bodies = [part or b"" for _, _, key, value, _ in outbox for part in (key, value)]
    return pack([orjson.dumps(runs), *bodies])


def _head(record: Outgoing) -> tuple[str, int, bool, bool]:
    """What neighbours in an outbox have in common."""
    return record.topic, record.partition, record.key is not None, record.value is not None


def _unpack_outbox(data: bytes) -> list[Outgoing]:
    runs, *bodies = unpack(data)
    body = iter(bodies)
    return [
        Outgoing(topic, partition, key if keyed else None, value if valued else None)
        for topic, partition, keyed, valued, count in orjson.loads(runs)
        for key, value in islice(zip(body, body, strict=True), count)
    ]


def base_of(fence_value: bytes) -> int:
    """The offset from which a recovery must read, from the value of a fence record."""
    return int(unpack(fence_value)[2])
