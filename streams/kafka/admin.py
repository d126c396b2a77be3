"""Administration of a Kafka by kafka-python's client, with its errors turned into ours."""

from __future__ import annotations

import time
from typing import Any, Self

from streams.contract.settings import Settings, client_kwargs


class TopicsError(Exception):
    """The topics of the broker are not as declared, or cannot be made. The message says what to do."""


def unreachable(broker: str, error: BaseException) -> TopicsError:
    """What to say when Kafka does not answer."""
    # That no server answered is all that this one says, in the client's words.
    why = "" if "Unable to bootstrap" in str(error) else f": {error!r}"
    return TopicsError(
        f"cannot reach Kafka at {broker}{why}. Is it running (`credence broker status`), "
        "and are CREDENCE_BROKER and the security settings right?"
    )


class Admin:
    """kafka-python's admin client, with its errors turned into ours."""

    def __init__(self, bootstrap: str, settings: Settings) -> None:
        self._settings = settings.replace(broker=bootstrap)

    def __enter__(self) -> Self:
        from kafka import KafkaAdminClient
        from kafka.errors import KafkaError

        try:
            self._client: Any = KafkaAdminClient(
                **client_kwargs(self._settings),
                client_id="credence-topics",
                request_timeout_ms=20_000,
                bootstrap_timeout_ms=10_000,
            )
        except KafkaError as error:
            raise unreachable(self._settings.broker, error) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def partitions(self, names: list[str]) -> dict[str, int]:
        """Partition counts of those of `names` that exist."""
        there = set(self._client.list_topics()) & set(names)
        return (
            {each["name"]: len(each["partitions"]) for each in self._client.describe_topics(sorted(there))}
            if there
            else {}
        )

    def ids(self, names: list[str]) -> dict[str, str]:
        """Topic ids of those of `names` that exist."""
        described = self._client.describe_topics(names) if names else []
        return {each["name"]: str(each["topic_id"]) for each in described if not each["error_code"]}

    def unowned(self, group: str, names: list[str]) -> list[tuple[str, int]]:
        """Partitions of these topics that no member of a consumer group has been given; none while it rebalances."""
        described = self._client.describe_groups([group])[group]
        if described["group_state"] != "Stable":
            return []
        owned = {
            (each["topic"], partition)
            for member in described["members"]
            for each in (member["member_assignment"] or {}).get("assigned_partitions", ())
            for partition in each["partitions"]
        }
        there = self.partitions(names)
        return sorted({(name, p) for name, count in there.items() for p in range(count)} - owned)

    def configs(self, names: list[str]) -> dict[str, dict[str, str]]:
        """The whole configuration of each topic."""
        from kafka.admin import ConfigResource, ConfigResourceType

        if not names:
            return {}
        wanted = [ConfigResource(ConfigResourceType.TOPIC, each) for each in names]
        answer = self._client.describe_configs(wanted, config_filter="all")
        return {
            each: {key: str(entry["value"]) for key, entry in entries.items()}
            for each, entries in answer["topic"].items()
        }

    def create(self, wanted: dict[str, dict[str, Any]]) -> set[str]:
        """Create them and wait until they can be used; one that another process has just made is not an error."""
        from kafka.errors import KafkaError, TopicAlreadyExistsError

        created = set()
        for each, how in wanted.items():
            try:
                self._client.create_topics({each: how})
                created.add(each)
            except TopicAlreadyExistsError:
                continue
            except KafkaError as error:
                raise TopicsError(
                    f"cannot create {each}: {error!r}. Does the user of CREDENCE_SASL_USERNAME have the right to?"
                ) from error
        if wanted:
            self._client.wait_for_topics(list(wanted))
        return created

    def grow(self, name: str, partitions: int) -> None:
        """Give a topic more partitions, so many in all. TopicsError where the broker refuses."""
        from kafka.errors import KafkaError

        try:
            self._client.create_partitions({name: partitions})
        except KafkaError as error:
            raise TopicsError(f"{name} cannot have {partitions} partitions: {error!r}") from error

    def delete(self, names: list[str]) -> None:
        if names:
            self._client.delete_topics(names)

    def forget_group(self, group: str) -> None:
        """Delete the group's committed offsets. TopicsError if it keeps its members for longer than a session lasts.

        One that was killed or has ended itself is a member until then.
        """
        until = time.monotonic() + self._settings.session_timeout_ms / 1000 + 5.0
        while why := self._obstacle(group):
            # A broker that never had a group makes the topic for them when first asked.
            if (
                not any(passing in why for passing in ("NonEmpty", "CoordinatorNotAvailable"))
                or time.monotonic() > until
            ):
                raise TopicsError(f"group {group} cannot be deleted: {why}. Stop every worker first")
            time.sleep(0.2)

    def _obstacle(self, group: str) -> str:
        """What keeps the group from being deleted; "" once it is gone."""
        from kafka.errors import KafkaError

        try:
            answer = self._client.delete_groups([group]).get(group)
        except KafkaError as error:
            answer = error
        return "" if answer in (None, "OK") or "NotFound" in repr(answer) else repr(answer)

    def await_gone(self, names: list[str], patience_s: float = 30.0) -> None:
        """Wait until the broker has forgotten deleted topics."""
        until = time.monotonic() + patience_s
        while still := set(self._client.list_topics()) & set(names):
            if time.monotonic() > until:
                raise TopicsError(f"the broker has not deleted {', '.join(sorted(still))} in {patience_s:.0f} s")
            time.sleep(0.1)
