"""What can go wrong with the embedded broker, said so that a person knows what to do next."""

from __future__ import annotations


class BrokerError(Exception):
    """The broker cannot be had. The message says what happened and what to do."""
