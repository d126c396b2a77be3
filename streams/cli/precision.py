"""How often flags were right, for a person: what `credence flags precision` prints without a share."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import Any

from streams.api.listing import judged_flags
from streams.api.published import Reader
from streams.api.store import Store
from streams.cli.console import err, escape, out, print_json, table_of
from streams.contract.settings import Settings
from streams.contract.topics import CLAIM_SCORES, DECISIONS, FLAGS
from streams.ops.flag_precision import told

GROUPS_SHOWN = 12


def show_precision(settings: Settings, as_json: bool) -> None:
    """Print how often flags were right, by verdicts and by decisions. Raises TopicsError without the topics."""
    found = asyncio.run(_found(settings))
    if as_json:
        return print_json(found)
    table = table_of("flags", "raised", "right by verdict", "right by decision")
    _row(table, "all", found)
    for name in ("rule", "community", "week"):
        groups = found[f"by_{name}"]
        shown = groups[-GROUPS_SHOWN:] if name == "week" else sorted(groups, key=lambda g: -g["flags"])[:GROUPS_SHOWN]
        if shown:
            table.add_section()
        for group in shown:
            _row(table, f"{name} {group[name]}", group)
    out.print(table)
    if not found["flags"]:
        err.print("no flag was raised yet", style="dim")


def _row(table: Any, name: str, group: dict[str, Any]) -> None:
    table.add_row(escape(name), f"{group['flags']:,}", *(_share(group[f"by_{by}"]) for by in ("verdicts", "decisions")))


def _share(judged: dict[str, Any]) -> str:
    if judged["precision"] is None:
        return "none judged"
    of = judged["right"] + judged["wrong"]
    return f"{judged['precision']:.2f} ({judged['low']:.2f}–{judged['high']:.2f}), {judged['right']:,} of {of:,}"


async def _found(settings: Settings) -> dict[str, Any]:
    store = Store()
    try:
        async with Reader(settings, [FLAGS, DECISIONS, CLAIM_SCORES]) as reader:
            with err.status("reading"):
                async for entries in reader.to_end():
                    store.apply(entries)
        with closing(sqlite3.connect(store.path)) as db:
            return told(judged_flags(db))
    finally:
        store.close()
