"""What supervisors and Prometheus ask: whether the service works, whether its answers are fresh, its metrics."""

from __future__ import annotations

from aiohttp import web

from streams.api.problems import Problem, json_answer
from streams.api.service import Service
from streams.contract import metrics


async def healthz(service: Service, _: web.Request) -> web.Response:
    """Whether this process works; a supervisor restarts one that does not."""
    if not service.following():
        raise Problem(503, "the scores are no longer followed")
    return json_answer({"status": "ok"})


async def readyz(service: Service, _: web.Request) -> web.Response:
    """Whether the answers are there, else 503; how old they are; "incomplete" where input was lost unread."""
    if (reason := service.not_ready()) is not None:
        raise Problem(503, reason, {"Retry-After": "1"})
    lost = [f"{cut} were deleted before they were read" for cut in service.freshness.board.cuts()]
    status = {"status": "incomplete", "detail": "; ".join(lost)} if lost else {"status": "ready"}
    lag_s = service.lag_s()
    ages = {
        "behind_s": round(service.behind_s(), 3),
        "lag_ms": None if lag_s is None else round(lag_s * 1000),
    }
    return json_answer({**status, **ages, **await service.lists.counts()})


async def exposition(_: Service, __: web.Request) -> web.Response:
    """The metrics of this process."""
    return web.Response(
        body=metrics.SERVED.exposition(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
    )
