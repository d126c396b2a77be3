"""Partitions are given out, every one once, also by a leader that knows of fewer than its predecessor did."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import faust
from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata
from faust.assignor.client_assignment import ClientAssignment, ClientMetadata

from streams.engine.assignor import GrowingAssignor

INPUT, HOP = "input", "hop"


class Cluster(ClusterMetadata):
    """What a leader knows of partitions: a metadata answer of the broker, by hand."""

    def __init__(self, **counts: int) -> None:
        super().__init__()
        self._counts = counts

    def partitions_for_topic(self, topic: str) -> set[int]:
        return set(range(self._counts[topic]))


def given(cluster: ClusterMetadata, held: Sequence[dict[str, list[int]]]) -> dict[str, list[list[int]]]:
    """Topic → the partitions that each member gets, of members that hold these now."""
    assignor = GrowingAssignor(faust.App("test", store="memory://", web_enabled=False))
    members = {
        f"member-{n}": ConsumerProtocolMemberMetadata(
            4,
            [INPUT, HOP],
            ClientMetadata(
                assignment=ClientAssignment(actives=actives, standbys={}), url=f"http://{n}", changelog_distribution={}
            ).dumps(),
        )
        for n, actives in enumerate(held)
    }
    answers = [dict(answer.assignment) for _, answer in sorted(assignor.assign(cluster, members).items())]
    return {topic: [sorted(answer.get(topic, [])) for answer in answers] for topic in (INPUT, HOP)}


def test_new_partitions_of_an_input_go_to_somebody_and_the_others_stay() -> None:
    held = [{INPUT: [0, 1], HOP: [0, 1]}, {INPUT: [2, 3], HOP: [2, 3]}]
    found = given(Cluster(input=6, hop=4), held)
    assert found[HOP] == [[0, 1], [2, 3]]
    assert sorted(chain(*found[INPUT])) == list(range(6))
    assert [set(old[INPUT]) <= set(new) for old, new in zip(held, found[INPUT], strict=True)] == [True, True]


def test_a_leader_that_knows_of_fewer_partitions_than_were_given_out_gives_those_that_it_knows() -> None:
    held = [{INPUT: [0, 1, 2], HOP: [0, 1]}, {INPUT: [3, 4, 5], HOP: [2, 3]}, {}]
    found = given(Cluster(input=4, hop=4), held)
    assert sorted(chain(*found[INPUT])) == [0, 1, 2, 3]
    found = given(Cluster(input=4, hop=4), [{INPUT: [4, 5]}, {INPUT: [0, 1]}])
    assert found[INPUT] == [[2, 3], [0, 1]]
