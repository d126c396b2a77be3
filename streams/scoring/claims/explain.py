"""Explanations that are exact: participants' contributions sum to L.

    contribution_s = ± w_s / (D_g·D_m) · B·tanh(E_m/B) / E_m,      E_m = (W⁺ − W⁻) / D_m

D_g and D_m are the design effects of the participant's cluster and community. Where a community's sides cancel exactly
(E_m = 0), the factor is its limit, 1. The denial's sign is minus.

The score's log-odds are a start (calibration and base rate), b times these contributions, and rulings; the risk's are a
start, each signal times its weight, and rulings. Both are told as ranked reasons in words, one object for flags, the
query service and the command line. Signals that hear the same thing in several ways are one reason: each says itself
which idea it belongs to, and the idea its words and whose events to read.

Source: linear attribution of the models' own formulas; nothing is approximated. Range: nats. Failure modes: of a large
claim the strongest voices are named and the others summed, so that a crowd of small voices shows as one line.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from streams.contract.codes import DENY, RESHARE
from streams.contract.record_dicts import ReasonDict
from streams.scoring.claims import corroboration
from streams.scoring.claims.claim_tables import Books, ClaimTables, chain
from streams.scoring.claims.flag_facts import root_of
from streams.scoring.claims.reading import read, ruling_evidence, score_log_odds
from streams.scoring.claims.voices import voices
from streams.scoring.config import ScoringConfig
from streams.scoring.numeric import Float, Floats, Ints, fixed, from_fixed, real, sigmoid
from streams.scoring.signals.registry import IDEA_OF, IDEAS, PRIOR_WEIGHTS, REGISTRY, UNTAUGHT_WEIGHTS
from streams.scoring.signals.signal import Crowd, Idea
from streams.tables.compiled import compiled, inlined
from streams.tables.index import find
from streams.tables.table import Table

VOICES = 20  # participants that an explanation names
NO_PUSH = 1e-9  # nats: what adds less is no reason
ROUNDING = 1e-12  # nats: what adds less is left of sums
START = "where every claim starts, before anything is known of it"
EXPERTS = {
    "prior": "by the weights of before any verdict",
    "learned": "by the weights that verdicts taught",
    "untaught": "by the weights that need no records, as far as verdicts are not believed",
    "given": "by what an operator changed",
}
_PRIOR, _UNTAUGHT = (
    np.where([signal.shadow for signal in REGISTRY], 0.0, weights) for weights in (PRIOR_WEIGHTS, UNTAUGHT_WEIGHTS)
)
_RULED = {True: "checkers found it true", False: "checkers found it false"}


@compiled
def contributions_of(books: Books, rows: Ints, settings: npt.NDArray[Any], nats: Floats) -> None:
    """Nats that each of these participants adds to its claim's L, into the array; all of a claim's sum to L."""
    for i in range(len(rows)):
        nats[i] = _contribution_of(books, books.participants.records[rows[i]], settings[0])


@inlined
def _contribution_of(books: Books, part: Any, settings: Any) -> Float:
    weight, cap = corroboration.public_weight(part, settings), settings.community_cap
    if part.event == 0 or weight <= 0:
        return 0.0
    camp_row = find(books.camps.rows, (np.int64(part.claim) << 32) | part.named)
    support, deny, shared = corroboration.camp_evidence(books.camps.records[camp_row], settings)
    net, cluster, denies = (support - deny) / shared, corroboration.cluster_of(part), part.stance == DENY
    nats = real(fixed(weight)) / shared * (cap * math.tanh(net / cap) / net if abs(net) > 1e-12 else 1.0)
    if cluster > 0:
        cell = books.cells.records[find(books.cells.rows, corroboration.cell_key(camp_row, cluster, denies))]
        nats *= corroboration.cell_weight(cell, settings) / max(real(cell.weight), 1e-300)
    return float(-nats if denies else nats)


def explain(
    tables: ClaimTables, claim: int, config: ScoringConfig, settings: npt.NDArray[Any], communities: Table
) -> dict[str, Any]:
    """Why a claim has its score and its risk.

    Returns:
        `score` and `risk`, each with `value` (probability), `log_odds`, and `reasons` whose weights (nats) add up to
        the log-odds, strongest first, in words and with the ids of the events to read; of the risk also `experts`, by
        whose weights; `contributions`, what each participant adds to the corroboration before calibration, which sum to
        `corroboration`; `claim`, its root as flags have it; and `voices`, who said what and when.
    """
    claims, rows = tables.claims, tables.members(claim)
    nats = np.zeros(len(rows))
    contributions_of(tables.books(), rows, settings, nats)
    order = np.argsort(-np.abs(nats), kind="stable")
    order = order[np.abs(nats[order]) > 0]
    reading = read(tables, np.array([claim]), settings)[0]
    contributions = [_contribution(tables, int(rows[i]), float(nats[i]), communities) for i in order.tolist()]
    ruled = ruling_evidence(int(claims["rulings"][claim]), settings[0])
    start = score_log_odds(0.0, float(reading["weight"]), settings[0])
    score_z, risk_z, slope = float(reading["score_z"]), float(reading["risk_z"]), float(settings["score_cal_b"][0])
    return {
        "claim_id": claims.key(claim),
        "corroboration": float(from_fixed(claims["corroboration"][claim])),
        "contributions": contributions,
        "claim": root_of(tables, claim),
        "voices": voices(tables, rows, nats, communities),
        "score": {
            "value": float(sigmoid(score_z)),
            "log_odds": score_z,
            "reasons": _of_score(contributions, start, ruled, _ruling_ids(tables, claim), score_z, slope),
        },
        "risk": {
            "value": float(sigmoid(risk_z)),
            "log_odds": risk_z,
            "reasons": risk_reasons(tables, claim, reading["signals"], settings, config.reasons, rows),
            "experts": experts(reading["signals"], settings[0]),
        },
    }


def _contribution(tables: ClaimTables, row: int, nats: float, communities: Table) -> dict[str, Any]:
    parts = tables.parts
    return {
        "source_id": tables.names.key(int(parts["source"][row])),
        "stance": "deny" if parts["stance"][row] == DENY else "support",
        "nats": nats,
        "community": communities.key(int(parts["named"][row])),
        "copied": bool(parts["cluster"][row] or parts["text"][row]),
        "reshare": bool(parts["kind"][row] == RESHARE),
        "evidence_ids": [e for e in (parts.texts("id")[row],) if e],
    }


def _ruling_ids(tables: ClaimTables, claim: int) -> list[str]:
    table = tables.rulings
    rows = chain(table, int(tables.claims["ruled"][claim]))
    return [i for row in rows[table["verdict"][rows] > 0].tolist() if (i := table.texts("id")[row])]


def _of_score(
    contributions: list[dict[str, Any]], start: float, ruled: float, ruling_ids: list[str], total: float, slope: float
) -> list[ReasonDict]:
    reasons = [_reason("start", START, start, [])]
    if ruled:
        reasons.append(_reason("ruling", _RULED[ruled > 0], ruled, ruling_ids))
    for voice in contributions[:VOICES]:
        code = "reshare" if voice["reshare"] else "denial" if voice["stance"] == "deny" else "support"
        said = {"reshare": "passed it on", "denial": "denies it", "support": "supports it"}[code]
        shared = ", in words that others repeat" if voice["copied"] and code != "reshare" else ""
        text = f"{voice['source_id']} {said}{shared}"
        reasons.append(_reason(code, text, slope * voice["nats"], voice["evidence_ids"]))
    if len(contributions) > VOICES:
        rest = total - math.fsum(r["weight"] for r in reasons)
        reasons.append(_reason("others", f"{len(contributions) - VOICES:,} further voices together", rest, []))
    return _ranked(reasons)


def risk_reasons(
    tables: ClaimTables,
    claim: int,
    signals: Floats,
    settings: npt.NDArray[Any],
    events: int,
    rows: Ints | None = None,
    most: int | None = None,
) -> list[ReasonDict]:
    """What adds up to the calibrated log-odds of a claim's being false, strongest first: a start, ideas and rulings.

    Args:
        signals: of the claim, in the order of SIGNALS.
        events: how many events to read a reason names at most.
        rows: the claim's participants, among whom to find these; None for reasons without them.
        most: if given, only so many of the strongest are named beside the start, and `others` is the rest.
    """
    a, b, bias = (float(settings[name][0]) for name in ("risk_cal_a", "risk_cal_b", "risk_bias"))
    pushes = np.bincount(IDEA_OF, signals * settings["risk_weights"][0] * b)
    found = [(name, push) for name, push in zip(IDEAS, pushes.tolist(), strict=True) if abs(push) > NO_PUSH]
    ruled = ruling_evidence(int(tables.claims["rulings"][claim]), settings[0])
    if ruled:
        found.append(("ruling", -ruled))
    found.sort(key=lambda each: -abs(each[1]))
    reasons = [_reason("start", START, a + b * bias, [])]
    for code, push in found[:most]:
        if code == "ruling":
            text, ids = _RULED[push < 0], _ruling_ids(tables, claim)
        else:
            idea = IDEAS[code]
            text = idea.raises if push > 0 else idea.lowers
            crowd = None if rows is None else Crowd(tables.claims, tables.parts, claim, rows, push > 0)
            ids = [] if crowd is None else evidence(crowd, idea, events)
        reasons.append(_reason(code, text, push, ids))
    if rest := found[len(reasons) - 1 :]:
        reasons.append(_reason("others", f"{len(rest)} weaker reasons together", math.fsum(p for _, p in rest), []))
    return _ranked(reasons)


def experts(signals: Floats, settings: Any) -> list[dict[str, Any]]:
    """By whose weights the signals count: what each expert adds to the risk's log-odds, and of that each idea (nats).

    Of a weight in force it is known how much is that of before any verdict, the untaught one, and an operator's. The
    rest is what verdicts taught. So an idea's parts add up to its reason, and the experts with start and rulings to the
    log-odds, also by a version of before there were shares. `share` is how far an expert's weights are used.
    """
    before, apart = float(settings["prior_share"]), float(settings["untaught_share"])
    prior, untaught, given = before * _PRIOR, apart * _UNTAUGHT, settings["given_weights"]
    learned = settings["risk_weights"] - prior - untaught - given
    told = []
    for code, share, weights in (
        ("prior", before, prior), ("learned", 1.0 - before - apart, learned), ("untaught", apart, untaught),
        ("given", None, given),
    ):  # fmt: skip
        pushes = np.bincount(IDEA_OF, signals * weights * settings["risk_cal_b"]).tolist()
        found = [(idea, push) for idea, push in zip(IDEAS, pushes, strict=True) if abs(push) > ROUNDING]
        found.sort(key=lambda each: -abs(each[1]))
        if found:
            parts = [{"code": idea, "weight": push} for idea, push in found]
            told.append(
                {"code": code, "text": EXPERTS[code], "share": share, "weight": math.fsum(pushes), "parts": parts}
            )
    return told


def evidence(crowd: Crowd, idea: Idea, most: int) -> list[str]:
    """Ids of at most so many events to read to judge an idea, the strongest first."""
    rows, strength = idea.evidence(crowd)
    strongest = rows[np.argsort(-strength, kind="stable")[: 20 * most]]
    named, texts = strongest[crowd.parts["id"][strongest] > 0], crowd.parts.texts("id")
    return [texts[row] for row in named[:most].tolist()]


def _reason(code: str, text: str, weight: float, evidence_ids: list[str]) -> ReasonDict:
    return {"code": code, "text": text, "weight": weight, "evidence_ids": evidence_ids}


def _ranked(reasons: list[ReasonDict]) -> list[ReasonDict]:
    return sorted(reasons, key=lambda reason: -abs(reason["weight"]))
