"""What the machine has for a broker: loopback ports, and memory; and whether a broker answers on a port."""

from __future__ import annotations

import random
import socket
import struct
from pathlib import Path

import psutil

from streams.broker.errors import BrokerError
from streams.broker.server_properties import HOST

# Below the range that systems hand out to outgoing connections, where a port that was free a moment ago may be taken.
PORTS = range(20_000, 30_000)


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A loopback port that nothing listens on. Raises BrokerError when a hundred tries find none."""
    for _ in range(100):
        if is_free(port := random.choice(PORTS)):
            return port
    raise BrokerError(f"no free port found between {PORTS.start} and {PORTS.stop} on {HOST}: end some servers")


def answers(port: int, timeout_s: float = 1.0) -> bool:
    """Whether a Kafka broker on this loopback port answers an ApiVersions request (version 0, without a client)."""
    request = struct.pack(">hhih", 18, 0, 1, -1)
    try:
        with socket.create_connection((HOST, port), timeout_s) as link:
            link.settimeout(timeout_s)
            link.sendall(struct.pack(">i", len(request)) + request)
            reply = link.recv(10)
    except OSError:
        return False
    return len(reply) == 10 and struct.unpack(">iih", reply)[1:] == (1, 0)


def available_memory_mb() -> int:
    """Memory in MB that a new process may take without swapping: of the machine, or of the container if less."""
    available = psutil.virtual_memory().available
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        if limit != "max":
            used = int(Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii"))
            statistics = dict(
                line.split() for line in Path("/sys/fs/cgroup/memory.stat").read_text(encoding="ascii").splitlines()
            )
            # Cached file pages are given back when asked for.
            available = min(available, int(limit) - used + int(statistics.get("inactive_file", 0)))
    except (OSError, ValueError):
        pass
    return int(available) >> 20
