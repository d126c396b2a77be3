"""For how long a command is silent in a terminal: ``python -m tests.demo.silence [COMMAND …]``, else `make demo`.

It runs in a pseudo-terminal, gets Ctrl-C once it says that it stays up, and the longest gaps between two outputs are
printed, each with the last words before it. What a terminal shows as moving counts as output.
"""

from __future__ import annotations

import contextlib
import os
import pty
import re
import signal
import sys
import time
from dataclasses import dataclass

STAYS_UP = b"press Ctrl-C"
CTRL_C = b"\x03"
SHOWN = 5
# What moves a cursor or sets a colour tells a person nothing.
_CONTROL = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|[\r\x07]")


@dataclass(frozen=True)
class Gap:
    """Seconds without any output, since when, and what was said last."""

    seconds: float
    after_s: float
    words: str


def listen(command: list[str], columns: int = 120) -> tuple[list[Gap], float, int]:
    """Run a command in a terminal; its gaps, the longest first, seconds until it stayed up, and its exit status."""
    began = time.monotonic()
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ |= {"COLUMNS": str(columns), "LINES": "40", "TERM": "xterm-256color"}
        os.execvp(command[0], command)
    gaps: list[Gap] = []
    heard, recent, up_s = began, b"the start", 0.0
    try:
        while True:
            try:
                said = os.read(terminal, 65_536)
            except OSError:  # the terminal is closed once nobody holds it
                said = b""
            now = time.monotonic()
            if not up_s:
                gaps.append(Gap(now - heard, heard - began, _last_words(recent)))
            if not said:
                break
            heard, recent = now, (recent + said)[-4_000:]
            if STAYS_UP in recent and not up_s:
                up_s = now - began
                os.write(terminal, CTRL_C)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGTERM)
        os.close(terminal)
    _, status = os.waitpid(pid, 0)
    return sorted(gaps, key=lambda gap: -gap.seconds), up_s, os.waitstatus_to_exitcode(status)


def _last_words(said: bytes) -> str:
    lines = _CONTROL.sub(b"", said).decode(errors="replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


if __name__ == "__main__":
    found, up_s, status = listen(sys.argv[1:] or ["make", "demo"])
    for gap in found[:SHOWN]:
        print(f"{gap.seconds:6.2f} s of silence, {gap.after_s:6.1f} s after the start, after: {gap.words[:100]}")
    print(f"it stayed up after {up_s:.0f} s; exit status {status}")
