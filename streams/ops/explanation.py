"""Why a claim scores as it does, and what was ruled on it, from the state of the claims stage itself.

Score records have figures only, so that they stay small. Reasons are made on demand from the changelog of the claim's
partition, which is read as a worker would recover it. No worker is asked or disturbed.
"""

from __future__ import annotations

from typing import Any

from streams.contract.settings import Settings, client_kwargs
from streams.contract.topics import ALL, partition_of
from streams.engine.audit import recovered
from streams.kafka.log_reader import LogReader
from streams.kafka.provision import internal_count
from streams.scoring.claims.claims_state import ClaimsState
from streams.worker.stages import stage_specs


async def explanation(settings: Settings, claim_id: str) -> dict[str, Any] | None:
    """The claim's explanation, as `ClaimsState.explain` makes it; None if the stage does not hold the claim.

    Reads the state of a whole partition, which takes seconds with millions of participants.
    """
    state = await _state_of(settings, claim_id)
    try:
        return None if state is None else state.explain(claim_id)
    except KeyError:
        return None


async def rulings(settings: Settings, claim_id: str) -> list[dict[str, Any]]:
    """What was ruled on a claim, as `ClaimsState.told` has it. Reads as much as `explanation`."""
    state = await _state_of(settings, claim_id)
    return [] if state is None else state.told(claim_id)


async def _state_of(settings: Settings, claim_id: str) -> ClaimsState | None:
    """The state of the claim's partition; None where there are no topics yet."""
    spec = stage_specs(settings)["claims"]
    async with LogReader(client_kwargs(settings)) as logs:
        there = await logs.partitions(topic.name(settings) for topic in ALL)
        if spec.changelog_topic not in there:
            return None
        count = internal_count(there, settings)
        partition = partition_of(claim_id, count)
        _, end = (await logs.bounds(spec.changelog_topic, count))[partition]
        core: Any = (await recovered(logs, spec, partition, end)).core
    state: ClaimsState = core
    return state
