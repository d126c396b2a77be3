"""Make jars.lock anew: resolve Apache Kafka's dependency graph once, and pin each jar by its content.

Run it when KAFKA_VERSION changes: ``python -m streams.broker.lock``. Users never resolve anything: they fetch the
pinned list, so that every machine runs the same bytes.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import jgo

KAFKA_VERSION = "4.1.0"
ENDPOINT = "+".join(
    (
        f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
        # Named although kafka_2.13 depends on it: by itself the resolver picks 3.9.1, and the broker dies of it
        # (NoSuchMethodError).
        f"org.apache.kafka:kafka-clients:{KAFKA_VERSION}",
        # Kafka logs through slf4j; the simple binding starts fastest and writes plain lines.
        "org.slf4j:slf4j-simple:2.0.17",
    )
)


def main() -> None:
    """Write jars.lock beside this file; downloads about 45 MB into the Maven cache of the user."""
    rows = sorted(
        f"{jar.groupId}:{jar.artifactId}:{jar.version} {hashlib.sha256(jar.resolve().read_bytes()).hexdigest()}"
        for jar in jgo.resolve(ENDPOINT)
    )
    header = (
        f"# Apache Kafka {KAFKA_VERSION} and what it runs on: every jar, pinned by content "
        "(Maven coordinates, sha256).\n"
        "# Made by: python -m streams.broker.lock\n"
    )
    Path(__file__).with_name("jars.lock").write_text(header + "\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
