"""Requests that are due at a steady rate, whatever becomes of those before: latency from the moment each was due.

A process of its own: ``python -m load_tests.bench.open_loop URL RATE SECONDS KEYS WHAT`` prints its histogram as JSON.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import deque
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import orjson
import uvloop
from hdrh.histogram import HdrHistogram

LINKS = 64
"""Connections: more requests than these in flight wait for one, and their clock runs."""
WARM_S = 2.0
TICK_S = 0.001
_MOST_US = 60_000_000
PERCENTILES = (50, 90, 95, 99, 99.9)


class _Link(asyncio.Protocol):
    """One connection, on which one request after the other is asked."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._transport: Any = None
        self._due, self._buffer, self._missing = 0.0, b"", -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._driver.idle.append(self)

    def ask(self, request: bytes, due: float) -> None:
        self._due, self._buffer, self._missing = due, b"", -1
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._missing < 0:
            self._buffer += data
            head, found, body = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            if not head.startswith(b"HTTP/1.1 200"):
                self._driver.failed += 1
            _, _, length = head.lower().partition(b"content-length: ")
            self._missing = int(length.split(b"\r\n")[0]) - len(body)
        else:
            self._missing -= len(data)
        if self._missing <= 0:
            self._driver.answered(self, self._due)

    def connection_lost(self, exc: Exception | None) -> None:
        self._driver.lost += 1


class Driver:
    """Asks at a rate.

    Args:
        requests: what to send, without end.
        rate: requests a second.
    """

    def __init__(self, requests: Iterator[bytes], rate: float) -> None:
        self._requests, self._rate = requests, rate
        self.idle: list[_Link] = []
        self._waiting: deque[float] = deque()
        self._measuring_from = float("inf")
        self.histogram = HdrHistogram(1, _MOST_US, 3)
        self.failed = self.lost = 0

    def answered(self, link: _Link, due: float) -> None:
        """Note how late an answer is, and give the connection what waits."""
        if due >= self._measuring_from:
            self.histogram.record_value(min(_MOST_US, max(1, round(1e6 * (time.perf_counter() - due)))))
        if self._waiting:
            link.ask(next(self._requests), self._waiting.popleft())
        else:
            self.idle.append(link)

    def _ask(self, due: float) -> None:
        if self.idle:
            self.idle.pop().ask(next(self._requests), due)
        else:
            self._waiting.append(due)

    async def run(self, host: str, port: int, seconds: float) -> dict[str, Any]:
        """Ask for so long; returns what came of it, latencies in ms."""
        loop = asyncio.get_running_loop()
        links = [await loop.create_connection(lambda: _Link(self), host, port) for _ in range(LINKS)]
        began = time.perf_counter()
        self._measuring_from = began + WARM_S
        asked, wanted = 0, round(self._rate * (WARM_S + seconds))
        while asked < wanted:
            now = time.perf_counter()
            while asked < wanted and (due := began + asked / self._rate) <= now:
                self._ask(due)
                asked += 1
            await asyncio.sleep(TICK_S)
        async with asyncio.timeout(120):
            while self._waiting or len(self.idle) < LINKS:
                await asyncio.sleep(0.01)
        for transport, _ in links:
            transport.abort()
        found = {f"p{p:g}_ms": round(self.histogram.get_value_at_percentile(p) / 1000, 2) for p in PERCENTILES}
        answered = self.histogram.get_total_count()
        took = max(seconds, time.perf_counter() - began - WARM_S)
        return {"asked": asked, "answered": answered, "per_s": round(answered / took), "failed": self.failed, **found}


def requests(host: str, keys: int, what: str, seed: int = 7) -> Iterator[bytes]:
    """Reads of random claims of `claim-0000000` …

    Args:
        what: how many at once, 0 for one by one; or a path, in which `{every N}` stands for one of every N claims.
    """
    rng = random.Random(seed)
    batch = int(what) if what.isdecimal() else 0
    path, _, rest = (what if what.startswith("/") else "/v1/claims/{every 1}").partition("{every ")
    every = int(rest.rstrip("}") or 0)
    while True:
        if not batch:
            claim = f"claim-{rng.randrange(0, keys, every):07d}" if every else ""
            yield f"GET {path}{claim} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
            continue
        body = orjson.dumps({"ids": [f"claim-{rng.randrange(keys):07d}" for _ in range(batch)]})
        head = f"POST /v1/claims:batchGet HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
        yield head.encode() + body


def main(url: str, rate: str, seconds: str, keys: str, what: str) -> None:
    """Ask, and print what came of it."""
    host, port = urlsplit(url).hostname or "", urlsplit(url).port or 80
    driver = Driver(requests(host, int(keys), what), float(rate))
    print(orjson.dumps(uvloop.run(driver.run(host, port, float(seconds)))).decode())


if __name__ == "__main__":
    main(*sys.argv[1:])
