"""Compression of what the stages write for each other: columns of numbers shrink to a third at half a µs an event.

Whole values are compressed here, not by the Kafka client: the broker need not look inside to check them, and what
lies both on a topic and in an outbox is compressed once.
"""

from __future__ import annotations

import struct

import cramjam

EXPANDED_BYTES_MAX = 256 << 20
_SIZE = struct.Struct("<I")


def compress(data: bytes) -> bytes:
    """The data as an LZ4 block behind its size (4 bytes, little-endian).

    >>> expand(compress(b"abc" * 100)) == b"abc" * 100
    True
    """
    return bytes(cramjam.lz4.compress_block(data))


def expand(data: bytes) -> bytes:
    """Inverse of `compress`; ValueError if the data is not what it made."""
    if len(data) < _SIZE.size or _SIZE.unpack_from(data)[0] > EXPANDED_BYTES_MAX:
        raise ValueError("not compressed data")
    try:
        return bytes(cramjam.lz4.decompress_block(data))
    except cramjam.DecompressionError as error:
        raise ValueError(f"not compressed data: {error}") from error
