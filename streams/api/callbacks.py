"""What moderation tools call back. Their signature lets them in, so that no token is needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiohttp import web
from aiokafka.errors import KafkaError

from streams.api import asked
from streams.api.problems import Problem, json_answer
from streams.api.service import Service
from streams.contract.settings import Settings
from streams.contract.words import Verdict
from streams.deliver.coop_callback import Answered, CallbackError, CoopCallbacks
from streams.kafka.admin import TopicsError
from streams.ops.ruling_writer import RulingWriter
from streams.ops.saying import Refused, RulingError, Said, TooMuchError, told

PATIENCE_S = 10.0
"""Seconds until a ruling counts; after them the tool is told that it is pending, since it would try again."""
LOOK_S = 0.05
SIGNATURE = "Coop-Signature"
_IGNORED = {Refused.NOTHING_TO_WITHDRAW: "there is no ruling that it could take back"}


class _Known:
    """The service's records, for who waits for a ruling to count."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def claim(self, id_: str, /) -> dict[str, Any] | None:
        return self._service.store.claim(id_)

    async def news(self, timeout_s: float) -> None:
        await asyncio.sleep(min(timeout_s, LOOK_S))


class Callbacks:
    """What answers the calls of tools.

    Args:
        service: whose records are waited for.
        settings: with the broker filled in.

    Raises SettingsError when the file about Coop cannot be used.
    """

    def __init__(self, service: Service, settings: Settings) -> None:
        named = settings.coop_callbacks_file
        self._coop = CoopCallbacks.read(Path(named)) if named else None
        self._writer = RulingWriter(settings, _Known(service))

    async def opened(self, _: web.Application) -> AsyncIterator[None]:
        """Closes the writer with the application."""
        async with self._writer:
            yield

    async def coop(self, request: web.Request) -> web.Response:
        """Answer a call of Coop's: 200 with what came of it, so that it is not made again."""
        if self._coop is None:
            raise Problem(404, "callbacks of Coop are not set up: CREDENCE_COOP_CALLBACKS_FILE names the file for them")
        raw = await asked.body(request)
        if not self._coop.signed(request.headers.get(SIGNATURE, ""), raw):
            raise Problem(401, f"{SIGNATURE} is not Coop's signature of this body", {"WWW-Authenticate": SIGNATURE})
        try:
            answered = self._coop.answered(raw)
        except CallbackError as error:
            raise Problem(400, str(error)) from None
        if answered is None:
            return json_answer({"became": "ignored", "detail": "the operator's file gives this no meaning"})
        return json_answer(await self._ruled(answered, self._coop.rater))

    async def _ruled(self, answered: Answered, rater: str) -> dict[str, Any]:
        if answered.verdict is None:
            return {"became": "ignored", "detail": "no verdict follows from this"}
        said = Said(
            claim_id=answered.claim_id, verdict=Verdict(answered.verdict), rater_id=rater, kind=answered.kind,
            note=answered.note, key=answered.key,
        )  # fmt: skip
        try:
            return told(said, await self._writer.write(said, PATIENCE_S))
        except RulingError as error:
            if error.why in _IGNORED:
                return {"became": "ignored", "detail": _IGNORED[error.why]}
            raise Problem(404 if error.why is Refused.UNKNOWN_CLAIM else 400, str(error)) from None
        except TooMuchError as error:
            raise Problem(400, str(error)) from None
        except (KafkaError, TopicsError) as error:
            raise Problem(503, f"the ruling could not be written: {error}", {"Retry-After": "5"}) from None


CALLBACKS = web.AppKey("callbacks", Callbacks)


async def coop(_: Service, request: web.Request) -> web.Response:
    """What a moderator or an appeal decided at Coop, signed by it (`Coop-Signature`): it becomes a ruling."""
    return await request.app[CALLBACKS].coop(request)
