"""Where a training computes: its device, its precision, and the processes it shares each batch with.

One process on the CPU in float32 is plain PyTorch. Everything else goes through `accelerate`: CUDA, bfloat16 autocast
over float32 weights, and one process a device with gradients averaged (DistributedDataParallel).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from svta_models.retrieval import RetrievalModel

T = TypeVar("T")
PEER_TIMEOUT = timedelta(hours=2)  # how long processes wait for the first one's validation


@dataclass(frozen=True)
class Meeting:
    """Which of `world` processes on this machine this is, and the file through which they find each other."""

    rank: int
    world: int
    file: Path


@dataclass
class Placement:
    """Made by `placed`. `rank` of `world` processes; the first one validates, writes states and reports."""

    device: torch.device
    rank: int = 0
    world: int = 1
    bf16: bool = False
    accelerator: Any = None
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
        yield Placement(accelerator.device, rank, world, bf16, accelerator)
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)  # the next training may choose otherwise
        if meeting is not None:
            torch.distributed.destroy_process_group()


def _join(device: str, meeting: Meeting) -> None:
    """Found the process group through a file: no port is chosen that another program could take."""
    if device == "cuda":
        torch.cuda.set_device(meeting.rank)
    torch.distributed.init_process_group(
        "nccl" if device == "cuda" else "gloo",
        init_method=f"file://{meeting.file}",
        rank=meeting.rank,
        world_size=meeting.world,
        timeout=PEER_TIMEOUT,
    )


def rank_environment(rank: int, world: int) -> dict[str, str]:
    """What `accelerate` and gloo read in a process of a group."""
    return {
        "RANK": str(rank),
        "WORLD_SIZE": str(world),
        "LOCAL_RANK": str(rank),
        "LOCAL_WORLD_SIZE": str(world),
        "GLOO_SOCKET_IFNAME": "lo",
    }
