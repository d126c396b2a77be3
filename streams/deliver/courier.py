"""Carries one request to a target, once, and reads the answer. When to try again is decided elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Protocol

import aiohttp
import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams.contract import metrics
from streams.deliver.target import Answer, Outcome, Request, Target

ANSWER_BYTES_MAX = 4 << 20
"""More of an answer is not read: it would be no answer of a target that we know."""
DETAIL_CHARS = 500
RETRY_AFTER_MAX_S = 3_600.0
_AWAY = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)
_GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)


class Courier(Protocol):
    """Carries requests to one target."""

    async def carry(self, request: Request) -> Answer:
        """Send a request once."""
        ...


class HttpCourier:
    """Over HTTP, on connections that are kept.

    Args:
        session: an open session of aiohttp.
        target: whose header fields and readings hold.
        url: the target's address.
        secret: gives the secret of the moment: a file of it may change.
        timeout_s: seconds within which an answer must have come.
    """

    def __init__(
        self, session: aiohttp.ClientSession, target: Target, url: str, secret: Callable[[], str], timeout_s: float
    ) -> None:
        self._session = session
        self._target = target
        self._url = url.rstrip("/") if target.NAME != "activitypub" else url
        self._secret = secret
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)

    async def carry(self, request: Request) -> Answer:
        """Send a request once; a redirect is not followed, since it would take the secret along."""
        body = b"" if request.body is None else orjson.dumps(request.body)
        kind = {"Content-Type": "application/json"} if body else {}
        told = self._target.headers(request, body, self._secret(), time.time())
        try:
            async with self._session.request(
                request.method,
                self._url + request.path,
                data=body or None,
                headers={**kind, **told},
                timeout=self._timeout,
                allow_redirects=False,
            ) as answer:
                metrics.DELIVERY_ANSWERS.at(self._target.NAME, f"{answer.status // 100}xx").inc()
                return self._read(request, answer.status, answer.headers, await _bounded(answer))
        except aiohttp.ClientConnectorError as error:  # nothing was sent
            metrics.DELIVERY_ANSWERS.at(self._target.NAME, "unreachable").inc()
            return Answer(Outcome.LATER, f"cannot be reached: {error}", away=True)
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            metrics.DELIVERY_ANSWERS.at(self._target.NAME, "none").inc()
            return Answer(Outcome.UNKNOWN, f"no answer was read: {error!r}")

    def _read(self, request: Request, status: int, headers: Mapping[str, str], raw: bytes) -> Answer:
        try:
            body = orjson.loads(raw)
        except orjson.JSONDecodeError:
            body = None
        outcome = self._target.outcome(request, status, body)
        if outcome == Outcome.ACCEPTED:
            return Answer(outcome, remote_id=self._target.remote_id(body), body=body)
        said = raw[: DETAIL_CHARS * 4].decode("utf-8", "replace")[:DETAIL_CHARS]
        place = f" to {headers['Location']}" if "Location" in headers else ""
        return Answer(
            outcome,
            f"{status}{place} {said}".strip(),
            retry_after_s=_retry_after(headers),
            away=status in _AWAY,
            gone=status in _GONE,
            body=body,
        )


class TopicCourier:
    """Onto a topic, with every acknowledgement.

    Args:
        producer: a started producer of aiokafka.
        name: of the target, for metrics.
    """

    def __init__(self, producer: AIOKafkaProducer, name: str) -> None:
        self._producer = producer
        self._name = name

    async def carry(self, request: Request) -> Answer:
        """Publish a record once."""
        try:
            await self._producer.send_and_wait(request.path, orjson.dumps(request.body), key=request.key.encode())
        except KafkaError as error:
            metrics.DELIVERY_ANSWERS.at(self._name, "none").inc()
            return Answer(Outcome.UNKNOWN, f"Kafka did not take it: {error!r}")
        metrics.DELIVERY_ANSWERS.at(self._name, "2xx").inc()
        return Answer(Outcome.ACCEPTED)


async def _bounded(answer: aiohttp.ClientResponse) -> bytes:
    raw = await answer.content.read(ANSWER_BYTES_MAX)
    while raw and len(raw) < ANSWER_BYTES_MAX and (more := await answer.content.read(ANSWER_BYTES_MAX - len(raw))):
        raw += more
    return raw


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After, which is a number or a date; None without one that makes sense."""
    said = headers.get("Retry-After", "").strip()
    if said.isdecimal():
        return min(float(said), RETRY_AFTER_MAX_S)
    try:
        seconds = parsedate_to_datetime(said).timestamp() - time.time()
    except (ValueError, TypeError):
        return None
    return min(max(0.0, seconds), RETRY_AFTER_MAX_S)
