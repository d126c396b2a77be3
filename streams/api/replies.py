"""Answers as they leave: JSON with its tag, its age and how long it may be kept, packed where that is asked for."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import orjson
import xxhash
from aiohttp import web

from streams.api.access import BORNE

LAG_HEADER = "Credence-Lag-Ms"
PACKED_FROM = 1_400
"""Bytes from which packing is worth it: less fits into one packet anyway."""
_KEPT = "max-age=1, stale-while-revalidate=30"
_GZIP = 31  # zlib's number for gzip with a window of any size


def reply(request: web.Request, value: Any, lag_s: float | None) -> web.Response:
    """A value as an answer to a reading request.

    Args:
        request: whose headers say what it holds already and whether it takes gzip.
        value: JSON-able.
        lag_s: how old the answer is, seconds; None where that is not known yet.
    """
    body = orjson.dumps(value)
    # Weak, since packed and plain bytes bear the same one.
    headers = {"ETag": f'W/"{xxhash.xxh3_64_hexdigest(body)}"', "Vary": "Accept-Encoding, Authorization"}
    headers["Cache-Control"] = f"private, {_KEPT}" if BORNE in request else _KEPT
    if lag_s is not None:
        headers[LAG_HEADER] = str(round(lag_s * 1000))
    if request.method == "POST":
        headers["Cache-Control"] = "no-store"
        del headers["ETag"]
    elif _holds(request.headers, headers["ETag"]):
        return web.Response(status=304, headers=headers)
    if len(body) >= PACKED_FROM and takes_gzip(request.headers.get("Accept-Encoding", "")):
        packer = zlib.compressobj(1, zlib.DEFLATED, _GZIP)
        body = packer.compress(body) + packer.flush()
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=body, content_type="application/json", headers=headers)


def _holds(headers: Mapping[str, str], tag: str) -> bool:
    """Whether If-None-Match names the tag."""
    named = headers.get("If-None-Match")
    if named is None:
        return False
    tags = {each.strip().removeprefix("W/") for each in named.split(",")}
    return not tags.isdisjoint({"*", tag.removeprefix("W/")})


def takes_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding takes gzip.

    >>> [takes_gzip(said) for said in ("gzip, br", "br;q=1, *;q=0.5", "gzip;q=0, *", "", "identity")]
    [True, True, False, False, False]
    """
    said: dict[str, bool] = {}
    for each in accepted.lower().split(","):
        coding, _, parameters = each.partition(";")
        weight = parameters.replace(" ", "").removeprefix("q=")
        said[coding.strip()] = not parameters or weight.strip("0.") != ""
    return said.get("gzip", said.get("x-gzip", said.get("*", False)))
