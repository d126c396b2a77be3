"""Faust's assignor for topics whose partitions grow."""

from __future__ import annotations

from typing import Any

from faust.assignor.client_assignment import ClientMetadata
from faust.assignor.partition_assignor import PartitionAssignor


class GrowingAssignor(PartitionAssignor):  # type: ignore[misc]  # Faust does not type it
    """Forgets what members hold beyond the partitions that it knows of.

    Members keep what they hold. One that leads the group since a moment ago may know of fewer partitions than its
    predecessor gave out: Faust counts the others against their holder's share, finds no place for the rest and fails on
    an assertion, which ends every worker's rebalance. It learns of them within `topics.NOTICED_MS`, and gives them out.
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
