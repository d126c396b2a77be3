"""The integers that stand for words in blocks and in state. Each is written here once.

The words and their sentences are in `streams.contract.words`. State on disk and logs hold these integers, so a word
that is added goes to the end of its list.
"""

from __future__ import annotations

from streams.contract.words import CORRECTING, Fate, Kind, Stance, Verdict

KIND_CODES: dict[str, int] = {str(kind): code for code, kind in enumerate(Kind)}
POST, RESHARE, REPLY = KIND_CODES[Kind.POST], KIND_CODES[Kind.RESHARE], KIND_CODES[Kind.REPLY]
DELETE, UPDATE = KIND_CODES[Kind.DELETE], KIND_CODES[Kind.UPDATE]
CORRECTS_FROM = min(KIND_CODES[kind] for kind in CORRECTING)
"""Kinds with this code or a higher one are about an earlier event of the same source."""

NO_STANCE = 0
STANCE_CODES: dict[str | None, int] = {None: NO_STANCE} | {str(stance): code for code, stance in enumerate(Stance, 1)}
SUPPORT, DENY, QUERY = STANCE_CODES[Stance.SUPPORT], STANCE_CODES[Stance.DENY], STANCE_CODES[Stance.QUERY]
PASSED_ON = 3
"""In credits only: support by a reshare. Elsewhere this number is a query, and credits have no queries."""

VERDICT_CODES: dict[str, int] = {
    str(verdict): code for code, verdict in enumerate((Verdict.WITHDRAWN, Verdict.TRUE, Verdict.FALSE, Verdict.MIXED))
}
NO_VERDICT = VERDICT_CODES[Verdict.WITHDRAWN]
TRUE, FALSE, MIXED = VERDICT_CODES[Verdict.TRUE], VERDICT_CODES[Verdict.FALSE], VERDICT_CODES[Verdict.MIXED]

UNSEEN, SEEN, SETTLED = 0, 1, 2
"""How well a participant is known: new to every claim, in another claim before, or in one that is settled."""

FATE_CODES: dict[Fate, int] = {fate: code for code, fate in enumerate(Fate)}
