"""How rules that raise flags are set now, for a service that shows it: read from the log now and then.

Reading takes a moment, and the scoring core with it. So nobody waits for it but who asks first: a reading is shown
as it is, and one that is older than FRESH_S begins another, in a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import Any

from streams.contract.settings import Settings

log = logging.getLogger(__name__)

FRESH_S = 30.0
PATIENCE_S = 1.0
"""Seconds for which the first reading is waited for."""


class Switches:
    """Knows how rules are set.

    Args:
        settings: with the broker filled in.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._found: list[dict[str, Any]] | None = None
        self._at = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def known(self) -> list[dict[str, Any]] | None:
        """Each rule as `flag_controls.in_force` has it, as it was read last; None where nothing has been read yet."""
        if self._reading is None and time.monotonic() - self._at > FRESH_S:
            self._reading = asyncio.create_task(self._read())
        if self._found is None and self._reading is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._reading), PATIENCE_S)
        return self._found

    def knows(self, found: list[dict[str, Any]] | None) -> None:
        """Take a reading of this moment; None for one that failed."""
        self._found, self._at = found or self._found, time.monotonic()

    async def _read(self) -> None:
        found = None
        try:
            found = await asyncio.to_thread(lambda: asyncio.run(_in_force(self._settings)))
        except Exception as error:
            log.warning("how flags are set cannot be read: %s", error)
        finally:
            self.knows(found)
            self._reading = None


async def _in_force(settings: Settings) -> list[dict[str, Any]]:
    # Not before somebody asks: a core's compiler takes a second and 90 MB.
    from streams.kafka.provision import installed
    from streams.ops.flag_controls import in_force, learner
    from streams.scoring.parameters.flag_rules import RULES

    state, partitions = await learner(settings), installed(settings).partitions
    return [in_force(state, rule, partitions) for rule in RULES]
