"""server.properties of one small node that is both broker and controller."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping
from pathlib import Path

HOST = "127.0.0.1"
RECORD_BYTES = 16 * 1024**2
"""The largest record the topics allow, before the envelope."""


def properties(data: Path, port: int, controller_port: int, extra: Mapping[str, str] | None = None) -> str:
    """The text of server.properties for a node that keeps its data in `data` and listens on loopback only."""
    batch_bytes = RECORD_BYTES + 64 * 1024
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.voters": f"1@{HOST}:{controller_port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(data),
        # A mistyped topic is an error, not a new topic with the wrong partition count.
        "auto.create.topics.enable": "false",
        # Event time is payload: under CreateTime a replay of 2014 is deleted by retention within minutes.
        "log.message.timestamp.type": "LogAppendTime",
        # What is kept is each topic's own decision; the default must never delete.
        "log.retention.ms": "-1",
        "message.max.bytes": str(batch_bytes),
        "replica.fetch.max.bytes": str(batch_bytes),
        # One node: internal topics have one partition and one replica.
        "default.replication.factor": "1",
        "min.insync.replicas": "1",
        "offsets.topic.num.partitions": "1",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.num.partitions": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        # Two cores and half a gigabyte: fewer threads, and a cleaner that fits (its default buffer is 128 MB).
        "num.network.threads": "2",
        "num.io.threads": "4",
        "background.threads": "2",
        "log.cleaner.dedupe.buffer.size": str(32 * 1024**2),
        # An index is a mapped file of its full size, which a page fault reads ahead by the megabyte: with the default
        # of 10 MB for each of two indexes a partition, most of the broker's time went into zeroing pages. This is
        # enough for segments of 170 MB; then the log rolls.
        "log.index.size.max.bytes": str(512 * 1024),
        # Alone in its quorum there is nobody to wait for.
        "controller.quorum.append.linger.ms": "0",
        "controller.quorum.election.timeout.ms": "200",
        # A broker that was killed may come back only when its old self has timed out: 9 s by default.
        "broker.session.timeout.ms": "4000",
        "broker.heartbeat.interval.ms": "500",
        **(extra or {}),
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def identity(cluster_id: str) -> str:
    """The text of meta.properties for a new node of the cluster `cluster_id`."""
    return f"version=1\ncluster.id={cluster_id}\nnode.id=1\ndirectory.id={new_id()}\n"


def new_id() -> str:
    """A random 128-bit id in Kafka's own spelling: 22 characters of URL-safe base64, no leading dash."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text
