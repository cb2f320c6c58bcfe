"""What the Explorer is doing: a part of `strace_widgets.explorer.contract`."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypedDict


class Job(TypedDict):
    """A job on a server that is waited for."""

    stage: Annotated[
        str,
        "`received`, `queued`, `provisioning`, `deploying`, `dispatched`, `running`, or `completed` while its answer "
        "is fetched",
    ]
    since: Annotated[float, "when this stage began, in seconds since 1970 by the kernel's clock"]
    description: Annotated[str, "the server's words, such as a place in the queue"]


class Status(TypedDict):
    """What Python is doing."""

    state: Annotated[Literal["ready", "running", "error"], "whether it waits, works, or has failed"]
    message: Annotated[str, "the step under way, what went wrong, what was given up, or what is missing in a replay"]
    progress: Annotated[float, "0..1 while a trace is computed anew or refined"]
    kind: NotRequired[
        Annotated[
            Literal["evaluate", "trace", "compare", "refine", "levels", "effects", "why", "inside"],
            "the request that the message is about; without one, the evaluation, or while it works any other",
        ]
    ]
    detail: NotRequired[
        Annotated[str, "where a server failed: all that it said, perhaps nothing; asking again may then help"]
    ]
    job: NotRequired[Annotated[Job, "while a job on a server is waited for"]]
