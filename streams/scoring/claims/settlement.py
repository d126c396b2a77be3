"""Rulings: verdicts of fact-checkers, moderators and appeals, revisable and withdrawable, pooled per claim.

A ruling's version counts within (claim, rater); the highest version in force replaces all before it, and no ruling
vanishes: whatever is not a rater's word is kept for reading, counted, or refused. Raters are pooled
as evidence: the sign of (#true − #false) is the verdict, a tie or "mixed" settles without credit. A rater is a source
with the prior Beta(97, 3), so one ruling moves the public score by logit .97 ≈ 3.5 nats; further raters, who read each
other, add with ρ = .9.

Source: 95–98 % agreement of fact-checkers, Vosoughi, Roy & Aral, Science 2018. Range: ±3.5 nats for one rater.
Failure modes: an allow-listed rater who errs or is captured counts fully until revised or withdrawn.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.contract.codes import FALSE, FATE_CODES, MIXED, NO_VERDICT, TRUE
from streams.contract.words import Fate
from streams.scoring.claims.claim_tables import RULED_TEXTS, ClaimTables, chain
from streams.scoring.effects import Effects
from streams.scoring.numeric import Ints
from streams.tables.blocks import Block
from streams.tables.table import Table

HEARD_MAX = 32
"""Rulings on a claim that are kept for reading alone: superseded, late or refused ones."""
_FATES = tuple(Fate)
_COLUMNS = (
    ("version", "ver"), ("verdict", "verdict"), ("time_ms", "t"), ("content", "h"),
    *((name, name) for name in RULED_TEXTS),
)  # fmt: skip
_CONFLICT = (
    "ruling {id} is version {version} of rater {rater} on the claim, which came before with other content and stands;"
    " a revision needs a higher version"
)


class Rulings:
    """The rulings of a partition's claims: each rater's word, and what else was heard, for people to read."""

    def __init__(self, tables: ClaimTables) -> None:
        self.claims = tables.claims
        self.rulings = tables.rulings
        self.heard = tables.heard

    def take(self, block: Block, i: int, claim: int, number: int, effects: Effects) -> tuple[int, int, int]:
        """Take in a ruling; what all on the claim come to.

        A lower version than the one held only pulls the rater's first ruling time forward. The same version with other
        content is refused.

        Args:
            number: of the ruling in the partition.

        Returns:
            verdict, raters for true minus those for false, and time of the first ruling.
        """
        effects.rulings[self._take(block, i, claim, number, effects)] += 1
        table, rows = self.rulings, self.of_claim(claim)
        rows = rows[table["verdict"][rows] > NO_VERDICT]
        if not rows.size:
            return NO_VERDICT, 0, 0
        verdicts = table["verdict"][rows]
        balance = int((verdicts == TRUE).sum()) - int((verdicts == FALSE).sum())
        return TRUE if balance > 0 else FALSE if balance < 0 else MIXED, balance, int(table["first_ms"][rows].min())

    def _take(self, block: Block, i: int, claim: int, number: int, effects: Effects) -> Fate:
        table, rater = self.rulings, block["rater"][i]
        rows, made = table.ensure([f"{block['c'][i]}\0{rater}"])
        row, version, t_ms = int(rows[0]), int(block["ver"][i]), int(block["t"][i])
        said = {field: block[column][i] for field, column in _COLUMNS}
        known = None if made.size else self._content(claim, row, rater, version)
        if known is not None and known != int(block["h"][i]):
            effects.dead.append((i, "id_conflict", _CONFLICT.format(id=said["id"], version=version, rater=rater)))
            self._note(claim, rater, said, Fate.REFUSED, number)
            return Fate.REFUSED
        table.touch(rows)
        if made.size:
            table["claim"][row], table["first_ms"][row] = claim, t_ms
            table["next"][row], self.claims["ruled"][claim] = self.claims["ruled"][claim], row + 1
        table["first_ms"][row] = min(t_ms, int(table["first_ms"][row]))
        if known is not None:
            effects.repeats += 1
            return Fate.REPEATED
        if version < table["version"][row]:
            self._note(claim, rater, said, Fate.LATE, number)
            return Fate.LATE
        if not made.size:
            effects.rulings[Fate.SUPERSEDED] += 1
            self._note(claim, rater, self._said(table, row), Fate.SUPERSEDED, number)
        _write(table, row, said)
        table["number"][row] = number
        table["origin"][row] = block.origin if isinstance(block.origin, int) else block.origin[i]
        table.texts("up")[row] = block.up
        return self._standing(claim)

    def _content(self, claim: int, row: int, rater: str, version: int) -> int | None:
        """Hash of what this rater said under this version, if it is remembered."""
        if self.rulings["version"][row] == version:
            return int(self.rulings["content"][row])
        heard = self.heard
        for other in self._others(claim).tolist():
            stands = heard["version"][other] == version and heard["fate"][other] != FATE_CODES[Fate.REFUSED]
            if stands and heard.texts("rater")[other] == rater:
                return int(heard["content"][other])
        return None

    def _note(self, claim: int, rater: str, said: dict[str, Any], fate: Fate, number: int) -> None:
        """Keep for reading what is not, or not any more, a rater's word; of a claim the newest HEARD_MAX."""
        heard = self.heard
        (row,), _ = heard.ensure(np.array([number]))
        heard["claim"][row], heard["fate"][row], heard.texts("rater")[row] = claim, FATE_CODES[fate], rater
        heard["next"][row], self.claims["heard"][claim] = self.claims["heard"][claim], row + 1
        _write(heard, row, said)
        kept = self._others(claim)
        if len(kept) > HEARD_MAX:
            heard["next"][kept[HEARD_MAX - 1]] = 0
            heard.free(kept[HEARD_MAX:])
        heard.touch(kept[:HEARD_MAX])

    def _said(self, table: Table, row: int) -> dict[str, Any]:
        numbers = {field: table[field][row].item() for field in ("version", "verdict", "time_ms", "content")}
        return numbers | {field: table.texts(field)[row] for field in RULED_TEXTS}

    def of_claim(self, claim: int) -> Ints:
        """Rows of each rater's word on a claim, the latest rater first."""
        return chain(self.rulings, int(self.claims["ruled"][claim]))

    def _others(self, claim: int) -> Ints:
        """Rows of what else was heard of it, the newest first."""
        return chain(self.heard, int(self.claims["heard"][claim]))

    def _standing(self, claim: int) -> Fate:
        """Of a rater's word: one on a claim whose events were all taken back, but not those who took part, counts."""
        if self.claims["events"][claim]:
            return Fate.COUNTS
        return Fate.COUNTS if self.claims["members"][claim] else Fate.HELD

    def told(self, claim: int) -> list[dict[str, Any]]:
        """Everything that is remembered to have been ruled on a claim, by rater and version."""
        table, heard, fate = self.rulings, self.heard, self._standing(claim)
        found = [
            {"rater_id": table.key(row).split("\0", 1)[1], **self._said(table, row), "fate": fate}
            for row in self.of_claim(claim)[::-1].tolist()
        ]
        found += [
            {"rater_id": heard.texts("rater")[row], **self._said(heard, row), "fate": _FATES[heard["fate"][row]]}
            for row in self._others(claim)[::-1].tolist()
        ]
        return sorted(found, key=lambda ruling: (ruling["rater_id"], ruling["version"], ruling["time_ms"]))

    def forget(self, claim: int, effects: Effects) -> None:
        """Forget what was ruled on a claim; what still waited for its first event is told."""
        table, rows = self.rulings, self.of_claim(claim)
        for row in rows.tolist() if self._standing(claim) == Fate.HELD else ():
            claim_id, rater = table.key(row).split("\0", 1)
            detail = f"ruling {table.texts('id')[row]} of rater {rater}: no event of claim {claim_id} came"
            effects.outlived.append((table.texts("up")[row], int(table["origin"][row]), "unknown_claim", detail))
            effects.rulings[Fate.FORGOTTEN] += 1
        table.free(rows)
        self.heard.free(self._others(claim))


def _write(table: Table, row: int, said: dict[str, Any]) -> None:
    for field, value in said.items():
        if field in RULED_TEXTS:
            table.texts(field)[row] = value
        else:
            table[field][row] = value
