"""A study on a cluster of Ray: a worker a GPU, or n CPUs, holds the model, and prompts go to whoever is free.

Workers send their results to the process that the study was started in, which alone writes to the folder: workers need
the package and the model, but no folder in common.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import MissingPackageError, StudyError
from .work import Asked, Begun, Recipe, Result, Task, Worker, failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .prompts import Prompt
    from .settings import Choices, Settings

LOST = 3
"""How many workers may be lost with a prompt before it counts as failed, and while they load the model one by one."""


@dataclass(frozen=True)
class RayCluster:
    """A cluster of Ray for `strace_widgets.study`, and what each worker of it takes.

    Attributes
    ----------
    address : str, optional
        ``"host:6379"``, ``"auto"``, or ``"ray://host:10001"``; without one, what Ray itself takes: the cluster that
        this process is connected to, that of RAY_ADDRESS or of this machine, or a new one on this machine.
    workers : int, optional
        How many; as many as the cluster has room for when the study begins, unless given.
    cpus, gpus : float
        What a worker takes. Without ``gpus``, one where the cluster has any, and else none.
    """

    address: str | None = None
    workers: int | None = None
    cpus: float = 1
    gpus: float | None = None


class Job(NamedTuple):
    """What a worker is doing: loading the model, or a prompt."""

    worker: Any
    task: Task | None


class OnRay:
    """Workers on a cluster of Ray.

    Parameters
    ----------
    cluster : RayCluster
    source : str, function or Model
        What each worker opens: see `strace_widgets.studies.work.opened`.
    """

    def __init__(self, cluster: RayCluster, source: Any) -> None:
        recipe = Recipe.of(source)
        self._ray = _ray()
        self._connected = not self._ray.is_initialized()
        if self._connected:
            _connect(self._ray, cluster.address)
        has = self._ray.cluster_resources()
        gpus = min(1, has.get("GPU", 0)) if cluster.gpus is None else cluster.gpus
        room = has.get("GPU", 0) / gpus if gpus else has.get("CPU", 0) / max(cluster.cpus, 1e-9)
        self._n_workers = cluster.workers or max(1, int(room))
        remote = self._ray.remote(num_cpus=cluster.cpus, num_gpus=gpus, max_restarts=0)(Worker)
        self._new: Callable[[], Any] = partial(remote.remote, recipe)
        self._running: dict[Any, Job] = {}
        self._idle: list[Any] = []
        self._lost = 0

    def begin(self, choices: Choices) -> Begun:
        """Return what the study is, from the first worker that has loaded the model."""
        begun: Begun = self._ask("begin", choices)
        return begun

    def asked(self, prompts: list[Prompt], positions: str) -> dict[str, Asked]:
        """Return what is to be traced, by the name of its part."""
        found: dict[str, Asked] = self._ask("asked", prompts, positions)
        return found

    def results(self, tasks: Iterable[Task], settings: Settings) -> Iterator[Result]:
        """Yield the results of tasks as they come; a prompt whose worker is lost is given to another."""
        source, again = iter(tasks), deque[Task]()
        lost_with: Counter[str] = Counter()
        while True:
            while self._idle and (task := again.popleft() if again else next(source, None)) is not None:
                worker = self._idle.pop()
                self._running[worker.run.remote(task, settings)] = Job(worker, task)
            if self._idle and not any(job.task for job in self._running.values()):
                return  # who is free finds nothing to do, and nobody is at work who might be lost
            job, result = self._next()
            if result is not None:
                yield result
            elif job.task is not None:
                lost_with[job.task.name] += 1
                if lost_with[job.task.name] < LOST:
                    again.append(job.task)
                else:
                    yield _given_up(job.task)

    def label(self) -> str:
        """Say how many workers are at work."""
        n_ready = len(self._idle) + sum(job.task is not None for job in self._running.values())
        return f"{n_ready} of {self._n_workers} workers"

    def close(self) -> None:
        """End the workers, and leave the cluster if it was joined for this."""
        for worker in [*self._idle, *(job.worker for job in self._running.values())]:
            self._ray.kill(worker)
        self._idle, self._running = [], {}
        if self._connected:
            self._ray.shutdown()

    def _ask(self, method: str, *arguments: Any) -> Any:
        """Return the answer of a worker that has loaded the model."""
        while True:
            while not self._idle:
                self._next()
            worker = self._idle[-1]
            try:
                return self._ray.get(getattr(worker, method).remote(*arguments))
            except self._ray.exceptions.RayTaskError as reason:
                raise reason.cause from None
            except self._ray.exceptions.RayError:  # the worker was lost
                self._idle.remove(worker)

    def _next(self) -> tuple[Job, Result | None]:
        """Wait for a worker; return what it did, and the result, or None where it was lost or has loaded the model."""
        self._hire()
        (done, *_), _ = self._ray.wait(list(self._running), num_returns=1)
        job = self._running.pop(done)
        try:
            answer = self._ray.get(done)
        except self._ray.exceptions.RayTaskError as reason:
            raise reason.cause from None  # what one prompt does is caught there: this is the model
        except self._ray.exceptions.RayError as reason:
            self._lost += 1
            if self._lost > LOST * self._n_workers:
                raise StudyError(
                    f"{self._lost} workers were lost with no result between them; the last: {str(reason).strip()}"
                ) from reason
            return job, None
        self._idle.append(job.worker)
        if job.task is None:
            return job, None
        self._lost = 0
        return job, answer

    def _hire(self) -> None:
        """Start workers in place of those that were lost; they wait for room in the cluster."""
        for _ in range(self._n_workers - len(self._idle) - len(self._running)):
            worker = self._new()
            self._running[worker.open.remote()] = Job(worker, None)


def _given_up(task: Task) -> Result:
    reason = f"The worker that traced it was lost {LOST} times."
    if task.before:
        return Result(task.name, {}, reason)
    text = task.prompt.content if isinstance(task.prompt.content, str) else str(task.prompt.content)
    row = {"prompt_id": task.prompt.id, "text": text.encode(errors="replace").decode(), "kind": task.prompt.kind}
    row |= {"expected": task.prompt.expected, "language": task.prompt.language}
    return Result(task.name, failed(row, reason))


def _ray() -> Any:
    try:
        import ray  # noqa: PLC0415 - only who asks for it has it
    except ImportError as reason:
        raise MissingPackageError(
            f"on='ray' needs Ray, which is not installed ({reason}): pip install 'strace_widgets[ray]'"
        ) from reason
    return ray


def _connect(ray: Any, address: str | None) -> None:
    try:
        ray.init(address=address, log_to_driver=False, logging_level="warning")
    except (ConnectionError, ValueError, RuntimeError, OSError) as reason:
        raise StudyError(f"No cluster of Ray answers at {address or 'its usual place'} ({reason}).") from reason
