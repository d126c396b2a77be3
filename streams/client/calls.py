"""What can be asked of the query service, without asking: each call's request, and how its answer is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import msgspec

from streams.client.typed_answers import Claim, Community, Explanation, FlagHistory, FlagRecord, History, Source

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
    """

    method: str
    path: str
    kind: Any
    params: dict[str, str | int] = field(default_factory=dict)
    body: Any = None
    missing: bool = False

    def read(self, body: bytes) -> T:
        """The answer. Raises msgspec.ValidationError on what is none."""
        found: T = msgspec.json.decode(body, type=self.kind)
        return found


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
