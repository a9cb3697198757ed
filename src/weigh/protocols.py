"""The seams: what one must provide to plug something in. Few methods each.

Every one of these is a structural type: a class need not inherit from it. Implementations that ship with weigh live in
`execute/providers`, `execute/scaffolds`, `execute/sandboxes` and `score`; a user's own may live anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import msgspec

from weigh.records.instance import Instance
from weigh.records.request import Output, Request, ToolCall, ToolSpec
from weigh.records.score import Score
from weigh.records.trajectory import Observation, Step, Trajectory
from weigh.records.trial import Trial
from weigh.records.workspace import Workspace

Capability = Literal["chat", "completion", "loglikelihood", "tools", "logprobs"]


@runtime_checkable
class Provider(Protocol):
    """Where tokens come from. Used as an asynchronous context manager: entering starts it, leaving stops it.

    Attributes:
        name: The model as the user wrote it, e.g. `openai/gpt-oss-20b`.
        capabilities: What it can be asked for; a task that asks for more is refused before the first request.
        concurrency: How many requests it serves well at once; None when it does not matter.

    A provider that answers one trial apart from the others has `for_trial(cell)`, which gives a `Responder` for the
    trial of that name (`weigh.execute.recording.CellName`), anew for each attempt at it.

    A provider that knows only once it has started whether its model can chat or call tools says so by an attribute
    `learns`, the capabilities that may come; they are then checked after entering.
    """

    @property
    def name(self) -> str: ...
    @property
    def capabilities(self) -> frozenset[Capability]: ...
    @property
    def concurrency(self) -> int | None: ...

    async def __aenter__(self) -> Provider: ...

    async def __aexit__(self, *exc: object) -> None: ...

    async def identity(self) -> dict[str, Any]:
        """What the model is, resolved: a file's digest or the served model's id, the chat template's digest, dtype.

        Part of the generation key, so nothing operational (URL, port, slots) belongs in it. Cheap, and callable
        before entering where no server is needed to know it.
        """
        ...

    async def respond(self, request: Request) -> Output:
        """Answer one request. Raises `weigh.records.errors.Failure` with a classified `Error`, never anything else.

        Batching engines gather what is outstanding behind this call; HTTP ones just send. Cancelling it must free
        what it holds.
        """
        ...


class Responder(Protocol):
    """What answers requests: a provider, or what a provider gives one trial."""

    async def respond(self, request: Request) -> Output: ...


class ExecResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a command in a sandbox ended.

    Attributes:
        exit_code: None when it was killed by a limit.
        stdout, stderr: Decoded with replacement, cut at the limit.
        truncated: Whether output was cut.
        timed_out: Whether the deadline killed it.
        oom: Whether the memory limit killed it, where the sandbox can tell.
        limit: Which limit ended it, if one did: `deadline`, `memory`, `disk`, `files`, `file_size`, `cpu`.
        seconds: Wall time.
    """

    exit_code: int | None
    stdout: str = ""
    stderr: str = ""
    truncated: bool = False
    timed_out: bool = False
    oom: bool = False
    limit: str | None = None
    seconds: float = 0.0


@runtime_checkable
class Sandbox(Protocol):
    """Where commands run. An asynchronous context manager; leaving kills all that runs and removes all files."""

    mode: str

    async def __aenter__(self) -> Sandbox: ...

    async def __aexit__(self, *exc: object) -> None: ...

    async def exec(
        self,
        command: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout: float | None = None,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        output_limit: int = 1_000_000,
        on_output: Callable[[bytes], None] | None = None,
    ) -> ExecResult:
        """Run a command under the limits. Raises `Failure` (kind `sandbox`) only when the sandbox itself broke.

        `on_output` is given all of its standard output as it comes; what it got is kept when the call is cancelled.
        """
        ...

    async def write_file(self, path: str, data: bytes) -> None:
        """Write a file below the workspace; a path that leaves it is refused."""
        ...

    async def read_file(self, path: str, *, limit: int = 10_000_000) -> bytes:
        """Read a file below the workspace; a path or link that leaves it is refused."""
        ...


class ScoreContext(Protocol):
    """What a scorer may use while the trial lives, handed in by the pipeline.

    Attributes:
        instance: The question.
        trajectory: What happened.
        sandbox: The trial's own live sandbox, or None.
    """

    instance: Instance
    trajectory: Trajectory
    sandbox: Sandbox | None

    def members(self, role: str) -> Mapping[str, str]:
        """The helper models that share a role (`judge`, `judge-2`, ...) with the model each is, in order.

        Raises `CapabilityError` when the harness has none.
        """
        ...

    async def ask(self, role: str, request: Request, *, usable: Callable[[Output], bool] | None = None) -> Output:
        """Ask a helper model by its role (`judge`, `grader`). Raises `CapabilityError` when the harness has none.

        A judge's answer is remembered by content; with `usable`, only when that says so of it.
        """
        ...

    async def open_sandbox(self) -> Sandbox:
        """Lease a fresh sandbox for scoring (closed by the pipeline). Raises `CapabilityError` where there is none."""
        ...


@runtime_checkable
class Scorer(Protocol):
    """Gives one value for one trial.

    A scorer that looks at outcomes too (a marker) says so by an attribute `on_outcomes`: it is then asked about a trial
    that a limit or deadline ended, instead of giving `no_match`.

    Attributes:
        name: The key of the score in a trial; stable, lower case, e.g. `exact_match`, `choice:byte`.
        no_match: The value of an outcome that is no answer (timeout, limit, refusal); None when it has none.
        needs_sandbox: Whether scoring runs what the model wrote.
        lower_is_better, bounds: As in `MetricInfo`.
    """

    # Properties, because a scorer is a frozen value: it need only be readable.
    @property
    def name(self) -> str: ...

    @property
    def no_match(self) -> float | None: ...

    @property
    def needs_sandbox(self) -> bool: ...

    @property
    def lower_is_better(self) -> bool: ...

    @property
    def bounds(self) -> tuple[float, float] | None: ...

    def digest(self) -> str:
        """Identity of this scorer: its name, version and settings."""
        ...

    async def score(self, context: ScoreContext) -> Score:
        """Judge. Raising means the scorer failed, which is never a score."""
        ...


@runtime_checkable
class Scaffold(Protocol):
    """The loop that drives the model from a rendered request to a trajectory.

    A scaffold may say more of itself; each of these is optional:

    - `__aenter__`, `__aexit__`: it owns something for the length of a run (a gateway) and is entered once an arm.
    - `needs_sandbox`: every trial has a sandbox of its own; `sandbox(spec, workspace) -> SandboxSpec`, called when it
      has been entered, adds what the scaffold needs to it.
    - `problems() -> list[str]`: what keeps it from working here, in words for the user, before the first token.
    - `misfits(spec) -> list[str]`, `warnings(spec) -> list[str]`: the same of the sandbox it would get, and what a user
      should know of it.
    - `withholds(workspace, capabilities) -> list[str]`: why the model would not see the instructions and Skills of a
      workspace, given the capabilities of the harness's tools (`bash`, ...). A scaffold without it shows neither, and
      is refused where a workspace has any. One that puts them into the request itself gives a digest of what it adds
      by `identity_of(workspace) -> str`.
    - `identity() -> dict`: what it is besides name and options (an agent program's version); part of the arm's digest.
      Callable when there are problems too.
    - `helpers`: roles of the helper models it asks; `runs_tools`: False where it calls none of the harness's tools.
    """

    name: str

    async def run(self, request: Request, context: ScaffoldContext) -> Trajectory: ...


class ScaffoldContext(Protocol):
    """What a scaffold may use during one trial, handed in by the harness.

    Limits are kept here, not in scaffolds: a call over one ends the trial as the outcome `limit:NAME`, with the steps
    so far.

    Attributes:
        provider: The model under test.
        sandbox: The trial's sandbox, or None.
        instance: The question (scaffolds must not look at its gold answer).
        steps: A scaffold of many steps appends them as it goes, so that what a limit or deadline cuts is still shown.
        tools: What the model may call; the rendered request has them already.
        workspace: What the sandbox started with, or None.
        seconds: Since the trial began, waiting excluded.
        artifacts, metadata: What a scaffold puts here becomes part of the trajectory, however the trial ends.
    """

    @property
    def provider(self) -> Provider: ...
    @property
    def sandbox(self) -> Sandbox | None: ...
    @property
    def instance(self) -> Instance: ...
    @property
    def steps(self) -> list[Step]: ...
    @property
    def tools(self) -> tuple[ToolSpec, ...]: ...
    @property
    def workspace(self) -> Workspace | None: ...
    @property
    def seconds(self) -> float: ...
    @property
    def artifacts(self) -> dict[str, str]: ...
    @property
    def metadata(self) -> dict[str, Any]: ...

    def count_calls(self, number: int) -> None:
        """Count calls of tools that are not the harness's, before they are made: an agent's own. A limit ends the
        trial before the first that is one too many."""
        ...

    def read_calls(self, output: Output) -> Output:
        """The output with its tool calls mended as far as that can be done (and counted)."""
        ...

    async def call_tools(self, calls: Sequence[ToolCall]) -> tuple[Observation, ...]:
        """Make calls at the same time; what comes of them are observations. Raises `Failure` if the sandbox broke."""
        ...

    async def ask(self, role: str, request: Request) -> Output:
        """Ask a helper model by its role (`user`). Raises `CapabilityError` when the harness has none."""
        ...


class Sink(Protocol):
    """Where finished trials go."""

    async def append(self, trial: Trial) -> None:
        """Accept a trial. It is counted only once it is durable; waits when too much is not yet durable."""
        ...
