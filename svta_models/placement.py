"""Where a training computes: its device, its precision, and the processes it shares each batch with.

One process on the CPU in float32 is plain PyTorch. Everything else goes through `accelerate`: CUDA, bfloat16 autocast
over float32 weights, and one process a device with gradients averaged (DistributedDataParallel).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar, cast
from urllib.parse import SplitResult, urlsplit

import torch
from torch import Tensor
from torch.distributed import DistError, FileStore, TCPStore  # type: ignore[attr-defined]

from svta_models.errors import SvtaError
from svta_models.retrieval import RetrievalModel

T = TypeVar("T")
PEER_TIMEOUT = timedelta(hours=2)  # how long processes wait for the first one's validation
MEETING_TIMEOUT = timedelta(minutes=2)  # and for it to answer at all


@dataclass(frozen=True)
class Meeting:
    """Which of `world` processes this is, and where they find each other.

    where: `file:///path` on one machine, else `tcp://host:port` of `Listening`. card: number of its GPU among those
    that it sees. leads: whether it is the first on its machine, which decodes for the others there.
    """

    rank: int
    world: int
    where: str
    card: int = 0
    leads: bool = True


@dataclass
class Placement:
    """Made by `placed`. `rank` of `world` processes; the first one validates, writes states and reports.

    leads: whether it is the first on its machine.
    """

    device: torch.device
    rank: int = 0
    world: int = 1
    bf16: bool = False
    accelerator: Any = None
    leads: bool = True
    _wrapped: Callable[..., Tensor] | None = field(default=None, repr=False)

    @property
    def first(self) -> bool:
        """Whether this is the process that speaks for all."""
        return self.rank == 0

    def take(self, model: RetrievalModel) -> None:
        """Move a model here and make `loss` its loss. Freeze parameters before."""
        model.to(self.device)
        self._wrapped = model if self.accelerator is None else self.accelerator.prepare_model(model)

    def loss(self, *inputs: Tensor, ranks: int = 1, also: Mapping[str, Tensor] | None = None) -> Tensor:
        """The loss of this process's part of a batch, ready for `backward`; `also`: what only some models take."""
        assert self._wrapped is not None, "take a model first"
        moved = (tensor.to(self.device, non_blocking=True) for tensor in inputs)
        named = {name: tensor.to(self.device, non_blocking=True) for name, tensor in (also or {}).items()}
        return self._wrapped(*moved, ranks=ranks, **named)

    def backward(self, loss: Tensor) -> None:
        """Gradients of a loss, averaged over all processes."""
        if self.accelerator is None:
            loss.backward()  # type: ignore[no-untyped-call]
        else:
            self.accelerator.backward(loss)

    def mean(self, value: Tensor) -> float:
        """The mean of a number over all processes."""
        return float(value.detach() if self.world == 1 else self.accelerator.reduce(value.detach(), "mean"))

    def of_all(self, value: T) -> list[T]:
        """What every process holds, in their order."""
        if self.world == 1:
            return [value]
        from accelerate.utils import gather_object

        return cast(list[T], gather_object([value]))

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.world > 1:
            self.accelerator.wait_for_everyone()


@contextmanager
def placed(device: str, precision: str = "auto", meeting: Meeting | None = None) -> Iterator[Placement]:
    """Set up `device` ("cpu" or "cuda") for the time of the block.

    precision: "fp32", "bf16", or "auto" for bf16 on CUDA and fp32 elsewhere. Raises what PyTorch raises when the
    processes do not find each other.
    """
    bf16 = precision == "bf16" or (precision == "auto" and device == "cuda")
    if device == "cpu" and not bf16 and meeting is None:
        yield Placement(torch.device("cpu"))
        return
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState
    from accelerate.utils import DistributedDataParallelKwargs

    if meeting is not None:
        _join(device, meeting)
    # Published heads have parameters that take no part (seqLSTM's positions, tightTransf's logit scale).
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)
    try:
        accelerator = Accelerator(
            cpu=device == "cpu", mixed_precision="bf16" if bf16 else "no", kwargs_handlers=[unused]
        )
        rank, world = accelerator.process_index, accelerator.num_processes
        yield Placement(accelerator.device, rank, world, bf16, accelerator, meeting is None or meeting.leads)
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)  # the next training may choose otherwise
        if meeting is not None:
            torch.distributed.destroy_process_group()


def _join(device: str, meeting: Meeting) -> None:
    """Found the process group."""
    if device == "cuda":
        torch.cuda.set_device(meeting.card)
    where = urlsplit(meeting.where)
    store = FileStore(where.path, meeting.world) if where.scheme == "file" else _reached(where)
    torch.distributed.init_process_group(
        "nccl" if device == "cuda" else "gloo",
        store=store,
        rank=meeting.rank,
        world_size=meeting.world,
        timeout=PEER_TIMEOUT,
    )


def _reached(where: SplitResult) -> TCPStore:
    """The store in which `Listening` keeps what the processes tell each other. Raises SvtaError."""
    assert where.hostname is not None, "Listening gives host and port"
    assert where.port is not None
    try:
        store = TCPStore(where.hostname, where.port, None, False, MEETING_TIMEOUT)
    except DistError as error:
        raise SvtaError(
            f"the training's first process does not answer at {where.netloc}: every node must reach every other one "
            f"on any port ({error})"
        ) from error
    store.set_timeout(PEER_TIMEOUT)
    return store


class Listening:
    """A port of this machine at which processes of several machines meet, for as long as this object lives."""

    def __init__(self, host: str) -> None:
        """`host`: how the other machines name this one. The kernel chooses a free port."""
        self._store = TCPStore(host, 0, None, True, MEETING_TIMEOUT, wait_for_workers=False)
        self.where = f"tcp://{f'[{host}]' if ':' in host else host}:{self._store.port}"


def rank_environment(meeting: Meeting) -> dict[str, str]:
    """What `accelerate` and gloo read in a process of a group.

    Which network several machines use is known to their own environment (GLOO_SOCKET_IFNAME, NCCL_SOCKET_IFNAME).
    """
    where = urlsplit(meeting.where)
    met = {"RANK": str(meeting.rank), "WORLD_SIZE": str(meeting.world), "LOCAL_RANK": str(meeting.card)}
    if where.scheme == "file":
        return met | {"LOCAL_WORLD_SIZE": str(meeting.world), "GLOO_SOCKET_IFNAME": "lo"}
    return met | {"LOCAL_WORLD_SIZE": "1", "MASTER_ADDR": str(where.hostname), "MASTER_PORT": str(where.port)}
