"""What the body of a request asks for, read with bounds, and refused with a sentence."""

from __future__ import annotations

import asyncio
import zlib
from typing import Any

import orjson
from aiohttp import web
from aiohttp.web_protocol import RequestPayloadError

from streams.api.problems import Problem

BATCH_MAX = 1_000
BODY_MAX = 2 * 1024 * 1024  # a thousand ids of the longest kind, escaped
BODY_S = 30.0
"""Seconds within which a body must have come."""
_GZIP = 31  # zlib's number for gzip with a window of any size
_ENCODINGS = ("gzip", "x-gzip")


async def ids(request: web.Request) -> list[str]:
    """The ids of a batch. Raises Problem unless the body is {"ids": […]} with up to BATCH_MAX strings."""
    try:
        found: Any = orjson.loads(await body(request))["ids"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        found = None
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise Problem(400, 'the body is a JSON object {"ids": ["…", …]}')
    if len(found) > BATCH_MAX:
        raise Problem(400, f"{BATCH_MAX:,} ids at most, and these are {len(found):,}")
    return found


async def body(request: web.Request) -> bytes:
    """The body, as it was before its Content-Encoding. Raises Problem on one that is too large, slow or damaged."""
    return _unpacked(await _body(request), request.headers.get("Content-Encoding", ""))


async def _body(request: web.Request) -> bytes:
    if (coding := request.headers.get("Transfer-Encoding", "chunked")).strip().lower() != "chunked":
        raise Problem(501, f"of transfer codings only chunked is understood, not {coding!r}")
    try:
        async with asyncio.timeout(BODY_S):
            return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise Problem(413, f"a body holds {BODY_MAX:,} bytes at most") from None
    except RequestPayloadError:
        raise Problem(400, "the body is not framed as its header says") from None
    except TimeoutError:
        raise Problem(408, f"the body did not come within {BODY_S:.0f} s") from None


def _unpacked(body: bytes, encoding: str) -> bytes:
    """The body without its Content-Encoding. Raises Problem on one that is unknown, damaged or unpacks to too much."""
    steps = [step.strip().lower() for step in encoding.split(",")]
    packed = [step for step in steps if step not in ("", "identity")]
    if not packed:
        return body
    if len(packed) > 1 or packed[0] not in _ENCODINGS:
        raise Problem(415, f"a body comes plain or as gzip, not as {encoding!r}", {"Accept-Encoding": "gzip, identity"})
    found = b""
    while body:  # gzip may be several members, one after the other
        member = zlib.decompressobj(_GZIP)
        try:
            found += member.decompress(body, BODY_MAX + 1 - len(found))
        except zlib.error:
            raise Problem(400, "the body is not the gzip that its Content-Encoding says") from None
        if len(found) > BODY_MAX:
            raise Problem(413, f"a body holds {BODY_MAX:,} bytes at most, unpacked")
        if not member.eof:
            raise Problem(400, "the gzip of the body breaks off")
        body = member.unused_data
    return found
