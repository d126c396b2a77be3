"""Flags: claims that people should look at, raised, updated and retracted, never acted on by themselves.

    raise    when the claim's alarm reaches the threshold in force (see `alarm`: the risk, a little more for claims that
             many have joined, and the precision that an operator wants), and there is budget; and again when what
             settled a claim that stood flagged is withdrawn, unless the alarm fell meanwhile. A claim of less than half
             an hour must be as large as is usual at one hour: the risk is calibrated at that age, and a few events in
             a minute look like a slow start
    hold     the same when the rule has raised, in this hour of the stream, or has standing as many as an operator
             allows. When there is room again, what is held back is raised, the highest priority first
    update   when the priority moved by 10 or more, the claim was heard of a day or more after the flag's last record,
             or its root came or was edited
    retract  when the alarm is .5 nats below the threshold (hysteresis), the claim was settled, its posts were taken
             back, the rule was stopped, or the flag expired: seven days after its last record, by the log's clock,
             which no replay of old events turns
    priority = 100·(1 − 1/(1 + log₁₀(1 + risk·ΔN(24 h)))), 0 in a retraction

All this for each of `flag_rules.RULES` by itself; `flag_writing` makes the records. The highest alarm of each claim
before its verdict is kept: it is the lesson that the threshold is learned from.

Nothing here moves a score. Failure modes: a budget is kept by each partition alone, so that one may hold back what
another has room for; the hour is the stream's, and what is held back waits for an event of its partition.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from streams.scoring import cascade
from streams.scoring.claims.reading import HORIZON_S
from streams.scoring.config import HOUR_MS
from streams.scoring.numeric import Int, chance
from streams.scoring.parameters.alarm import alarm
from streams.scoring.parameters.flag_rules import RULE_COUNT
from streams.tables.compiled import inlined

STOOD = -1  # in place of 1 for a raised flag: it stood when the claim was settled
HELD = -2  # a budget holds it back
STAYS, RAISE, UPDATE, RETRACT, HOLD = range(5)


@inlined
def priority(claim: Any, reading: Any) -> Int:
    """0–100 by risk × expected growth."""
    growth = cascade.expected_growth(claim, cascade.infectiousness(claim)[0], HORIZON_S)
    reach = math.log10(1.0 + chance(reading.risk_z) * growth)
    return np.int64(np.rint(100.0 * (1.0 - 1.0 / (1.0 + reach))))


@inlined
def gone(claim: Any) -> bool:
    """Whether there is nothing left to look at."""
    return bool(claim.bare > 0 or claim.events == 0)


@inlined
def is_shown(claim: Any) -> bool:
    """Whether a flag of any rule is raised or held back."""
    shown = False
    for k in range(RULE_COUNT):
        shown = shown or claim.flag[k] > 0 or claim.flag[k] == HELD
    return bool(shown)


@inlined
def is_ripe(claim: Any, settings: Any) -> bool:
    """Whether enough is there to look at: time enough, or as many participants as claims usually have at one hour."""
    if claim.participants < settings.flag_min_participants:
        return False
    old = claim.last_ms - claim.first_ms >= settings.flag_ripe_ms
    return bool(old or math.log(claim.participants) >= settings.flag_crowd)


@inlined
def decide(claim: Any, reading: Any, clock: Any, settings: Any, k: Int) -> tuple[Int, Int]:
    """What becomes of a claim's flag by rule k now, and its priority; keeps the highest alarm of open claims."""
    shown, settled = claim.flag[k] > 0 or claim.flag[k] == HELD, claim.verdict > 0
    level = alarm(reading.risk_z, claim.participants, settings.flag_crowd)
    is_open = not settled and not gone(claim) and is_ripe(claim, settings)
    if is_open:
        claim.alarm = max(level, np.float64(claim.alarm))
    likely, stood = is_open and level >= settings.rule_z[k], is_open and claim.flag[k] == STOOD
    if stood:
        claim.flag[k] = 0
    unlikely = level < settings.rule_z[k] - settings.flag_hysteresis
    killed = settings.rule_killed[k] > 0
    if shown:
        if unlikely or settled or gone(claim) or killed:
            return RETRACT, 0
        rank = priority(claim, reading)
        return UPDATE if claim.flag[k] > 0 and worth_an_update(claim, rank, settings, k) else STAYS, rank
    if killed or settings.rule_paused[k] > 0:
        return STAYS, 0
    if stood and not unlikely:
        return RAISE, priority(claim, reading)
    if likely:
        turn(clock, claim.last_ms, k)
        room = clock.held[k] == 0 and has_room(clock, settings, k)
        return RAISE if room else HOLD, priority(claim, reading)
    return STAYS, 0


@inlined
def worth_an_update(claim: Any, rank: Int, settings: Any, k: Int) -> bool:
    """Whether a flag that stands moved in the queue, or is due for a later expiry."""
    moved = abs(rank - claim.flag_priority[k]) >= settings.flag_update_priority
    return bool(moved or np.int64(claim.seen) * 1000 - claim.flag_at_ms[k] >= settings.flag_renewal_ms)


@inlined
def turn(clock: Any, event_ms: Int, k: Int) -> None:
    """Begin to count anew when the stream has reached another hour."""
    hour = event_ms // HOUR_MS
    if hour > clock.flag_hour[k]:
        clock.flag_hour[k], clock.raised[k] = hour, 0


@inlined
def has_room(clock: Any, settings: Any, k: Int) -> bool:
    """Whether rule k may raise one more flag, by its budgets and switches."""
    runs = settings.rule_killed[k] <= 0 and settings.rule_paused[k] <= 0
    return bool(runs and clock.raised[k] < settings.rule_an_hour[k] and clock.standing[k] < settings.rule_standing[k])


@inlined
def hands_out(clock: Any, event_ms: Int, settings: Any) -> bool:
    """Whether there is room now for what is held back, by any rule."""
    found = False
    for k in range(RULE_COUNT):
        if clock.held[k] > 0:
            turn(clock, event_ms, k)
            found = found or has_room(clock, settings, k)
    return found
