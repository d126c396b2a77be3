"""A connection, before and beside the routes: how long a request may be, how slow, and what is said to garbage."""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.web_protocol import RequestHandler, RequestPayloadError

from streams.api.problems import Problem, answer, of_http

log = logging.getLogger(__name__)

# The longest id, in the longest percent-encoding, is 3 KiB. Unlike each other, so that what was too long can be told.
URI_MAX = 8_190
HEADER_MAX = 16_380
NAME = "credence"
"""What the service calls itself; aiohttp would tell its version and Python's."""
IDLE_S = 75.0
"""Seconds that a connection may be without a whole request: longer than the minute of most balancers."""
SEND_S = 60.0
"""Seconds within which an answer must have been taken."""


class Connection(RequestHandler):
    """aiohttp's connection, whose every refusal is a problem, and which does not tell its version."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What is answered where no route could, and to what is no request; the connection ends with it."""
        if isinstance(exc, ConnectionError) or request.writer.output_size > 0:
            raise ConnectionError("whoever asked is gone, or was answered in part")
        if isinstance(exc, HttpProcessingError):
            problem = _malformed(exc)
        else:
            log.error("a request failed", exc_info=exc)
            problem = Problem(500, "the request failed; the log of the service says why")
        response = answer(problem)
        response.force_close()
        return response

    def data_received(self, data: bytes) -> None:
        """Take in bytes; what is wrong with the framing of a body reaches whoever waits for that body."""
        super().data_received(data)
        # aiohttp only queues the fault behind the request, which would wait for its body until too late.
        if (reading := self._current_request) is None or reading.content.is_eof() or not self._messages:
            return
        if not isinstance(self._messages[-1][0], RawRequestMessage):
            self._messages.clear()
            reading.content.set_exception(RequestPayloadError())
            reading.content.feed_eof()
            self.close()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer; what aiohttp refused before a route was asked is made a problem."""
        if isinstance(resp, web.HTTPException) and resp.status >= HTTPStatus.BAD_REQUEST:
            resp = answer(of_http(resp, request), request.rel_url.raw_path)
        resp.headers["Server"] = NAME
        try:
            async with asyncio.timeout(SEND_S):
                return await super().finish_response(request, resp, start_time)
        except TimeoutError:
            if self.transport is not None:
                self.transport.abort()  # to close would wait for what is not taken
            return resp, True


def _malformed(error: HttpProcessingError) -> Problem:
    if isinstance(error, LineTooLong):
        if error.args[1] == URI_MAX:
            return Problem(414, f"path and query hold {URI_MAX:,} bytes at most; many ids go into a batchGet")
        return Problem(431, f"a header field holds {HEADER_MAX:,} bytes at most")
    if error.message.startswith("Too many headers"):
        return Problem(431, "there are too many header fields")
    # The library's sentence is followed by what was sent.
    said = error.message.partition("\n")[0].rstrip(": ")[:200]
    return Problem(400, f"this is no request of HTTP/1.1: {said}")


class _Server(web.Server):
    def __call__(self) -> RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """Runs an application on such connections.

    Args:
        app: what answers.
    """

    __slots__ = ()

    def __init__(self, app: web.Application) -> None:
        super().__init__(
            app,
            access_log=None,
            keepalive_timeout=IDLE_S,
            max_line_size=URI_MAX,
            max_field_size=HEADER_MAX,
            # Bodies are unpacked where they are read: with a bound, and an answer to what is no gzip.
            auto_decompress=False,
        )

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        kwargs: dict[str, Any] = made._kwargs
        return _Server(
            made.request_handler, request_factory=made.request_factory, loop=asyncio.get_running_loop(), **kwargs
        )
