"""How much one caller may ask: so many requests a minute, told in headers (draft-ietf-httpapi-ratelimit-headers-10).

All windows begin together, so that one dictionary is all there is to keep, and it is forgotten with its window.
"""

from __future__ import annotations

import ipaddress
import math
import time

WINDOW_S = 60
CALLERS_MAX = 100_000
"""Callers counted one by one; who comes beyond them in a window shares one count."""
_OTHERS = "others"


class Rates:
    """Counts the requests of each caller.

    Args:
        quota: requests a minute; 0 for no limit.
    """

    def __init__(self, quota: int) -> None:
        self.quota = quota
        self.policy = f'"default";q={quota};w={WINDOW_S}'
        self._window = -1
        self._counts: dict[str, int] = {}

    def take(self, who: str) -> tuple[int, int]:
        """Count a request; returns how many are left, −1 if it is one too many, and seconds until all are there again.

        Args:
            who: a token's name behind a colon, or an address.
        """
        now = time.monotonic()
        window = int(now // WINDOW_S)
        if window != self._window:
            self._window = window
            self._counts.clear()
        if who not in self._counts and len(self._counts) >= CALLERS_MAX:
            who = _OTHERS
        taken = self._counts[who] = self._counts.get(who, 0) + 1
        return max(-1, self.quota - taken), math.ceil((window + 1) * WINDOW_S - now)


def address(remote: str | None) -> str:
    """Whom an address stands for: itself, or of IPv6 the network of 64 bits, which is one household.

    >>> address("192.0.2.7"), address("2001:db8::1"), address(None)
    ('192.0.2.7', '2001:db8::/64', '')
    """
    if remote is None or ":" not in remote:
        return remote or ""
    try:
        return str(ipaddress.ip_network((remote.partition("%")[0], 64), strict=False))
    except ValueError:
        return remote
