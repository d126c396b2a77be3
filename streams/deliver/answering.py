"""What a delivering process answers on its port: whether it works, whether its target takes anything, its metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from streams.contract import metrics

AWAY_S = 60.0
"""A target that takes nothing for so long makes the process not ready."""


@asynccontextmanager
async def answering(host: str, port: int, trouble: Callable[[], tuple[str, float] | None]) -> AsyncIterator[int]:
    """Answer /healthz, /readyz and /metrics while the block runs; gives the port, another one if this is taken.

    Args:
        host, port: to listen on.
        trouble: why flags wait, and for how many seconds they have; None when none waits.
    """

    async def healthz(_: web.Request) -> web.Response:
        # A target that is away is no reason to start the process again.
        return web.json_response(_told(trouble()))

    async def readyz(_: web.Request) -> web.Response:
        found = trouble()
        return web.json_response(_told(found), status=503 if found is not None and found[1] > AWAY_S else 200)

    async def exposition(_: web.Request) -> web.Response:
        kind = "text/plain; version=0.0.4; charset=utf-8"
        return web.Response(body=metrics.SERVED.exposition(), headers={"Content-Type": kind})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", exposition)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError:
            await web.TCPSite(runner, host, 0).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def _told(trouble: tuple[str, float] | None) -> dict[str, object]:
    if trouble is None:
        return {"status": "ok"}
    return {"status": "waiting", "detail": trouble[0], "waiting_s": round(trouble[1], 1)}
