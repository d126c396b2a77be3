"""Attacks: accounts that work together against the truth, injected into any set of cascades.

Every attack takes a share of the labelled claims and, on each, adds assertions against its truth until they are the
wanted share of all its assertions (or all the attacker's accounts have spoken). Nothing an attacker does precedes a
claim's first event, so horizons and releases stay where they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from streams.contract.codes import DENY, FALSE, POST, REPLY, RESHARE, SUPPORT, TRUE
from streams.evaluate.cascades import HOUR_MS, CascadeSet, Rulings

Ints = npt.NDArray[np.int64]

ATTACKED_SHARE = 0.3  # of the labelled claims
NETS, NET_SIZES = 4, (60, 81)
BURST_MS = 20 * 60_000
SLOW_MEDIAN_H, SLOW_SPREAD = 5.0, 1.8  # lognormal delays of a slow attack
PRACTICE_SHARE = 0.5  # of the accounts of an act that also take part in one of practice
PRACTICE_MS = 48 * HOUR_MS  # practice starts any time in the first two days, an attack at once
COPIED_TEXT = 0x5EED_C0DE_5EED_C0DE


@dataclass
class Plan:
    """Rows that an attack adds.

    `user` counts from 0 among the attacker's new accounts; an existing user u is −1 − u.
    """

    data: CascadeSet
    share: float
    rng: np.random.Generator
    attacked: Ints  # codes of attacked claims
    start_ms: Ints
    honest: Ints  # [claims] assertions before the attack
    lag_ms: int
    accounts: int = 0
    claim: list[Ints] = field(default_factory=list)
    user: list[Ints] = field(default_factory=list)
    t_ms: list[Ints] = field(default_factory=list)
    lie: list[npt.NDArray[np.bool_]] = field(default_factory=list)
    text: int = 0
    slowly: bool = False
    within_ms: int = BURST_MS

    def wanted(self, claim: int) -> int:
        """How many assertions make the wanted share of the claim's."""
        return max(1, round(self.share / (1 - self.share) * int(self.honest[claim])))

    def act(self, claim: int, users: Ints, lie: bool, after_ms: int = 0) -> None:
        """Let the users assert on the claim: all from `after_ms` after its first event on, or slowly, one by one."""
        n = len(users)
        if self.slowly:
            delay = self.rng.lognormal(np.log(SLOW_MEDIAN_H), SLOW_SPREAD, n) * HOUR_MS
            delay_ms = np.minimum(delay, 240 * HOUR_MS).astype(np.int64)
        else:
            delay_ms = after_ms + self.rng.integers(0, self.within_ms, n)
        self.claim.append(np.full(n, claim))
        self.user.append(users)
        self.t_ms.append(self.start_ms[claim] + 1 + delay_ms)
        self.lie.append(np.full(n, lie))

    def others(self) -> Ints:
        """Codes of labelled claims that are not attacked."""
        return np.setdiff1d(np.flatnonzero(self.data.truth > 0), self.attacked)


def attack(data: CascadeSet, name: str, share: float = 0.5, seed: int = 0, lag_ms: int = 24 * HOUR_MS) -> CascadeSet:
    """The set with an attack in it.

    Args:
        name: a key of ATTACKS.
        share: of an attacked claim's assertions; of all rulings for poison; without meaning for aged.
        lag_ms: when rulings are released, where the set has none of its own.

    Raises:
        ValueError: unknown name, or a share outside (0, 1).
    """
    if name not in ATTACKS:
        raise ValueError(f"no attack {name!r}; there are {', '.join(ATTACKS)}")
    if not 0 < share < 1:
        raise ValueError(f"an attack's share lies between 0 and 1, not at {share}")
    rng = np.random.default_rng([seed, 7])
    labelled = np.flatnonzero(data.truth > 0)
    attacked = np.sort(rng.choice(labelled, max(1, round(ATTACKED_SHARE * len(labelled))), replace=False))
    honest = np.bincount(data.claim[data.asserted > 0], minlength=len(data.claim_ids))
    plan = Plan(data, share, rng, attacked, data.start_ms, honest, lag_ms)
    return replace(ATTACKS[name](plan), name=f"{data.name}+{name}:{share:g}")


def fresh(plan: Plan) -> CascadeSet:
    """New accounts for every claim, all in the first minutes."""
    for claim in plan.attacked.tolist():
        n = plan.wanted(claim)
        plan.act(claim, np.arange(plan.accounts, plan.accounts + n), lie=True)
        plan.accounts += n
    return inject(plan)


def _nets(plan: Plan) -> list[Ints]:
    sizes = plan.rng.integers(*NET_SIZES, NETS)
    plan.accounts = int(sizes.sum())
    return np.split(np.arange(plan.accounts), np.cumsum(sizes)[:-1])


def _nets_act(
    plan: Plan,
    elsewhere_lie: bool,
    target_lie: bool,
    practice: tuple[float, int] = (PRACTICE_SHARE, PRACTICE_MS),
    nets: list[Ints] | None = None,
) -> CascadeSet:
    """Four nets: one of them on each attacked claim, and one on half of the others to build a record.

    `practice` says of an act of practice which share of the accounts takes part, and within how many ms it starts.
    """
    nets = nets or _nets(plan)
    others = plan.others()
    practised = plan.rng.choice(others, len(others) // 2, replace=False)
    for claims, lie, part, spread_ms in ((plan.attacked, target_lie, 1.0, 1), (practised, elsewhere_lie, *practice)):
        for claim in claims.tolist():
            net = nets[int(plan.rng.integers(NETS))]
            n = min(len(net), max(1, round(part * plan.wanted(claim))))
            plan.act(claim, plan.rng.choice(net, n, replace=False), lie, int(plan.rng.integers(spread_ms)))
    return inject(plan)


def camouflaged(plan: Plan) -> CascadeSet:
    """Nets of 60 to 80 accounts that tell the truth together on half of the other claims; all within 20 minutes."""
    return _nets_act(plan, elsewhere_lie=False, target_lie=True)


def slow(plan: Plan) -> CascadeSet:
    """The camouflaged nets, spread over days, so that no window of minutes sees them together."""
    plan.slowly = True
    return _nets_act(plan, elsewhere_lie=False, target_lie=True)


def mimic(plan: Plan) -> CascadeSet:
    """The camouflaged nets, practising just as they attack: as many, as fast, so that only being right differs."""
    return _nets_act(plan, elsewhere_lie=False, target_lie=True, practice=(1.0, 1))


def sleepers(plan: Plan) -> CascadeSet:
    """Accounts that build their records each on its own, over days, and meet only in their lies."""
    nets = _nets(plan)
    others = plan.others()
    practice = plan.rng.choice(others, len(others) // 2, replace=False)
    plan.slowly = True
    for claim in practice.tolist():
        n = min(plan.accounts, max(1, round(PRACTICE_SHARE * plan.wanted(claim))))
        plan.act(claim, plan.rng.choice(plan.accounts, n, replace=False), lie=False)
    plan.slowly = False
    for claim in plan.attacked.tolist():
        net = nets[int(plan.rng.integers(NETS))]
        plan.act(claim, plan.rng.choice(net, min(len(net), plan.wanted(claim)), replace=False), lie=True)
    return inject(plan)


def overlapping(plan: Plan) -> CascadeSet:
    """As mimic, but each attack draws its accounts anew from one pool: nets without borders."""
    plan.accounts = int(np.concatenate(_nets(plan)).size)
    everyone = np.arange(plan.accounts)
    return _nets_act(plan, elsewhere_lie=False, target_lie=True, practice=(1.0, 1), nets=[everyone] * NETS)


def inverted(plan: Plan) -> CascadeSet:
    """Nets that lie wherever verdicts come, and then "support" the truth, so that inverted weights would sink it."""
    return _nets_act(plan, elsewhere_lie=True, target_lie=False)


def copied(plan: Plan) -> CascadeSet:
    """Accounts without history that all post the same text."""
    plan.text = COPIED_TEXT
    nets = _nets(plan)
    for claim in plan.attacked.tolist():
        net = nets[int(plan.rng.integers(NETS))]
        plan.act(claim, plan.rng.choice(net, min(len(net), plan.wanted(claim)), replace=False), lie=True)
    return inject(plan)


def brigade(plan: Plan) -> CascadeSet:
    """Ordinary accounts of the set, drawn by activity, that together deny true claims for two hours."""
    plan.within_ms = 2 * HOUR_MS
    plan.attacked = plan.attacked[plan.data.truth[plan.attacked] == TRUE]
    crowd = np.unique(plan.data.user[plan.rng.integers(0, len(plan.data), 400)])
    for claim in plan.attacked.tolist():
        there = plan.data.user[plan.data.claim == claim]
        free = np.setdiff1d(crowd, there)
        users = plan.rng.choice(free, min(len(free), plan.wanted(claim)), replace=False)
        plan.act(claim, -1 - users.astype(np.int64), lie=True)
    return replace(inject(plan), attackers=len(crowd))


def aged(plan: Plan) -> CascadeSet:
    """Ten accounts that were right wherever they spoke for the first half, and then lie together."""
    plan.accounts = 10
    middle = np.median(plan.start_ms[np.flatnonzero(plan.data.truth > 0)])
    plan.attacked = plan.attacked[plan.start_ms[plan.attacked] > middle]
    others = plan.others()
    early = others[plan.start_ms[others] <= middle]
    for claim in plan.rng.choice(early, len(early) // 2, replace=False).tolist():
        plan.act(claim, np.arange(10), lie=False)
    for claim in plan.attacked.tolist():
        plan.act(claim, np.arange(10), lie=True)
    return inject(plan)


def poison(plan: Plan) -> CascadeSet:
    """A share of all rulings says the opposite (the plan's attacked claims are those with a poisoned ruling)."""
    data = plan.data
    rulings = data.rulings(plan.lag_ms)
    n = len(rulings.claim)
    turned = plan.rng.choice(n, max(1, round(plan.share * n)), replace=False) if n else np.zeros(0, np.int64)
    verdict = rulings.verdict.copy()
    verdict[turned] = TRUE + FALSE - verdict[turned]
    plan.attacked = rulings.claim[turned].astype(np.int64)
    return replace(inject(plan), own_rulings=Rulings(rulings.claim, verdict, rulings.t_ms))


ATTACKS: dict[str, Callable[[Plan], CascadeSet]] = {
    "fresh": fresh,
    "camouflaged": camouflaged,
    "slow": slow,
    "mimic": mimic,
    "sleepers": sleepers,
    "overlapping": overlapping,
    "inverted": inverted,
    "poison": poison,
    "copied": copied,
    "brigade": brigade,
    "aged": aged,
}


def inject(plan: Plan) -> CascadeSet:
    """The plan's rows merged into the set: support is a reshare where the set reshares, else a reply with a stance."""
    data = plan.data
    mask = np.zeros(len(data.claim_ids), np.bool_)
    mask[plan.attacked] = True
    if not plan.claim:
        return replace(data, attacked=mask, attackers=0)
    claim, user, t_ms = np.concatenate(plan.claim), np.concatenate(plan.user), np.concatenate(plan.t_ms)
    is_true = data.truth[claim] == TRUE
    supports = is_true != np.concatenate(plan.lie)
    reshares = float(np.mean(data.kind == RESHARE)) > 0.5
    n = len(claim)
    names = [f"attacker{i:06d}" for i in range(plan.accounts)]
    root: dict[int, str] = {}
    for i in np.flatnonzero(data.kind == POST).tolist():
        root.setdefault(int(data.claim[i]), data.event_ids[i])
    parents = [root.get(c, "") for c in claim.tolist()]
    text = np.where(supports & reshares, np.uint64(0), np.uint64(plan.text))
    if plan.text:  # one text for and one against
        text = np.where(text > 0, text + supports.astype(np.uint64), text)
    return replace(
        data,
        t_ms=np.concatenate([data.t_ms, t_ms]),
        kind=np.concatenate([data.kind, np.where(supports & reshares, RESHARE, REPLY).astype(np.int8)]),
        stance=np.concatenate([data.stance, np.where(supports, 0 if reshares else SUPPORT, DENY).astype(np.int8)]),
        claim=np.concatenate([data.claim, claim.astype(np.int32)]),
        user=np.concatenate([data.user, np.where(user < 0, -1 - user, len(data.user_ids) + user).astype(np.int32)]),
        event_ids=[*data.event_ids, *(f"attack{i:07d}" for i in range(n))],
        parent=[*data.parent, *parents],
        community=np.concatenate([data.community, np.zeros(n, np.int32)]),
        text_hash=np.concatenate([data.text_hash, text.astype(np.uint64)]),
        user_ids=[*data.user_ids, *names],
        attacked=mask,
        attackers=plan.accounts,
    ).sorted()
