"""What a demo is doing now: on a terminal a line that moves, so that nobody takes waiting for hanging."""

from __future__ import annotations

import time

from rich.console import Console
from rich.text import Text


class Steps:
    """Shows one step at a time, with the seconds that it has taken; nothing without a terminal.

    While something else draws on the console, it must be closed; the next step opens it again.
    """

    def __init__(self, console: Console) -> None:
        self._what, self._told, self._since_s = "", "", time.monotonic()
        self._status = console.status(self) if console.is_terminal else None

    def __rich__(self) -> Text:
        """The line as it reads now; it is drawn several times a second."""
        return Text(f"{self._told}, {time.monotonic() - self._since_s:.0f} s")

    def __call__(self, what: str, share: float | None = None) -> None:
        """Tell what is being done, and perhaps what share of it is done."""
        if self._status is None:
            return
        if what != self._what:
            self._what, self._since_s = what, time.monotonic()
        self._told = what if share is None else f"{what} ({share:.0%})"
        self._status.start()

    def waiting(self, what: str) -> None:
        """Tell what is waited for."""
        self(f"waiting for {what}")

    def close(self) -> None:
        """Clear the line."""
        if self._status is not None:
            self._status.stop()
