"""What a claim's root says, for people: words, place and language, kept apart from the records that loops work on.

A block carries them as JSON, [text, url, lang], with the posts that may begin a claim and with updates that bring a
text; the text is cut at 500 characters. Of each claim the ROOTS_KEPT earliest such posts are remembered: the earliest
is the root, and if that is deleted the next one is. An update replaces the words, a delete takes them away, and they
go when the claim is forgotten. A claim that was known before its root came has words from then on.

Nothing here moves a score. Failure modes: where the three earliest posts of a claim were all deleted, the flag names
its root without words.
"""

from __future__ import annotations

from itertools import repeat

import numpy as np
import numpy.typing as npt
import orjson

from streams.contract.codes import DELETE
from streams.scoring.claims.claim_tables import ClaimTables
from streams.scoring.numeric import Ints
from streams.tables.blocks import Block

ROOTS_KEPT = 3
NO_WORDS = ("", "", "")
Kept = list[tuple[int, int, int, str]]
"""Of each post that may be the root: its time, event, the time of the update that its words are of (0: none), words."""


class RootWords:
    """Words of the roots of a partition's claims."""

    def __init__(self, tables: ClaimTables) -> None:
        self._tables = tables

    def said_in(self, block: Block) -> Ints:
        """Rows of a block of events that bring words."""
        said = block["said"]
        if not any(said.categories):
            return np.zeros(0, np.int64)
        return np.flatnonzero(np.array([bool(words) for words in said.categories])[said.codes])

    def take(self, block: Block, rows: Ints, claims: Ints) -> None:
        """Keep the words of these events, if they are among the first of their claims."""
        rows = rows[self._early(claims[rows], block["t"][rows])]
        if not rows.size:
            return
        posts = zip(block["t"][rows].tolist(), block["e"][rows].tolist(), repeat(0), block["said"][rows], strict=False)
        of_claims: dict[int, Kept] = {}
        for claim, post in zip(claims[rows].tolist(), posts, strict=True):
            of_claims.setdefault(claim, []).append(post)
        kept = self._kept([*of_claims])
        now = [
            [*{post[:2]: post for post in (*reversed(said), *of)}.values()]
            for said, of in zip(of_claims.values(), kept, strict=True)
        ]
        self._keep([*of_claims], kept, now)

    def _early(self, claims: Ints, times_ms: Ints) -> npt.NDArray[np.bool_]:
        """Which posts may be among the first: most come later than all that is kept, and their words are not read."""
        table = self._tables.words
        found = table.find(claims)
        full = (found >= 0) & (table["roots"][found] == ROOTS_KEPT)
        early: npt.NDArray[np.bool_] = ~full | (times_ms <= table["latest_ms"][found])
        return early

    def correct(self, block: Block, rows: range, claims: Ints) -> None:
        """Take in these updates and deletes of events of claims, −1 for those that are not known."""
        for i in rows:
            if claims[i] >= 0:
                self._correct(block, i, int(claims[i]))

    def _correct(self, block: Block, i: int, claim: int) -> None:
        (kept,), event, said, at_ms = self._kept([claim]), int(block["e"][i]), block["said"][i], int(block["t"][i])
        if block["kind"][i] == DELETE:
            now = [post for post in kept if post[1] != event]
        elif said:
            now = [self._edited(post, at_ms, said) if post[1] == event else post for post in kept]
            claims = self._tables.claims
            is_root = claims["root"][claim] > 0 and claims["root_event"][claim] == event
            if is_root and event not in {e for _, e, _, _ in kept}:  # it had no words before
                now = [*kept, (int(claims["root_ms"][claim]), event, at_ms, said)]
        else:
            return
        self._keep([claim], [kept], [now])

    @staticmethod
    def _edited(post: tuple[int, int, int, str], at_ms: int, said: str) -> tuple[int, int, int, str]:
        """The post after an update, of several the latest; what that does not bring stays."""
        t, event, edited_ms, words = post
        if (at_ms, said) < (edited_ms, words):
            return post
        text, url, lang = _parts(said)
        _, former_url, former_lang = _parts(words)
        return t, event, at_ms, orjson.dumps([text, url or former_url, lang or former_lang]).decode()

    def _kept(self, claims: list[int]) -> list[Kept]:
        """What is kept of each of these claims."""
        table = self._tables.words
        found = table.find(np.array(claims))
        told = iter(table.texts("said").of(found[found >= 0]))
        return [[tuple(post) for post in orjson.loads(next(told))] if row >= 0 else [] for row in found.tolist()]

    def _keep(self, claims: list[int], kept: list[Kept], now: list[Kept]) -> None:
        """Of each of these claims, keep the earliest of the posts that there are now."""
        first = {claim: sorted(posts)[:ROOTS_KEPT] for claim, posts in zip(claims, now, strict=True)}
        changed = {claim: first[claim] for claim, posts in zip(claims, kept, strict=True) if first[claim] != posts}
        table = self._tables.words
        if gone := [claim for claim, posts in changed.items() if not posts]:
            table.free(table.find(np.array(gone)))
        if not (told := {claim: posts for claim, posts in changed.items() if posts}):
            return
        rows, _ = table.ensure(np.array([*told]))
        table["roots"][rows] = [len(posts) for posts in told.values()]
        table["latest_ms"][rows] = [posts[-1][0] for posts in told.values()]
        table.texts("said").put(rows, [orjson.dumps(posts).decode() for posts in told.values()])
        table.touch(rows)


def words_of(tables: ClaimTables, claim: int) -> tuple[str, str, str]:
    """Text, place and language of a claim's root; "" for what is not known."""
    row = tables.words.find_one(claim)
    root = int(tables.claims["root_event"][claim])
    for _, event, _, said in orjson.loads(tables.words.texts("said")[row]) if row >= 0 else ():
        if event == root:
            return _parts(said)
    return NO_WORDS


def _parts(said: str) -> tuple[str, str, str]:
    """Text, place and language; none of them if no stage of ours wrote the words."""
    try:
        text, url, lang = orjson.loads(said)
    except (ValueError, TypeError):
        return NO_WORDS
    return (text, url, lang) if {type(text), type(url), type(lang)} == {str} else NO_WORDS
