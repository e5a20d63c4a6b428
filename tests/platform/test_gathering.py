"""Questions of many coroutines are answered together, each by a round that began after it was put."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from nerava.platform.db.errors import DatabaseUnavailable
from nerava.platform.gathering import TOGETHER_MAX, Gathering


class Doubling:
    """Doubles numbers, after the first round only when it is let go."""

    def __init__(self) -> None:
        self.rounds: list[list[int]] = []
        self.begun = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.rounds.append(list(numbers))
        self.begun.set()
        assert self.go_on.wait(5)
        return [2 * one for one in numbers]


async def ask_all(gathering: Gathering[int, int], numbers: Sequence[int]) -> list[int | BaseException]:
    return await asyncio.gather(*(gathering.ask(one) for one in numbers), return_exceptions=True)


def test_those_who_ask_at_once_are_answered_by_one_call_in_their_order() -> None:
    doubling = Doubling()
    doubling.go_on.set()

    assert asyncio.run(ask_all(Gathering(doubling), [3, 1, 2])) == [6, 2, 4]

    assert doubling.rounds == [[3, 1, 2]]


def test_who_asks_during_a_round_is_answered_by_a_later_one() -> None:
    """Otherwise the answer could be older than the question."""
    doubling = Doubling()
    gathering = Gathering(doubling)

    async def scene() -> list[int | BaseException]:
        first = asyncio.ensure_future(gathering.ask(1))
        await asyncio.to_thread(doubling.begun.wait, 5)
        later = asyncio.ensure_future(ask_all(gathering, [2, 3]))
        await asyncio.sleep(0)
        doubling.go_on.set()
        return [await first, *await later]

    assert asyncio.run(scene()) == [2, 4, 6]
    assert doubling.rounds == [[1], [2, 3]]


def test_a_round_has_an_end() -> None:
    doubling = Doubling()
    doubling.go_on.set()

    asyncio.run(ask_all(Gathering(doubling), range(TOGETHER_MAX + 1)))

    assert [len(one) for one in doubling.rounds] == [TOGETHER_MAX, 1]


def test_a_bad_question_fails_alone() -> None:
    def invert(numbers: Sequence[int]) -> list[int]:
        return [12 // one for one in numbers]

    found = asyncio.run(ask_all(Gathering(invert), [3, 0, 4]))

    assert found[::2] == [4, 3]
    assert isinstance(found[1], ZeroDivisionError)


def test_an_error_in_the_place_of_an_answer_is_raised_to_who_asked() -> None:
    def refuse_one(numbers: Sequence[int]) -> list[int | Exception]:
        return [KeyError(one) if one == 1 else one for one in numbers]

    found = asyncio.run(ask_all(Gathering(refuse_one), [1, 2]))

    assert isinstance(found[0], KeyError)
    assert found[1] == 2


def test_a_database_that_is_gone_is_asked_once_for_all() -> None:
    calls = []

    def fail(numbers: Sequence[int]) -> list[int]:
        calls.append(len(numbers))
        raise DatabaseUnavailable

    found = asyncio.run(ask_all(Gathering(fail), [1, 2, 3]))

    assert all(isinstance(one, DatabaseUnavailable) for one in found)
    assert calls == [3]


def test_who_has_gone_disturbs_nobody() -> None:
    doubling = Doubling()
    gathering = Gathering(doubling)

    async def scene() -> int:
        gone, stays = (asyncio.ensure_future(gathering.ask(one)) for one in (1, 2))
        await asyncio.to_thread(doubling.begun.wait, 5)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        doubling.go_on.set()
        return await stays

    assert asyncio.run(scene()) == 4


def test_several_loops_may_ask_one_after_the_other() -> None:
    doubling = Doubling()
    doubling.go_on.set()
    gathering = Gathering(doubling)

    assert [asyncio.run(gathering.ask(one)) for one in (1, 2)] == [2, 4]
