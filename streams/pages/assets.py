"""What pages load: style, script and the charting library, each under an address that changes when it does."""

from __future__ import annotations

import gzip
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import xxhash
from aiohttp import web

from streams.api.problems import Problem
from streams.api.replies import takes_gzip
from streams.api.service import Service

FOLDER = Path(__file__).parent / "files"
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@cache
def _files() -> dict[str, Path]:
    """Name → file. The charting library lies in a package of which nothing is imported."""
    found = {path.name: path for path in FOLDER.iterdir()}
    package = find_spec("plotly")
    if package is not None and package.origin is not None:
        found["plotly.min.js"] = Path(package.origin).parent / "package_data" / "plotly.min.js"
    return found


@cache
def _content(name: str) -> tuple[bytes, bytes]:
    """A file, plain and packed."""
    plain = _files()[name].read_bytes()
    return plain, gzip.compress(plain, 6, mtime=0)


@cache
def address(name: str) -> str:
    """Where pages load a file from."""
    return f"/assets/{xxhash.xxh3_64_hexdigest(_files()[name].read_bytes())}/{name}"


async def asset(_: Service, request: web.Request) -> web.Response:
    """A file that pages load; it may be kept for good, since a changed one has another address."""
    name = request.match_info["name"]
    if name not in _files() or request.path != address(name):
        raise Problem(404, "no such file")
    plain, packed = _content(name)
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable",
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
    }
    body = plain
    if takes_gzip(request.headers.get("Accept-Encoding", "")):
        body, headers["Content-Encoding"] = packed, "gzip"
    return web.Response(body=body, content_type=KINDS[Path(name).suffix], charset="utf-8", headers=headers)
