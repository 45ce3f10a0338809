"""Where tasks run: in this process, in processes of this machine, or on a Dask cluster.

A lost worker costs its task, not the study: the task is run again, a few times at most. What a
task itself raises goes through unchanged and at once.
"""

from __future__ import annotations

import asyncio
import os
import queue
import signal
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import loky
from loky.process_executor import BrokenProcessPool

from powermkt.errors import ExecutionError, Fault, InputError

_TRIES = 3
_CONNECT_S = 10  # a scheduler that does not answer in this time is not there
_POLL_S = 5.0  # how often a silent scheduler is asked whether it still lives


@dataclass(eq=False)
class _Task:
    """A call, the future its caller holds, and how often it was started."""

    call: Callable[..., Any]
    args: tuple[Any, ...]
    future: Future[Any] = field(default_factory=Future)
    tries: int = 0


class Executor:
    """Runs each task in this process when it is submitted; the other executors differ in `_start`.

    Attributes
    ----------
    workers : int
        Tasks that run at the same time.
    in_flight : int
        Tasks that are worth submitting ahead; each holds its arguments in memory.
    notes : list of str
        Workers that were lost on the way.
    """

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers
        self.in_flight = 1 if workers == 1 else 2 * workers
        self.notes: list[str] = []
        self._unfinished: set[_Task] = set()
        self._ended: queue.SimpleQueue[tuple[_Task, Any]] = queue.SimpleQueue()

    def submit(self, call: Callable[..., Any], *args: Any) -> Future[Any]:
        """Take on a call; its future is done when `as_completed` yields it."""
        task = _Task(call, args)
        self._unfinished.add(task)
        self._start(task)
        return task.future

    def as_completed(self) -> Iterator[Future[Any]]:
        """Yield futures as they end, those submitted meanwhile too, until none is left.

        Raises
        ------
        ExecutionError
            If a task lost its worker time after time, or the cluster is gone.
        """
        while self._unfinished:
            try:
                task, attempt = self._ended.get(timeout=_POLL_S)
            except queue.Empty:
                self._check_alive()
                continue
            if self._lost(attempt):
                self._again(task)
                continue
            self._unfinished.discard(task)
            error = attempt.exception()
            if error is None:
                task.future.set_result(attempt.result())
            else:
                task.future.set_exception(self._told(error))
            yield task.future

    def close(self, at_once: bool = False) -> None:
        """Drop what has not started and, `at_once`, what is running too."""

    # ---- what differs ------------------------------------------------------------------------

    def _start(self, task: _Task) -> None:
        attempt: Future[Any] = Future()
        try:
            attempt.set_result(task.call(*task.args))
        except Exception as error:
            attempt.set_exception(error)
        self._ended.put((task, attempt))

    def _lost(self, attempt: Any) -> bool:
        """Whether an attempt ended because its worker did."""
        return False

    def _told(self, error: BaseException) -> BaseException:
        """What the caller is told of an error of a task."""
        return error

    def _check_alive(self) -> None:
        """Raise if no task can end any more."""

    def _again(self, task: _Task) -> None:
        task.tries += 1
        if task.tries >= _TRIES:
            raise _worn_out(task.tries)
        self._start(task)


class _Processes(Executor):
    """Processes of this machine (loky: no `__main__` guard is needed, and a pool is kept warm)."""

    def __init__(self, workers: int) -> None:
        super().__init__(workers)
        self._attempts: set[Any] = set()
        self._broken: Any = None  # the pool whose loss was noted last

    def _pool(self) -> Any:
        """The living pool; loky puts a new one in the place of a broken one."""
        # Ctrl-C reaches the whole process group: workers leave it to their parent.
        ignore = (signal.SIGINT, signal.SIG_IGN)
        return loky.get_reusable_executor(
            max_workers=self.workers, initializer=signal.signal, initargs=ignore
        )

    def _start(self, task: _Task) -> None:
        for _ in range(_TRIES):
            pool = self._pool()
            try:
                attempt = pool.submit(task.call, *task.args)
            except BrokenProcessPool:  # a worker died idle
                self._note(pool)
                continue
            attempt.pool = pool
            self._attempts.add(attempt)
            attempt.add_done_callback(lambda ended: self._ended.put((task, ended)))
            return
        raise _worn_out(_TRIES)

    def _lost(self, attempt: Any) -> bool:
        self._attempts.discard(attempt)
        lost = isinstance(attempt.exception(), BrokenProcessPool)
        if lost:  # the whole pool broke: every task in it ends so, and is noted once
            self._note(attempt.pool)
        return lost

    def _note(self, pool: Any) -> None:
        if pool is not self._broken:
            self._broken = pool
            self.notes.append("a worker process was lost; its tasks were run again")

    def close(self, at_once: bool = False) -> None:
        for attempt in self._attempts:
            attempt.cancel()
        if at_once and self._attempts:
            self._pool().shutdown(wait=True, kill_workers=True)


class _Cluster(Executor):
    """A Dask cluster; its scheduler runs the tasks of a lost worker again by itself."""

    def __init__(self, address: str) -> None:
        try:
            import distributed
        except ImportError:
            raise InputError(
                [Fault("cluster", "needs Dask", "pip install 'powermkt[cluster]'")]
            ) from None
        fault = Fault(f"cluster {address!r}", "no Dask scheduler answers there", "check --cluster")
        try:
            # Asked first, in a thread with a loop of its own: a client that failed to connect
            # hangs when it is collected.
            with ThreadPoolExecutor(1) as thread:
                thread.submit(lambda: asyncio.run(_knock(address))).result()
            self._client = distributed.Client(
                address, timeout=_CONNECT_S, set_as_default=False, name="powermkt"
            )
        except Exception as error:  # what else may listen there answers anything
            raise InputError([fault]) from error
        self._killed = distributed.scheduler.KilledWorker
        try:
            self._client.wait_for_workers(1, timeout=_CONNECT_S)
            self._known: dict[str, int] = self._client.nthreads()
        except (OSError, ValueError) as error:
            self._client.close()
            fault = Fault(fault.where, "has no workers", "start some: dask worker ADDRESS")
            raise InputError([fault]) from error
        super().__init__(max(2, sum(self._known.values())))
        self._attempts: set[Any] = set()

    def _start(self, task: _Task) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sending large graph")  # a network is large
            attempt = self._client.submit(task.call, *task.args, pure=False)
        self._attempts.add(attempt)
        attempt.add_done_callback(lambda ended: self._ended.put((task, ended)))

    def _lost(self, attempt: Any) -> bool:
        self._attempts.discard(attempt)
        if attempt.status in ("cancelled", "lost"):
            self._check_alive()
            return True
        self._note_lost()
        return False

    def _told(self, error: BaseException) -> BaseException:
        if isinstance(error, self._killed):
            return _worn_out(error.allowed_failures + 1)
        if isinstance(error, ImportError):
            fault = Fault("cluster", f"a worker cannot import: {error}", "install powermkt there")
            return InputError([fault])
        return error

    def _check_alive(self) -> None:
        if self._client.status != "running":
            raise ExecutionError(f"the Dask scheduler is gone; {_RESUME}")
        self._note_lost()

    def _note_lost(self) -> None:
        try:
            now = self._client.nthreads()
        except (OSError, ValueError) as error:
            raise ExecutionError(f"the Dask scheduler is gone; {_RESUME}") from error
        for address in self._known.keys() - now.keys():
            self.notes.append(f"worker {address} was lost; its tasks were run again")
        self._known = now

    def close(self, at_once: bool = False) -> None:
        with suppress(Exception):  # the scheduler may be what failed
            self._client.cancel(list(self._attempts), force=True)
        self._client.close(timeout=_CONNECT_S)


async def _knock(address: str) -> None:
    """Connect to a scheduler and hang up."""
    from distributed.comm import connect

    await (await connect(address, timeout=_CONNECT_S)).close()


_RESUME = "what was finished is kept where results are stored: run the same again to go on"


def _worn_out(times: int) -> ExecutionError:
    return ExecutionError(
        f"a task lost its worker {times} times (killed, or out of memory?): "
        f"fewer workers leave each more memory; {_RESUME}"
    )


@contextmanager
def open_executor(workers: int | None = None, cluster: str | None = None) -> Iterator[Executor]:
    """Open what runs tasks, and close it: at once where an error or Ctrl-C ends the block.

    Parameters
    ----------
    workers : int, optional
        Processes of this machine; default: one per core; up to 1: this process.
    cluster : str, optional
        Address of a Dask scheduler, "tcp://host:port"; then `workers` says nothing.

    Raises
    ------
    InputError
        If Dask is not installed, or no scheduler with workers answers at the address.
    """
    count = (os.cpu_count() or 1) if workers is None else workers
    executor: Executor
    if cluster is not None:
        executor = _Cluster(cluster)
    else:
        executor = _Processes(count) if count > 1 else Executor()
    try:
        yield executor
    except BaseException:
        executor.close(at_once=True)
        raise
    executor.close()
