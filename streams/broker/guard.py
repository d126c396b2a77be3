"""End a broker when the process it was started for ends, even by kill -9: no broker outlives its test or demo.

Run as ``python guard.py OWNER_PID BROKER_PID``, in a session of its own. Only the standard library, so that it
starts at once.
"""

from __future__ import annotations

import os
import signal
import sys
import time

POLL_S = 0.3
PATIENCE_S = 10.0


def alive(pid: int) -> bool:
    """Whether a process with this id exists and has not ended (a zombie has)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return not os.path.isdir("/proc/self")


def main(owner: int, broker: int) -> None:
    """Wait until either has ended; if it is the owner, end the broker: politely, then by force."""
    while alive(owner):
        if not alive(broker):
            return
        time.sleep(POLL_S)
    for number, patience in ((signal.SIGTERM, PATIENCE_S), (signal.SIGKILL, 0.0)):
        try:
            os.kill(broker, number)
        except ProcessLookupError:
            return
        end = time.monotonic() + patience
        while time.monotonic() < end and alive(broker):
            time.sleep(POLL_S)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
