"""The types of records as dictionaries are those of the records' classes."""

from __future__ import annotations

from typing import get_type_hints

from streams.contract import dict_types, record_dicts
from streams.contract.records import RECORDS, Decision, Delivery, Event, Ruling


def test_the_written_types_are_what_the_classes_give() -> None:
    assert dict_types.FILE.read_text("utf-8") == dict_types.source(), "run: python -m streams.contract.dict_types"


def test_every_record_that_stages_publish_has_its_type() -> None:
    for record in set(RECORDS) - {Event, Ruling, Decision, Delivery}:
        typed = getattr(record_dicts, f"{record.__name__}Dict")
        assert list(get_type_hints(typed)) == list(record.__struct_fields__)
