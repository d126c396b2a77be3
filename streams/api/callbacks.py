"""What moderation tools call back. Their signature lets them in, so that no token is needed."""

from __future__ import annotations

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
from streams.ops.decision_writer import Decided
from streams.ops.saying import Refused, RulingError, Said, TooMuchError, told

PATIENCE_S = 10.0
"""Seconds until a ruling counts; after them the tool is told that it is pending, since it would try again."""
SIGNATURE = "Coop-Signature"
_IGNORED = {Refused.NOTHING_TO_WITHDRAW: "there is no ruling that it could take back"}


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
        self._service = service

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
        try:
            # First what was decided on the flag: the ruling takes the flag back.
            decided = await self._decided(answered)
            return json_answer(await self._ruled(answered, self._coop.rater) | {"decision": decided})
        except TooMuchError as error:
            raise Problem(400, str(error)) from None
        except (KafkaError, TopicsError) as error:
            raise Problem(503, f"Kafka did not take it: {error}", {"Retry-After": "5"}) from None

    async def _decided(self, answered: Answered) -> str | None:
        """Write what was decided on the claim's newest flag; returns the decision's id, None without one."""
        flags = self._service.store.flags_about(answered.claim_id)
        if answered.decision is None or not flags:
            return None
        newest = max(flags, key=lambda flag: int(flag["detected_at_ms"]))
        record = await self._service.decisions.write(
            Decided(
                flag_id=newest["flag_id"],
                revision=newest["revision"],
                claim_id=answered.claim_id,
                decision=answered.decision,
                decided_by=answered.by,
                note=answered.note,
                via="coop",
                key=answered.key,
            )
        )
        return str(record["id"])

    async def _ruled(self, answered: Answered, rater: str) -> dict[str, Any]:
        if answered.verdict is None:
            return {"became": "decided", "detail": "no verdict follows from this"}
        said = Said(
            claim_id=answered.claim_id, verdict=Verdict(answered.verdict), rater_id=rater, kind=answered.kind,
            note=answered.note, key=answered.key,
        )  # fmt: skip
        try:
            return told(said, await self._service.rulings.write(said, PATIENCE_S))
        except RulingError as error:
            if error.why in _IGNORED:
                return {"became": "ignored", "detail": _IGNORED[error.why]}
            raise Problem(404 if error.why is Refused.UNKNOWN_CLAIM else 400, str(error)) from None


CALLBACKS = web.AppKey("callbacks", Callbacks)


async def coop(_: Service, request: web.Request) -> web.Response:
    """What a moderator or an appeal decided at Coop, signed by it (`Coop-Signature`): it becomes a ruling."""
    return await request.app[CALLBACKS].coop(request)
