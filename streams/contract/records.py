"""The vocabulary: every record that enters or leaves Credence. Each field is declared once, with its sentence.

The JSON Schemas in `schemas/`, the decoder, the validator and the documentation follow from these classes. Schemas
are open, so that producers may send more than Credence reads. Within a version only optional fields may be added;
anything else is a new version and a new topic.
"""

from __future__ import annotations

from streams.contract.dead_letter_record import DeadLetter
from streams.contract.delivery_record import Delivery
from streams.contract.flag_record import Flag
from streams.contract.input_records import Decision, Event, Ruling
from streams.contract.record_fields import Record
from streams.contract.score_records import ClaimScore, Community, SourceScore

__all__ = [
    "RECORDS",
    "ClaimScore",
    "Community",
    "DeadLetter",
    "Decision",
    "Delivery",
    "Event",
    "Flag",
    "Record",
    "Ruling",
    "SourceScore",
]

RECORDS: tuple[type[Record], ...] = (
    Event, Ruling, Decision, ClaimScore, SourceScore, Community, Flag, DeadLetter, Delivery,
)  # fmt: skip
