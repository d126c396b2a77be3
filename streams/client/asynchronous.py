"""The client for programs with an event loop: as `sync.Client`, with `await` and `async for`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx

from streams.client import calls
from streams.client.calls import Call, DecisionWords, Listing, RulingWords
from streams.client.feed import FeedState
from streams.client.patience import Patience
from streams.client.typed_answers import (
    Change,
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
from streams.contract.words import FlagDecision, Verdict

FEED_READ_S = 45.0
"""Seconds without a heartbeat after which a feed is connected anew."""
T = TypeVar("T")


class AsyncClient:
    """Asks a query service; use it as an async context manager.

    What may succeed later (no connection, 429, 502, 503, 504) is tried again, as the service says when, or with
    growing pauses.

    Args:
        url: such as http://localhost:8080.
        token: of `credence api token`; "" for none.
        timeout_s: for one answer.
        patience_s: how long to wait in all between the tries of one request.
        max_lag_ms: rather wait than take an answer that is older; None takes any.
    """

    def __init__(
        self, url: str, token: str = "", *, timeout_s: float = 10.0, patience_s: float = 60.0,
        max_lag_ms: int | None = None,
    ) -> None:  # fmt: skip
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.AsyncClient(base_url=url, headers=headers, timeout=timeout_s)
        self._timeout_s, self._patience_s = timeout_s, patience_s
        self._always: dict[str, str | int] = {} if max_lag_ms is None else {"max_lag_ms": max_lag_ms}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def claim(self, id_: str) -> Claim | None:
        """The newest score of a claim; None if there is none."""
        return await self._ask(calls.claim(id_))

    async def claims(self, ids: Iterable[str]) -> dict[str, Claim]:
        """The newest scores of any number of claims, by their ids; those that are unknown are left out."""
        return await self._ask_all("claims", ids, calls.read_claims)

    async def source(self, id_: str) -> Source | None:
        """The newest credibility of a source; None if there is none."""
        return await self._ask(calls.source(id_))

    async def sources(self, ids: Iterable[str]) -> dict[str, Source]:
        """The newest credibility of any number of sources, by their ids; those that are unknown are left out."""
        return await self._ask_all("sources", ids, calls.read_sources)

    async def community(self, id_: str) -> Community | None:
        """The newest vital signs of a community; None if there are none."""
        return await self._ask(calls.community(id_))

    async def explanation(self, claim_id: str) -> Explanation | None:
        """Why a claim has its score and risk; None if it is unknown."""
        return await self._ask(calls.explanation(claim_id))

    async def history(self, claim_id: str) -> History | None:
        """How a claim's score and risk came about; None if it is unknown."""
        return await self._ask(calls.history(claim_id))

    async def flag(self, id_: str) -> FlagHistory | None:
        """A flag with all its revisions; None if there is none."""
        return await self._ask(calls.flag(id_))

    def list_claims(self, **filters: str | int | None) -> AsyncIterator[Claim]:
        """Claims by `sort`, `state`, `flagged`, `lang`, `community`, all of them, `limit` at a time."""
        return self._pages(calls.list_claims(filters))

    def list_sources(self) -> AsyncIterator[Source]:
        """All sources, the busiest first."""
        return self._pages(calls.list_sources())

    def list_communities(self) -> AsyncIterator[Community]:
        """All communities, the largest first."""
        return self._pages(calls.list_communities())

    def list_flags(self, **filters: str | int | None) -> AsyncIterator[FlagRecord]:
        """Flags by `state`, `rule`, `community`, `since`, `min_priority`, all of them, `limit` at a time."""
        return self._pages(calls.list_flags(filters))

    async def rule(self, claim_id: str, verdict: Verdict, **words: Unpack[RulingWords]) -> Ruled:
        """Rule on a claim (scope `rule`) and wait until it counts; `words` as in `calls.RulingWords`.

        A further try carries the same key, so it is ruled once. Raises ServiceError: 404 for a claim that is unknown,
        403 for a token or rater that may not rule, 409 where there is nothing to withdraw, 422 for a key that another
        request had.
        """
        return await self._ask(calls.rule(claim_id, verdict, words))

    async def decide(self, flag_id: str, decision: FlagDecision, **words: Unpack[DecisionWords]) -> Decision:
        """Write what a person decided on a flag (scope `rule`); `words` as in `calls.DecisionWords`.

        It moves no score; `rule` does. Raises ServiceError, 404 for a flag that is unknown.
        """
        return await self._ask(calls.decide(flag_id, decision, words))

    async def changes(
        self, subjects: Sequence[str] = ("claims", "flags"), last_event_id: str = "", start: str = "now"
    ) -> AsyncIterator[tuple[Change, str]]:
        """Changes as they come, without end, over any number of connections; each with the id to go on from later.

        After a broken connection a few come again: `at` says which record one is.
        """
        state, patience = FeedState(subjects, last_event_id, start), Patience(self._patience_s)
        while True:
            params, headers = state.connecting()
            failed: httpx.Response | httpx.TransportError
            try:
                async with self._http.stream(
                    "GET", "/v1/changes", params=params, headers=headers, timeout=FEED_READ_S
                ) as failed:
                    if failed.status_code != httpx.codes.OK:
                        await failed.aread()
                    else:
                        async for line in failed.aiter_lines():
                            for change in state.take(line):
                                yield change
                        failed = httpx.ReadError("the service ended the feed")
            except httpx.TransportError as error:
                failed = error
            if state.heard:
                patience = Patience(self._patience_s)
            await asyncio.sleep(patience.after(failed))

    async def _ask_all(self, of: str, ids: Iterable[str], read: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for call in calls.batches(of, ids):
            found |= read(await self._ask(call))
        return found

    async def _pages(self, listing: Listing[T]) -> AsyncIterator[T]:
        cursor: str | None = ""
        while cursor is not None:
            page = await self._ask(listing.page(cursor))
            for entry in listing.read(page):
                yield entry
            cursor = page["next_cursor"]

    async def _ask(self, call: Call[T]) -> T:
        patience = Patience(self._patience_s)
        while True:
            failed: httpx.Response | httpx.TransportError
            try:
                failed = await self._http.request(
                    call.method,
                    call.path,
                    params=call.params if call.key else call.params | self._always,
                    json=call.body,
                    headers=call.headers,
                    timeout=self._timeout_s + call.wait_s,
                )
                if failed.is_success:
                    return call.read(failed.content)
                if failed.status_code == httpx.codes.NOT_FOUND and call.missing:
                    return None  # type: ignore[return-value]
            except httpx.TransportError as error:
                failed = error
            await asyncio.sleep(patience.after(failed))
