"""For how long a command is silent in a terminal: ``python -m tests.demo.silence [COMMAND …]``, else `make demo`.

It runs in a pseudo-terminal, gets Ctrl-C once it says that it stays up, and the longest gaps between two outputs are
printed, each with the last words before it.
"""

from __future__ import annotations

import os
import pty
import re
import signal
import sys
import time
from dataclasses import dataclass

STAYS_UP = b"press Ctrl-C"
SHOWN = 5
# What moves a cursor or sets a colour tells a person nothing.
_CONTROL = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|[\r\x07]")


@dataclass(frozen=True)
class Gap:
    """Seconds without any output, since when, and what was said last."""

    seconds: float
    after_s: float
    words: str


def listen(command: list[str], columns: int = 120) -> tuple[list[Gap], int]:
    """Run a command in a terminal; its gaps, the longest first, and its exit status."""
    began = time.monotonic()
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ |= {"COLUMNS": str(columns), "LINES": "40", "TERM": "xterm-256color"}
        os.execvp(command[0], command)
    gaps: list[Gap] = []
    heard, words, asked = began, b"the start", False
    while True:
        try:
            said = os.read(terminal, 65_536)
        except OSError:  # the terminal is closed once nobody holds it
            said = b""
        now = time.monotonic()
        if not asked:
            gaps.append(Gap(now - heard, heard - began, words.decode(errors="replace")))
        if not said:
            break
        heard = now
        words = next((line for line in reversed(_CONTROL.sub(b"", said).split(b"\n")) if line.strip()), words).strip()
        if STAYS_UP in said and not asked:
            asked = True
            os.kill(pid, signal.SIGINT)
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    return sorted(gaps, key=lambda gap: -gap.seconds), os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    found, status = listen(sys.argv[1:] or ["make", "demo"])
    for gap in found[:SHOWN]:
        print(f"{gap.seconds:6.2f} s of silence, {gap.after_s:6.1f} s after the start, after: {gap.words[:100]}")
    print(f"exit status {status}")
