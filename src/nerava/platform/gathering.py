"""Questions of many requests, put to the database together: while one round is asked, the next gathers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from nerava.platform import tracing
from nerava.platform.db.errors import DatabaseError

Question = TypeVar("Question")
Answer = TypeVar("Answer")

TOGETHER_MAX: Final = 500
"""How many questions are put at once."""


class Gathering(Generic[Question, Answer]):
    """Answers what coroutines ask, many questions by one call in a thread. Safe to share between loops.

    There is no timer: a question that comes alone is asked at once, and the busier the process, the
    more are asked together. Every answer was begun after its question was put, so whoever must know
    how things are *now* may ask here as well as by themselves.
    """

    def __init__(self, answer: Callable[[Sequence[Question]], Sequence[Answer | Exception]]) -> None:
        """Prepare to gather.

        Args:
            answer: Answers many questions in their order, blocking; an exception in the place of an
                answer is raised to who asked. What it raises itself concerns all of them if it is a
                `DatabaseError`; after anything else each question is put alone.
        """
        self._answer = answer
        self._rounds: WeakKeyDictionary[asyncio.AbstractEventLoop, _Rounds[Question, Answer]] = (
            WeakKeyDictionary()
        )

    async def ask(self, question: Question) -> Answer:
        """Return the answer to a question. Raises what answering it raised."""
        loop = asyncio.get_running_loop()
        rounds = self._rounds.get(loop)
        if rounds is None:
            rounds = self._rounds.setdefault(loop, _Rounds(self._answer))
        return await rounds.put(loop, question)


class _Put(NamedTuple, Generic[Question, Answer]):
    """A question, and where its answer goes."""

    question: Question
    answer: asyncio.Future[Answer]
    span: tracing.Span | None


class _Rounds(Generic[Question, Answer]):
    """The rounds of one event loop, one at a time."""

    def __init__(self, answer: Callable[[Sequence[Question]], Sequence[Answer | Exception]]) -> None:
        self._answer = answer
        self._waiting: deque[_Put[Question, Answer]] = deque()
        self._is_asking = False

    def put(self, loop: asyncio.AbstractEventLoop, question: Question) -> asyncio.Future[Answer]:
        found: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append(_Put(question, found, tracing.current()))
        if not self._is_asking:
            self._is_asking = True
            # Whoever came in the same turn of the loop is asked for in the same round.
            loop.call_soon(self._begin, loop)
        return found

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        some = [self._waiting.popleft() for _ in range(min(len(self._waiting), TOGETHER_MAX))]
        if not some:
            self._is_asking = False
            return
        asked = loop.run_in_executor(None, self._ask_for, some)
        asked.add_done_callback(lambda done: self._end(loop, some, done))

    def _end(
        self,
        loop: asyncio.AbstractEventLoop,
        some: Sequence[_Put[Question, Answer]],
        done: asyncio.Future[Sequence[Answer | Exception]],
    ) -> None:
        loop.call_soon(self._begin, loop)
        if done.cancelled():
            for one in some:
                one.answer.cancel()
            return
        failure = done.exception()
        answers = [failure] * len(some) if failure is not None else done.result()
        for one, answer in zip(some, answers, strict=True):
            if one.answer.done():
                continue  # Whoever asked has gone.
            if isinstance(answer, BaseException):
                one.answer.set_exception(answer)
            else:
                one.answer.set_result(answer)

    def _ask_for(self, some: Sequence[_Put[Question, Answer]]) -> Sequence[Answer | Exception]:
        with tracing.together("questions together", (one.span for one in some)):
            return self._ask([one.question for one in some])

    def _ask(self, questions: Sequence[Question]) -> Sequence[Answer | Exception]:
        try:
            return self._answer(questions)
        except DatabaseError as error:
            return [error] * len(questions)
        except Exception as error:  # noqa: BLE001 - whatever it is, it may be one question's fault
            if len(questions) == 1:
                return [error]
        return [answer for one in questions for answer in self._ask([one])]
