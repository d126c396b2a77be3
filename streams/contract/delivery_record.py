"""The delivery: what became of a flag at a moderation tool. It is what `credence deliver` remembers."""

from __future__ import annotations

from typing import Annotated, ClassVar

from streams.contract.record_fields import Count, Id, Ms, Ordinal, Record, chars, doc, form
from streams.contract.words import ID_CHARS_MAX, TEXT_CHARS_MAX, DeliveryState


class Delivery(Record, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What became of a flag at a target. The newest record of a target and flag holds."""

    NAME: ClassVar = "delivery"
    VERSION: ClassVar = 1

    v: Annotated[int, form(1)]
    target: Annotated[str, chars(64, "Name of the delivering process, such as `coop`.")]
    flag_id: Annotated[str, chars(ID_CHARS_MAX + 64, "The flag.")]
    revision: Annotated[Ordinal, doc("The flag's record that was delivered last, or tried last.")]
    claim_id: Annotated[Id, doc("The claim that the flag is about.")]
    state: Annotated[DeliveryState, doc("What the target has of the flag.")]
    accepted: Annotated[Count, doc("How many requests about the flag the target has taken so far.")]
    at_ms: Annotated[Ms, doc("When this was written, milliseconds since 1970.")]
    remote_id: Annotated[str, chars(ID_CHARS_MAX * 2, "What the target calls it; it is taken back by this.")] | None = (
        None
    )
    detail: Annotated[str, chars(TEXT_CHARS_MAX, "Why it is so, where it is not simply delivered.")] | None = None
