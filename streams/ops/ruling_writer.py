"""Writes rulings for people and services: finds the next version by itself, sends, and waits until the ruling counts.

Versions count within claim and rater, and the first ruling of a version stands. So a version is taken from what the
claim's record shows and from the rulings that were sent last, and if another writer took it in between, the next one
is. What a ruling came to is read from the claim's record, which names its raters' rulings, or from a dead letter.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import orjson
from aiokafka import AIOKafkaProducer, ConsumerRecord, TopicPartition

from streams.contract import topics
from streams.contract.codes import VERDICT_CODES
from streams.contract.settings import Settings, client_kwargs
from streams.contract.topics import partition_of
from streams.contract.words import RATINGS_MAX, DeadLetterCode, Fate, Verdict
from streams.kafka.admin import TopicsError
from streams.kafka.clients import started
from streams.kafka.log_reader import LogReader
from streams.ops.explanation import rulings
from streams.ops.saying import Became, Outcome, Refused, Ruling, RulingError, Said

PATIENCE_S = 30.0
TAIL = 1_000
"""Rulings at the end of a partition among which those under way are looked for."""
LOOK_S = 0.25
"""Seconds between looks at the dead letters."""
UNNAMED_S = 3.0
"""Seconds after which a ruling on a claim of many raters, which its record may not name, is looked for in the state."""
_VERDICTS = {code: word for word, code in VERDICT_CODES.items()}


class Claims(Protocol):
    """Who holds the newest score records of claims."""

    def claim(self, id_: str, /) -> dict[str, Any] | None:
        """The newest record of a claim; None if there is none."""

    async def news(self, timeout_s: float) -> None:
        """Wait until something new has been read, at most so long."""


@dataclass
class _Sent:
    """A ruling on its topic, and from where on dead letters may be about it."""

    ruling: Ruling
    partition: int
    offset: int
    letters: Mapping[TopicPartition, int]
    looked: float = field(default_factory=time.monotonic)


class _TakenError(Exception):
    """Another ruling has the version."""


class RulingWriter:
    """Writes rulings; an async context manager. It connects when the first ruling is written.

    Args:
        settings: with the broker filled in.
        claims: who holds the newest score records.
    """

    def __init__(self, settings: Settings, claims: Claims) -> None:
        self._settings = settings
        self._claims = claims
        self._raters = frozenset(rater for rater in settings.raters.split(",") if rater)
        self._open = AsyncExitStack()
        self._clients: tuple[AIOKafkaProducer, LogReader] | None = None
        self._connecting, self._reading = asyncio.Lock(), asyncio.Lock()
        self._turns: dict[tuple[str, str], asyncio.Lock] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def write(self, said: Said, patience_s: float = PATIENCE_S) -> Outcome:
        """Write what a rater says, unless it is the rater's word already, and wait until it counts.

        Raises RulingError where it cannot count, TopicsError without Kafka.
        """
        before = self._claims.claim(said.claim_id)
        if before is None:
            raise RulingError(Refused.UNKNOWN_CLAIM, f"no claim {said.claim_id!r} is known")
        if self._raters and said.rater_id not in self._raters:
            listed = "the operator's list of raters (CREDENCE_RATERS)"
            raise RulingError(Refused.UNKNOWN_RATER, f"{said.rater_id!r} is not on {listed}: this would not count")
        until = time.monotonic() + patience_s
        # Two of one rater at once would both find the same next version.
        async with self._turn(said.claim_id, said.rater_id):
            return await self._write(said, before, until)

    @asynccontextmanager
    async def _turn(self, *whose: str) -> AsyncIterator[None]:
        turn = self._turns.setdefault((whose[0], whose[1]), asyncio.Lock())
        try:
            async with turn:
                yield
        finally:
            if not turn.locked():
                self._turns.pop((whose[0], whose[1]), None)

    async def _write(self, said: Said, before: dict[str, Any], until: float) -> Outcome:
        id_, taken = said.id(), 0
        while True:
            word = await self._word(said)
            if word is not None and (said.is_said_by(word) or word["ruling_id"] == id_):
                return self._found(said, word, before)
            partition, letters, last = await self._last(said)
            sent = next((each for each in last if each.ruling["id"] == id_ and each.ruling["version"] > taken), None)
            if sent is None:
                if said.verdict == Verdict.WITHDRAWN and word is None and not last:
                    nobody = f"{said.rater_id!r} has not ruled on claim {said.claim_id!r}: there is nothing to withdraw"
                    raise RulingError(Refused.NOTHING_TO_WITHDRAW, nobody)
                known = [taken, word["version"] if word else 0, *(each.ruling["version"] for each in last)]
                ruling = said.ruling(id_, max(known) + 1)
                sent = _Sent(ruling, partition, await self._send(ruling, partition), letters)
            _same_content(said, sent.ruling)
            version = sent.ruling["version"]
            try:
                became = await self._wait(sent, until)
            except _TakenError:
                taken = version
                continue
            after = self._claims.claim(said.claim_id) or before
            return Outcome(ruling_id=id_, version=version, became=became, before=before, after=after)

    def _found(self, said: Said, word: Ruling, record: dict[str, Any]) -> Outcome:
        _same_content(said, word)
        id_, version = word["ruling_id"], word["version"]
        return Outcome(ruling_id=id_, version=version, became=Became.UNCHANGED, before=record, after=record)

    # --- what is known -------------------------------------------------------------------------------------------

    async def _word(self, said: Said) -> Ruling | None:
        """The rater's ruling on the claim that counts; None if there is none."""
        named = (self._claims.claim(said.claim_id) or {}).get("rulings") or []
        if found := _of_rater(named, said.rater_id):
            return found
        if len(named) < RATINGS_MAX:
            return None
        counting = [each for each in await self._state(said.claim_id) if each["fate"] == Fate.COUNTS]
        return _of_rater(counting, said.rater_id)

    async def _state(self, claim_id: str) -> list[dict[str, Any]]:
        """Everything that was ruled on a claim, with its fate, as ratings are told. Reads a whole partition."""
        found = await asyncio.to_thread(lambda: asyncio.run(rulings(self._settings, claim_id)))
        return [
            {**each, "verdict": _VERDICTS[each["verdict"]], "ruling_id": each["id"], "url": each["url"] or None,
             "note": each["note"] or None}
            for each in found
        ]  # fmt: skip

    async def _last(self, said: Said) -> tuple[int, Mapping[TopicPartition, int], list[_Sent]]:
        """What the rater said on the claim among the last rulings of its partition, which may be under way.

        Also returns that partition, and the present ends of the dead letters.
        """
        _, logs = await self._connected()
        name = topics.RULINGS.name(self._settings)
        async with self._reading:
            there = await logs.partitions([name, self._letters])
            if len(there) < 2:
                raise TopicsError(f"{name} or {self._letters} does not exist: run `credence topics create`")
            letters = await logs.ends(TopicPartition(self._letters, p) for p in range(there[self._letters]))
            tp = TopicPartition(name, partition_of(said.claim_id, there[name]))
            (end,) = (await logs.ends([tp])).values()
            await logs.place({tp: max(0, end - TAIL)})
            records = [record async for batch in logs.upto({tp: end}) for record in batch]
        found = [_Sent(_object(record), tp.partition, record.offset, letters) for record in records]
        return tp.partition, letters, [each for each in found if said.is_of_the_same(each.ruling)]

    # --- to the log and back -------------------------------------------------------------------------------------

    @property
    def _letters(self) -> str:
        return topics.DEAD_LETTERS.name(self._settings)

    async def _connected(self) -> tuple[AIOKafkaProducer, LogReader]:
        async with self._connecting:
            if self._clients is None:
                client = client_kwargs(self._settings)
                making = started(AIOKafkaProducer, client, acks="all", enable_idempotence=True)
                producer = await self._open.enter_async_context(making)
                self._clients = producer, await self._open.enter_async_context(LogReader(client))
            return self._clients

    async def _send(self, ruling: Ruling, partition: int) -> int:
        producer, _ = await self._connected()
        name, key = topics.RULINGS.name(self._settings), ruling["claim_id"].encode()
        ack = await producer.send_and_wait(name, orjson.dumps(ruling), key=key, partition=partition)
        return int(ack.offset)

    async def _wait(self, sent: _Sent, until: float) -> Became:
        """What became of a ruling. Raises RulingError if it was refused, _TakenError if another has its version."""
        look = 0.0
        while True:
            if (became := await self._in_record(sent)) is not None:
                return became
            code = None
            if time.monotonic() >= look:
                code, look = await self._refused(sent), time.monotonic() + LOOK_S
            if code == DeadLetterCode.ID_CONFLICT:
                raise _TakenError
            if code is not None:
                detail = f"the ruling was refused as {code}: `credence dead-letters list` has it"
                raise RulingError(Refused.DEAD_LETTER, detail)
            if time.monotonic() >= until:
                return Became.PENDING
            await self._claims.news(LOOK_S)

    async def _in_record(self, sent: _Sent) -> Became | None:
        """What the claim's record says of a ruling; where it cannot tell, what the state does. None: nothing yet."""
        ruling = sent.ruling
        named = (self._claims.claim(ruling["claim_id"]) or {}).get("rulings") or []
        if any(each["ruling_id"] == ruling["id"] for each in named):
            return Became.COUNTS
        word = _of_rater(named, ruling["rater_id"])
        overtaken = word is not None and word["version"] > ruling["version"]
        if not overtaken and (len(named) < RATINGS_MAX or time.monotonic() < sent.looked + UNNAMED_S):
            return None
        state = await self._state(ruling["claim_id"])
        sent.looked = time.monotonic()
        fate = next((each["fate"] for each in state if each["ruling_id"] == ruling["id"]), None)
        if fate in (Fate.LATE, Fate.REFUSED):
            raise _TakenError
        if fate == Fate.SUPERSEDED:
            return Became.SUPERSEDED
        return Became.COUNTS if fate == Fate.COUNTS else None

    async def _refused(self, sent: _Sent) -> str | None:
        """Code of the dead letter about a ruling, if there is one by now."""
        _, logs = await self._connected()
        name, letters = topics.RULINGS.name(self._settings), sent.letters
        async with self._reading:
            ends = await logs.ends(letters)
            news = {tp: letters[tp] for tp, end in ends.items() if end > letters[tp]}
            if not news:
                return None
            await logs.place(news)
            records = [record async for batch in logs.upto({tp: ends[tp] for tp in news}) for record in batch]
        sent.letters = ends
        about = (name, sent.partition, sent.offset)
        found = [each for each in map(_object, records) if _place(each) == about]
        return str(found[0]["code"]) if found else None


def _place(letter: Ruling) -> tuple[Any, ...]:
    return letter.get("topic"), letter.get("partition"), letter.get("offset")


def _same_content(said: Said, ruling: Ruling) -> None:
    """Raises RulingError where a key was used before for something else."""
    if said.key and not said.is_said_by(ruling):
        raise RulingError(Refused.OTHER_CONTENT, "the idempotency key came before with other content")


def _of_rater(named: Iterable[Ruling], rater_id: str) -> Ruling | None:
    return next((each for each in named if each["rater_id"] == rater_id), None)


def _object(record: ConsumerRecord[bytes, bytes]) -> dict[str, Any]:
    """A record's JSON object; empty if it is none."""
    try:
        found = orjson.loads(record.value or b"")
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
