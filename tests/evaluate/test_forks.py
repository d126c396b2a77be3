"""What forks of a process tell each other, and that it is what each would have found by itself."""

from __future__ import annotations

import numpy as np
import pytest

from streams.evaluate.forks import ForkFailed, Forks, Shared


def test_what_one_fork_has_made_no_other_makes_again() -> None:
    shared: Shared[int] = Shared()
    made: list[int] = []

    def ask(of: int) -> int:
        def make() -> int:
            made.append(of)
            return of * of

        answer = shared.once([np.array([of])], make)
        return answer + 1000 * len(made)

    forks: Forks[int] = Forks(jobs=1)
    for of in (7, 7, 8):
        forks.start(lambda of=of: ask(of))
    assert forks.results() == [1049, 49, 1064]
    assert ask(8) == 64


def test_the_same_bytes_of_another_type_or_shape_are_another_question() -> None:
    shared: Shared[str] = Shared()
    numbers = np.arange(4)
    assert shared.once([numbers], lambda: "four") == "four"
    assert shared.once([numbers[:2], numbers[2:]], lambda: "two and two") == "two and two"
    assert shared.once([numbers.view(np.float64)], lambda: "floats") == "floats"
    assert shared.once([numbers.copy()], lambda: "another") == "four"


def test_a_fork_that_fails_says_where() -> None:
    forks: Forks[int] = Forks()
    forks.start(lambda: 1 // 0)
    with pytest.raises(ForkFailed, match="ZeroDivisionError"):
        forks.results()
