"""The topics on a broker: created as declared, checked, deleted, made anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from streams.contract.settings import Settings
from streams.contract.topics import ALL, COMMUNITIES_GROUP, GROUP, KEPT, Topic
from streams.kafka.admin import Admin, TopicsError

NOTICED_MS = 10_000


WAY_OUT = (
    "Stop all workers and run `credence topics reset --partitions {count}`: it makes the internal topics anew, and a "
    "worker rebuilds everything from the events and rulings, which stay."
)


@dataclass(frozen=True)
class TopicState:
    """A topic as it is on the broker. `partitions` is 0 where it does not exist."""

    name: str
    partitions: int
    config: dict[str, str]
    created: bool = False


def create(bootstrap: str, settings: Settings, only: Iterable[Topic] = ALL) -> list[TopicState]:
    """Create the topics that are missing and check all of them; doing it again changes nothing.

    New topics get as many partitions as the existing internal topics have; without any, as many as the setting says.
    Raises TopicsError, naming every mismatch of partition count, time stamps or clean-up policy: these cannot be
    repaired under a running installation.
    """
    only = tuple(only)
    with Admin(bootstrap, settings) as admin:
        there = admin.partitions([topic.name(settings) for topic in ALL])
        missing = {
            topic.name(settings): {
                "num_partitions": _usual(there, settings) or settings.partitions,
                "replication_factor": settings.replication_factor,
                "configs": topic.config(settings),
            }
            for topic in only
            if topic.name(settings) not in there
        }
        created = admin.create(missing)
    found = check(bootstrap, settings, only)
    return [TopicState(state.name, state.partitions, state.config, state.name in created) for state in found]


def check(bootstrap: str, settings: Settings, only: Iterable[Topic] = ALL) -> list[TopicState]:
    """The topics as they are, in the order given. Raises TopicsError where one is missing or not as declared."""
    only = tuple(only)
    found = states(bootstrap, settings, only)
    if missing := [state.name for state in found if not state.partitions]:
        more = f" and {len(missing) - 2} more" if len(missing) > 3 else ""
        names = ", ".join(missing[:2] if more else missing)
        raise TopicsError(f"{names}{more} not there: run `credence topics create`, or check CREDENCE_NAMESPACE")
    _one_count({state.name: state.partitions for state in found}, settings)
    problems = [
        problem for topic, state in zip(only, found, strict=True) for problem in _mismatches(topic, state, settings)
    ]
    if problems:
        raise TopicsError(
            "\n".join(problems) + "\nStop the workers and delete the topics (their data goes too), or choose another "
            "CREDENCE_NAMESPACE; then run `credence topics create` again."
        )
    return found


def installed(settings: Settings) -> Settings:
    """The settings with the number of partitions that the internal topics really have.

    Raises TopicsError if there are none yet, or if their numbers differ.
    """
    with Admin(settings.broker, settings) as admin:
        there = admin.partitions([topic.name(settings) for topic in ALL])
    return settings.replace(partitions=internal_count(there, settings))


def internal_count(there: Mapping[str, int], settings: Settings) -> int:
    """The number of partitions of the internal topics, from the counts of those that exist.

    Raises TopicsError if there are none, or if their numbers differ.
    """
    if not (usual := _usual(there, settings)):
        raise TopicsError(
            f"no topic of Credence is there{f' under {settings.namespace}' if settings.namespace else ''}: run "
            "`credence topics create`, or check CREDENCE_NAMESPACE"
        )
    _one_count(there, settings)
    return usual


def _usual(there: Mapping[str, int], settings: Settings) -> int:
    """The number of partitions that most internal topics have; 0 without any."""
    kept = {topic.name(settings) for topic in KEPT}
    counts = Counter(count for each, count in there.items() if each not in kept)
    return max(counts, key=lambda count: (counts[count], count), default=0)


def _one_count(there: Mapping[str, int], settings: Settings) -> None:
    """Raise TopicsError if the internal topics differ in their number of partitions."""
    usual, kept = _usual(there, settings), {topic.name(settings) for topic in KEPT}
    other = [f"{each} has {n} partitions" for each, n in there.items() if each not in kept and n != usual]
    if other:
        raise TopicsError(
            f"{', '.join(other)}, and the other internal topics have {usual}: keys would not be found where they were "
            f"put. {WAY_OUT.format(count=usual)}"
        )


def states(bootstrap: str, settings: Settings, only: Iterable[Topic] = ALL) -> list[TopicState]:
    """The topics as they are on the broker, in the order given. Raises TopicsError when it cannot be reached."""
    names = [topic.name(settings) for topic in only]
    with Admin(bootstrap, settings) as admin:
        partitions = admin.partitions(names)
        configs = admin.configs(list(partitions))
    return [TopicState(each, partitions.get(each, 0), configs.get(each, {})) for each in names]


def delete(bootstrap: str, settings: Settings, only: Iterable[Topic] = ALL) -> list[str]:
    """Delete those of the topics that exist, with all their data; returns their names."""
    with Admin(bootstrap, settings) as admin:
        there = sorted(admin.partitions([topic.name(settings) for topic in only]))
        admin.delete(there)
    return there


def reset(bootstrap: str, settings: Settings, partitions: int | None = None) -> list[str]:
    """Delete all that can be computed again, and the group's offsets; make the topics anew, empty. Returns their names.

    They get the given number of partitions, else the number that most of them had. Raises TopicsError while workers
    run, since these would write on as if nothing had happened.
    """
    computed = [topic for topic in ALL if topic not in KEPT]
    with Admin(bootstrap, settings) as admin:
        usual = _usual(admin.partitions([topic.name(settings) for topic in computed]), settings)
        for group in (GROUP, COMMUNITIES_GROUP):
            admin.forget_group(settings.namespace + group)
    deleted = delete(bootstrap, settings, computed)
    with Admin(bootstrap, settings) as admin:
        admin.await_gone(deleted)
    create(bootstrap, settings.replace(partitions=partitions or usual or settings.partitions), computed)
    return deleted


def _mismatches(topic: Topic, state: TopicState, settings: Settings) -> list[str]:
    problems = []
    for key in ("message.timestamp.type", "cleanup.policy"):
        if state.config.get(key) != (wanted := topic.config(settings)[key]):
            problems.append(f"{state.name} has {key}={state.config.get(key)}, not {wanted}.")
    if int(state.config.get("max.message.bytes", 0)) < topic.max_record_bytes:
        problems.append(
            f"{state.name} has max.message.bytes={state.config.get('max.message.bytes')}, "
            f"less than {topic.max_record_bytes}."
        )
    return problems
