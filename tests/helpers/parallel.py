"""Truly parallel callers: threads and processes on one barrier, and the proof that they overlapped."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection

Result = TypeVar("Result")

WIDTH: Final = 64
"""How many callers stand at the barrier."""

_PATIENCE_S: Final = 60
_START_NS: Final = 50_000_000


class Call(NamedTuple):
    """One call as its caller saw it, on the machine's monotonic clock."""

    started_ns: int
    ended_ns: int
    pid: int
    number: int
    result: Any = None
    error: str | None = None


class NotParallel(AssertionError):
    """The calls did not overlap, so they proved nothing about races."""


def overlap(calls: Sequence[Call]) -> int:
    """Return the largest number of calls that were in flight at once."""
    steps = sorted([(call.started_ns, 1) for call in calls] + [(call.ended_ns, -1) for call in calls])
    largest = current = 0
    for _, step in steps:
        current += step
        largest = max(largest, current)
    return largest


def results_of(calls: Sequence[Call], count: int, *, width: int, processes: int = 1) -> list[Any]:
    """Return what the calls returned, after checking that they ran as they were meant to.

    Raises:
        AssertionError: A call failed (the traceback of the first is shown), or was never made.
        NotParallel: Fewer than half of `width` were in flight at once, or in too few processes.
    """
    if len(calls) != count:
        raise AssertionError(f"{len(calls)} calls were made, not {count}")
    errors = [call.error for call in calls if call.error is not None]
    if errors:
        raise AssertionError(f"{len(errors)} of {len(calls)} callers failed, the first with:\n{errors[0]}")
    if overlap(calls) < width / 2:
        raise NotParallel(f"only {overlap(calls)} of {width} callers were in flight at once")
    pids = {call.pid for call in calls}
    if len(pids) < processes:
        raise NotParallel(f"answers came from {len(pids)} processes, not {processes}")
    return [call.result for call in sorted(calls, key=lambda call: call.number)]


def in_parallel(count: int, call: Callable[[int], Result], *, width: int | None = None) -> list[Result]:
    """Call `call(0)` to `call(count - 1)` from `width` threads that start together; return what they returned.

    `width` is `count` unless given; with fewer threads each makes several calls in a row.

    Raises:
        AssertionError: A call raised, or fewer than half of the threads were in flight at once.
    """
    width = width or count
    gun = _StartingGun(threading.Barrier(width), _Instant())
    return results_of(_run_threads(count, call, width, gun), count, width=width)


class _Barrier(Protocol):
    def wait(self, timeout: float | None = None) -> int: ...


class _Instant:
    """A shared number of nanoseconds, between threads; `multiprocessing.Value` is one between processes."""

    value = 0


class _StartingGun:
    """A barrier whose waiters go at one instant.

    The barriers of the standard library wake their waiters one after the other, which on a busy machine takes
    longer than many a call does; so one of them sets an instant for all, a little later.
    """

    def __init__(self, barrier: _Barrier, go_ns: Any) -> None:
        self._barrier = barrier
        self._go_ns = go_ns

    def wait(self) -> None:
        if self._barrier.wait(_PATIENCE_S) == 0:
            self._go_ns.value = time.monotonic_ns() + _START_NS
        self._barrier.wait(_PATIENCE_S)
        time.sleep(max(0, self._go_ns.value - time.monotonic_ns()) / 1e9)


def _run_threads(
    count: int,
    call: Callable[[int], Any],
    width: int,
    gun: _StartingGun,
    *,
    first: int = 0,
    step: int | None = None,
) -> list[Call]:
    """Run indices `first`, `first + 1` … of a crowd `step` wide (all of it unless said otherwise)."""
    calls: list[Call] = []

    def caller(index: int) -> None:
        gun.wait()
        calls.extend(_timed(call, one) for one in range(index, count, step or width))

    threads = [threading.Thread(target=caller, args=(first + index,)) for index in range(width)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return calls


def _timed(call: Callable[[int], Any], index: int) -> Call:
    started = time.monotonic_ns()
    result, error = None, None
    try:
        result = call(index)
    except BaseException:  # noqa: BLE001 - it is told to the test, which fails
        error = traceback.format_exc()
    return Call(started, time.monotonic_ns(), os.getpid(), index, result, error)


class Crowd(Protocol):
    """Callers that run one task in parallel."""

    def run(self, task: Callable[..., Result], count: int, *arguments: object) -> list[Result]:
        """Call `task(world, index, *arguments)` for every index below `count`; return the results."""
        ...


class Threads:
    """A crowd of threads in this process."""

    def __init__(self, world: object) -> None:
        self._world = world

    def run(self, task: Callable[..., Result], count: int, *arguments: object) -> list[Result]:
        """Run the task from `WIDTH` threads that start together."""
        return in_parallel(count, lambda index: task(self._world, index, *arguments), width=WIDTH)


class Processes:
    """A crowd of threads in several processes; a process is started once and runs many tasks.

    `enter` is called in each process for each task; it is given the place, and returns a world
    and what closes it again. It and the tasks are functions of a module.
    """

    def __init__(self, processes: int = 4) -> None:
        spawn = multiprocessing.get_context("spawn")
        # Kept as an attribute, because its semaphores live as long as it does.
        self._gun = _StartingGun(spawn.Barrier(WIDTH), spawn.Value("q", 0))
        self._pipes: list[Connection] = []
        self._processes = []
        for _ in range(processes):
            ours, theirs = spawn.Pipe()
            process = spawn.Process(target=_member, args=(theirs, self._gun, WIDTH // processes), daemon=True)
            process.start()
            self._pipes.append(ours)
            self._processes.append(process)

    def at(self, place: object, enter: Callable[[Any], tuple[object, Callable[[], None]]]) -> Crowd:
        """Return the crowd that works at a place."""
        return _AtPlace(self._pipes, place, enter)

    def close(self) -> None:
        """End the processes."""
        for pipe in self._pipes:
            pipe.send(None)
        for process in self._processes:
            process.join(_PATIENCE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _AtPlace:
    def __init__(self, pipes: Sequence[Connection], place: object, enter: Callable[..., Any]) -> None:
        self._pipes = pipes
        self._place = place
        self._enter = enter

    def run(self, task: Callable[..., Result], count: int, *arguments: object) -> list[Result]:
        for number, pipe in enumerate(self._pipes):
            pipe.send((self._place, self._enter, task, count, number, arguments))
        calls: list[Call] = []
        for pipe in self._pipes:
            if not pipe.poll(_PATIENCE_S):
                raise AssertionError("a process of the crowd does not answer")
            answer = pipe.recv()
            if isinstance(answer, str):
                raise AssertionError(f"a process of the crowd failed:\n{answer}")
            calls += answer
        return results_of(calls, count, width=WIDTH, processes=2)


def _member(pipe: Connection, gun: _StartingGun, width: int) -> None:
    while (order := pipe.recv()) is not None:
        place, enter, task, count, number, arguments = order
        try:
            world, leave = enter(place)
            try:
                calls = _run_threads(
                    count,
                    lambda index: task(world, index, *arguments),  # noqa: B023 - done before the next order
                    width,
                    gun,
                    first=number * width,
                    step=WIDTH,
                )
            finally:
                leave()
            pipe.send(calls)
        except BaseException:  # noqa: BLE001 - it is told to the test, which fails
            pipe.send(traceback.format_exc())
