"""What goes wrong between client and service, and when it is tried again."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import httpx
import msgspec

AGAIN = frozenset({429, 502, 503, 504})
"""Statuses after which the same request may succeed."""
FIRST_S, MOST_S = 0.2, 10.0


class ServiceError(Exception):
    """The service refused, failed, or could not be reached, also after all tries.

    Attributes:
        status: of HTTP; 0 where there was no answer.
        problem: the problem that it answered (RFC 9457), if it did.
    """

    def __init__(self, status: int, detail: str, problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(detail)
        self.status, self.problem = status, problem or {}


class Patience:
    """Decides how long to wait before the next try of one request.

    Args:
        patience_s: seconds to wait in all; what would take longer is given up at once.
    """

    def __init__(self, patience_s: float) -> None:
        self._left_s = patience_s
        self._tries = 0

    def after(self, failed: httpx.Response | httpx.TransportError) -> float:
        """Seconds to wait: what Retry-After says, else twice as long each time, less up to half by chance.

        Raises ServiceError when it is not to be tried again.
        """
        wait_s = random.uniform(0.5, 1.0) * min(MOST_S, FIRST_S * 2**self._tries)
        if isinstance(failed, httpx.Response):
            if failed.status_code not in AGAIN:
                raise error_of(failed)
            told: str = failed.headers.get("Retry-After", "")
            wait_s = max(wait_s, float(told)) if told.isdecimal() else wait_s
        self._tries += 1
        self._left_s -= wait_s
        if self._left_s < 0:
            if isinstance(failed, httpx.Response):
                raise error_of(failed)
            raise ServiceError(0, f"the service cannot be reached: {failed!r}") from failed
        return float(wait_s)


def error_of(response: httpx.Response) -> ServiceError:
    """What a response that was read refuses, as an error."""
    try:
        problem = msgspec.json.decode(response.content, type=dict[str, Any])
    except msgspec.MsgspecError:
        problem = {}
    detail = problem.get("detail") or response.reason_phrase
    return ServiceError(response.status_code, f"{response.status_code}: {detail}", problem)
