"""An event loop in virtual time: waiting costs nothing, threads are played one after the other.

Everything that a center's process does belongs to its ``Life`` (a context variable that tasks inherit). When the life
ends, as at ``kill -9``, nothing of it ever runs again: no task, no timer, no work in a thread.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any

Nap = Callable[[], float]
"""Draws how many seconds something takes."""


class Life:
    """One run of a center's process, from its start to its end."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.newer = False
        """Whether this process runs a newer version than the others: it says and knows more."""

    def context(self) -> Context:
        """A context of this life, to start tasks in."""
        context = copy_context()
        context.run(LIFE.set, self)
        return context


LIFE: ContextVar[Life | None] = ContextVar("LIFE", default=None)


class Crash(BaseException):
    """The process dies here. No ``except Exception`` of the real code may see it, hence the base class."""


class SimLoop(asyncio.BaseEventLoop):
    """The loop.

    Args:
        nap: draws how long work waits for a thread, and how long its answer takes back to the loop.
        on_failure: hears of every exception that nobody caught.
    """

    def __init__(self, nap: Nap, on_failure: Callable[[str, BaseException | None], None]) -> None:
        super().__init__()
        self._nap = nap
        self._on_failure = on_failure
        self._now = 0.0
        self._count = 0
        self._soon: deque[tuple[Life | None, asyncio.Handle]] = deque()
        self._timers: list[tuple[float, int, Life | None, asyncio.TimerHandle]] = []
        self.turns = 0
        self.set_exception_handler(self._uncaught)

    def time(self) -> float:
        """Seconds since the beginning of the simulation."""
        return self._now

    def run_until(self, when: float, stopped: Callable[[], bool]) -> None:
        """Let everything happen up to an instant, unless it is stopped before."""
        asyncio._set_running_loop(self)  # noqa: SLF001 - what loops are meant to call
        try:
            while not stopped():
                if self._soon:
                    life, handle = self._soon.popleft()
                elif self._timers and self._timers[0][0] <= when:
                    at, _count, life, handle = heapq.heappop(self._timers)
                    self._now = max(self._now, at)
                else:
                    self._now = max(self._now, when)
                    return
                if not handle.cancelled() and (life is None or life.alive):
                    self.turns += 1
                    handle._run()  # noqa: SLF001 - what loops are meant to call
        finally:
            asyncio._set_running_loop(None)  # noqa: SLF001

    def call_soon(
        self, callback: Callable[..., object], *args: object, context: Context | None = None
    ) -> asyncio.Handle:
        """Run in the next turn, in order."""
        context = context or copy_context()
        handle = asyncio.Handle(callback, args, self, context)
        self._soon.append((context.get(LIFE), handle))
        return handle

    call_soon_threadsafe = call_soon

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: object, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run after so many virtual seconds."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., object], *args: object, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run at a virtual instant."""
        context = context or copy_context()
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._count += 1
        heapq.heappush(self._timers, (when, self._count, context.get(LIFE), handle))
        return handle

    def create_task(self, coro: Coroutine[Any, Any, Any], **options: object) -> asyncio.Task[Any]:  # type: ignore[override]
        """A task; one that ends with an exception is a failure, whoever else looks at it."""
        task = super().create_task(coro, **options)  # type: ignore[arg-type]
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001 - a crash leaves tasks behind
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, Crash):
            self._on_failure("a task died", error)

    def run_in_executor(self, executor: object, func: Callable[..., Any], *args: object) -> asyncio.Future[Any]:
        """Do the work in a while, all at once, and let its answer come back in a while."""
        del executor
        future = self.create_future()
        self.call_later(self._nap(), self._work, future, func, args)
        return future

    def _work(self, future: asyncio.Future[Any], func: Callable[..., Any], args: tuple[object, ...]) -> None:
        try:
            result = func(*args)
        except Crash:
            return
        except Exception as error:  # noqa: BLE001 - whoever waits for the work gets it
            self.call_later(self._nap(), self._tell, future, None, error)
        else:
            self.call_later(self._nap(), self._tell, future, result, None)

    @staticmethod
    def _tell(future: asyncio.Future[Any], result: object, error: Exception | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)

    def _uncaught(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, Crash):
            self._on_failure(str(context.get("message")), error)
