"""What comes back: rulings on claims and decisions on flags, and how often flags were right by them."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from aiohttp import web
from aiokafka.errors import KafkaError

from streams.api import asked
from streams.api.access import caller
from streams.api.forms import KEY_HEADER, KEY_PATTERN, DecisionAsked, RulingAsked
from streams.api.problems import Problem, json_answer
from streams.api.query_parameters import VALUES, Parameter
from streams.api.replies import reply
from streams.api.service import Service
from streams.kafka.admin import TopicsError
from streams.ops.decision_writer import Decided
from streams.ops.saying import Became, Outcome, Refused, RulingError, Said, TooMuchError, told

WAIT = Parameter("wait_ms", "How long to wait until a ruling counts, ms; then 202.", 10_000, (0, 30_000))
_STATUS = {Became.COUNTS: 201, Became.SUPERSEDED: 201, Became.UNCHANGED: 200, Became.PENDING: 202}
_REFUSED = {
    Refused.UNKNOWN_CLAIM: 404,
    Refused.UNKNOWN_RATER: 403,
    Refused.NOTHING_TO_WITHDRAW: 409,
    Refused.DEAD_LETTER: 409,
    Refused.OTHER_CONTENT: 422,
}


async def rulings(service: Service, request: web.Request) -> web.Response:
    """Rule on a claim, and wait until it counts: 201 with score and flag before and after; 200 where that is so."""
    wanted = _read(RulingAsked, await asked.body(request))
    said, outcome = await rule(service, wanted, caller(request), _key(request), request[VALUES][WAIT.name] / 1000)
    return json_answer(told(said, outcome), _STATUS[outcome.became])


async def rule(service: Service, wanted: RulingAsked, by: str, key: str, wait_s: float) -> tuple[Said, Outcome]:
    """Rule on a claim, and wait at most so long until it counts.

    Args:
        by: who asks; it is the rater, unless another is named.
        key: what tells a repetition from another request; "" for none.

    Raises Problem where it cannot count.
    """
    if service.claim(wanted.claim_id) is None:
        service.must_know_all()
    try:
        said = Said(
            claim_id=wanted.claim_id,
            verdict=wanted.verdict,
            rater_id=wanted.rater_id or by,
            kind=wanted.kind,
            url=wanted.url,
            note=wanted.note,
            key=key,
        )
        return said, await service.rulings.write(said, wait_s)
    except TooMuchError as error:
        raise Problem(400, str(error)) from None
    except RulingError as error:
        raise Problem(_REFUSED[error.why], str(error)) from None
    except (KafkaError, TopicsError) as error:
        raise _away(error) from error


async def decisions(service: Service, request: web.Request) -> web.Response:
    """Write what a person decided on a flag: 201 with the record. It moves no score; a ruling does."""
    wanted = _read(DecisionAsked, await asked.body(request))
    return json_answer(await decide(service, wanted, caller(request), _key(request)), 201)


async def decide(service: Service, wanted: DecisionAsked, by: str, key: str) -> dict[str, Any]:
    """Write what a person decided on a flag; the record. `by` and `key` as in `rule`. Raises Problem."""
    revisions = service.store.flag(wanted.flag_id)
    if not revisions:
        service.must_know_all()
        raise Problem(404, f"no flag {wanted.flag_id!r} is known")
    newest = revisions[-1]
    try:
        decided = Decided(
            flag_id=wanted.flag_id,
            revision=wanted.revision or newest["revision"],
            claim_id=newest["subject"]["id"],
            decision=wanted.decision,
            decided_by=wanted.decided_by or by,
            note=wanted.note,
            url=wanted.url,
            via=wanted.via or by,
            key=key,
        )
        return await service.decisions.write(decided)
    except TooMuchError as error:
        raise Problem(400, str(error)) from None
    except (KafkaError, TopicsError) as error:
        raise _away(error) from error


async def precision(service: Service, request: web.Request) -> web.Response:
    """How often flags were right, by verdicts and by people's decisions: together, by rule, community and week."""
    return reply(request, await service.lists.precision(), service.lag_s())


def _read(form: type[Any], body: bytes) -> Any:
    try:
        said = msgspec.json.decode(body)
        if isinstance(said, dict):  # in JSON 7.0 is a whole number, too
            said = {name: int(v) if isinstance(v, float) and v.is_integer() else v for name, v in said.items()}
        return msgspec.convert(said, form)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Problem(400, f"the body is not what the document says: {error}") from None


def _key(request: web.Request) -> str:
    """What tells a repetition of this request from another one; "" without the header."""
    keys = request.headers.getall(KEY_HEADER, [])
    if not keys:
        return ""
    if len(keys) > 1 or re.fullmatch(KEY_PATTERN, keys[0]) is None:
        raise Problem(400, f"{KEY_HEADER} is one word of 1 to 255 visible ASCII characters")
    return str(keys[0])


def _away(error: Exception) -> Problem:
    return Problem(503, f"Kafka did not take it: {error}", {"Retry-After": "5"})
