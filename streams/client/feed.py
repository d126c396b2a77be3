"""Server-sent events as changes: what was read of a feed, and from where it goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from streams.client.typed_answers import Change


class FeedState:
    """One feed over all its connections.

    Args:
        subjects: of claims, sources, communities, flags.
        last_event_id: to go on from; "" to begin.
        start: "now" or "beginning", where there is nothing to go on from.
    """

    def __init__(self, subjects: Sequence[str], last_event_id: str, start: str) -> None:
        self.last_event_id = last_event_id
        self._params = {"subjects": ",".join(subjects), "start": start}
        self._fields: dict[str, str] = {}
        self.heard = False

    def connecting(self) -> tuple[dict[str, str], dict[str, str]]:
        """Parameters and headers of the next connection."""
        self._fields, self.heard = {}, False
        headers = {"Accept": "text/event-stream"}
        return self._params, headers | ({"Last-Event-ID": self.last_event_id} if self.last_event_id else {})

    def take(self, line: str) -> Iterator[tuple[Change, str]]:
        """What a line completes, and the id to go on from after it."""
        self.heard = True
        if line:
            name, _, value = line.partition(":")
            self._fields[name] = value.removeprefix(" ")
            return
        fields, self._fields = self._fields, {}
        self.last_event_id = fields.get("id", self.last_event_id)
        if fields.get("event") in ("claim", "source", "community", "flag"):
            yield msgspec.json.decode(fields["data"], type=Change), self.last_event_id
