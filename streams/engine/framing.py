"""Several byte strings in one, without copying them through JSON."""

from __future__ import annotations

import struct
from collections.abc import Sequence

_COUNT = struct.Struct("<I")


def pack(parts: Sequence[bytes]) -> bytes:
    """The parts, with their lengths in front."""
    sizes = struct.pack(f"<I{len(parts)}I", len(parts), *map(len, parts))
    return b"".join((sizes, *parts))


def unpack(data: bytes) -> list[bytes]:
    """Inverse of `pack`; struct.error if the data is cut."""
    (count,) = _COUNT.unpack_from(data)
    sizes = struct.unpack_from(f"<{count}I", data, _COUNT.size)
    at = _COUNT.size * (count + 1)
    parts = []
    for size in sizes:
        parts.append(data[at : at + size])
        at += size
    return parts
