"""`credence communities`: the slow loop beside the workers, as a process of its own."""

from __future__ import annotations

from streams.cli.console import Kafka
from streams.cli.worker import Instance, Level, LogLevel, run


def communities(broker: Kafka = None, instance_id: Instance = None, log_level: Level = LogLevel.INFO) -> None:
    """Look for accounts that act as one, and for communities and how they fare, until told to stop.

    Beside the workers, never in their way: without it scores go on, blind to nets. One is enough; a second takes over
    when it ends.

    Example: credence communities --broker kafka-1:9092,kafka-2:9092
    """
    run(broker, instance_id, log_level, communities=True)
