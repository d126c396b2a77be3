"""Faust's assignor for topics whose partitions grow."""

from __future__ import annotations

from typing import Any

from faust.assignor.client_assignment import ClientMetadata
from faust.assignor.partition_assignor import PartitionAssignor


class GrowingAssignor(PartitionAssignor):  # type: ignore[misc]  # Faust does not type it
    """Ignores held partitions that the group's leader does not know of yet.

    A new leader may know fewer partitions than the former one gave out, while members still hold the others. Faust
    counts these against their holders' share, finds no place for the rest, and fails on an assertion, which ends every
    worker's rebalance. The leader learns of them within `provision.NOTICED_MS`, and then gives them out.
    """

    def _perform_assignment(self, cluster: Any, member_metadata: Any) -> Any:
        self._cluster = cluster
        return super()._perform_assignment(cluster, member_metadata)

    def _get_client_metadata(self, metadata: Any) -> ClientMetadata:
        found = super()._get_client_metadata(metadata)
        for held in (found.assignment.actives, found.assignment.standbys):
            for topic, partitions in held.items():
                known = self._cluster.partitions_for_topic(topic) or set()
                held[topic] = [p for p in partitions if p in known]
        return found
