"""What can be asked of the query service, without asking: each call's request, and how its answer is read."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Generic, TypedDict, TypeVar
from urllib.parse import quote

import msgspec

from streams.client.typed_answers import (
    Claim,
    Community,
    Explanation,
    FlagHistory,
    FlagRecord,
    History,
    Ruled,
    Source,
)
from streams.contract.input_records import Decision
from streams.contract.words import FlagDecision, RulingKind, Verdict

BATCH_MAX = 1_000
"""Ids that the service takes at once."""
T = TypeVar("T")
Filters = Mapping[str, str | int | None]


@dataclass(frozen=True)
class Call(Generic[T]):
    """A request and the type of its answer.

    Attributes:
        kind: type of the answer, for msgspec.
        missing: 404 is an answer, which is None.
        key: of a call that writes, so that a further try does nothing twice; "" for one that only asks.
        wait_s: seconds that the service may take beside its usual ones.
    """

    method: str
    path: str
    kind: Any
    params: dict[str, str | int] = field(default_factory=dict)
    body: Any = None
    missing: bool = False
    key: str = ""
    wait_s: float = 0.0

    @property
    def headers(self) -> dict[str, str]:
        """Headers of its own."""
        return {"Idempotency-Key": self.key} if self.key else {}

    def read(self, body: bytes) -> T:
        """The answer. Raises msgspec.ValidationError on what is none."""
        found: T = msgspec.json.decode(body, type=self.kind)
        return found


class RulingWords(TypedDict, total=False):
    """What may be said with a ruling.

    Attributes:
        rater_id: who found it; the token's name unless said.
        kind: by what kind of process; moderation unless said.
        url, note: where and why; what the rater said before stays unless said anew.
        key: of the request, if the caller keeps one over its own restarts; one is made unless said.
        wait_ms: how long to wait until it counts, 0 to 30,000; 10,000 unless said.
    """

    rater_id: str
    kind: RulingKind
    url: str
    note: str
    key: str
    wait_ms: int


class DecisionWords(TypedDict, total=False):
    """What may be said with a decision.

    Attributes:
        decided_by: who decided; the token's name unless said.
        revision: of the flag as it was looked at; the newest unless said.
        url, note: where and why.
        via: the queue or tool in which it was made; the token's name unless said.
        key: of the request, if the caller keeps one over its own restarts; one is made unless said.
    """

    decided_by: str
    revision: int
    url: str
    note: str
    via: str
    key: str


@dataclass(frozen=True)
class Listing(Generic[T]):
    """A list that is read page by page.

    Attributes:
        name: of its entries in an answer.
        entry: their type.
    """

    path: str
    name: str
    entry: Any
    filters: Filters

    def page(self, cursor: str) -> Call[dict[str, Any]]:
        """The call for the page after a cursor, "" for the first."""
        params = {name: value for name, value in self.filters.items() if value is not None}
        return Call("GET", self.path, dict[str, Any], params | ({"cursor": cursor} if cursor else {}))

    def read(self, page: Mapping[str, Any]) -> list[T]:
        """The entries of a page."""
        found: list[T] = msgspec.convert(page[self.name], list[self.entry])  # type: ignore[name-defined]
        return found


def claim(id_: str) -> Call[Claim | None]:
    """The newest score of a claim."""
    return _named("claims", id_, Claim)


def source(id_: str) -> Call[Source | None]:
    """The newest credibility of a source."""
    return _named("sources", id_, Source)


def community(id_: str) -> Call[Community | None]:
    """The newest vital signs of a community."""
    return _named("communities", id_, Community)


def flag(id_: str) -> Call[FlagHistory | None]:
    """A flag with all its revisions."""
    return _named("flags", id_, FlagHistory)


def explanation(claim_id: str) -> Call[Explanation | None]:
    """Why a claim has its score and risk."""
    return _named("claims", claim_id, Explanation, "/explanation")


def history(claim_id: str) -> Call[History | None]:
    """How a claim's score and risk came about."""
    return _named("claims", claim_id, History, "/history")


def _named(of: str, id_: str, kind: Any, more: str = "") -> Call[Any]:
    return Call("GET", f"/v1/{of}/{quote(id_, safe='')}{more}", kind, missing=True)


def batches(of: str, ids: Iterable[str]) -> Iterator[Call[dict[str, Any]]]:
    """Calls for any number of claims or sources, as many at once as the service takes."""
    wanted = iter(dict.fromkeys(ids))
    while part := list(islice(wanted, BATCH_MAX)):
        yield Call("POST", f"/v1/{of}:batchGet", dict[str, Any], body={"ids": part})


def read_claims(found: Mapping[str, Any]) -> dict[str, Claim]:
    """Claims of a batch by their ids."""
    return {each.claim_id: each for each in msgspec.convert(found["claims"], list[Claim])}


def read_sources(found: Mapping[str, Any]) -> dict[str, Source]:
    """Sources of a batch by their ids."""
    return {each.source_id: each for each in msgspec.convert(found["sources"], list[Source])}


def list_claims(filters: Filters) -> Listing[Claim]:
    """Claims; filters as in the OpenAPI document."""
    return Listing("/v1/claims", "claims", Claim, filters)


def list_sources() -> Listing[Source]:
    """Sources, the busiest first."""
    return Listing("/v1/sources", "sources", Source, {})


def list_communities() -> Listing[Community]:
    """Communities, the largest first."""
    return Listing("/v1/communities", "communities", Community, {})


def list_flags(filters: Filters) -> Listing[FlagRecord]:
    """Flags; filters as in the OpenAPI document."""
    return Listing("/v1/flags", "flags", FlagRecord, filters)


def rule(claim_id: str, verdict: Verdict, words: RulingWords) -> Call[Ruled]:
    """A rater's word on a claim."""
    body: dict[str, Any] = {**words, "claim_id": claim_id, "verdict": verdict}
    key, wait_ms = body.pop("key", "") or str(uuid.uuid4()), body.pop("wait_ms", 10_000)
    params = {"wait_ms": wait_ms}
    return Call("POST", "/v1/rulings", Ruled, params, body, key=key, wait_s=wait_ms / 1000)


def decide(flag_id: str, decision: FlagDecision, words: DecisionWords) -> Call[Decision]:
    """A person's decision on a flag."""
    body: dict[str, Any] = {**words, "flag_id": flag_id, "decision": decision}
    key = body.pop("key", "") or str(uuid.uuid4())
    return Call("POST", "/v1/decisions", Decision, body=body, key=key)
