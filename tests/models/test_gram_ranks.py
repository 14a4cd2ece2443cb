"""Two processes of GRAM have the loss and the averaged gradients of one that stands for both."""

import os

import numpy as np
import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn

from svta_models.gram.losses import Negatives
from svta_models.gram.model import Extras
from tests.models.gram_golden import gram_golden

# Global rows of the wrong partners of four pairs: of the own process, and of the other one.
WRONG = Negatives(torch.tensor([1, 3, 0, 2]), torch.tensor([2, 0, 3, 1]))


def losses_of(rows: slice, ranks: int = 1):
    """Losses and gradients of some of the four pairs."""
    stored = gram_golden()
    model = stored.model().train()
    extras = Extras(stored.tensor("in/audio_spectrograms")[:4][rows])
    given = (part[:4][rows] for part in stored.batch())
    losses = model.losses(*given, extras, Negatives(*(part[rows] for part in WRONG)), ranks)
    losses.total.backward()
    return losses, {name: tensor.grad for name, tensor in model.named_parameters() if tensor.grad is not None}


def run_rank(rank: int, folder: str) -> None:
    """One of two processes with two pairs each: its loss, and its gradients, written to `folder`."""
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    losses, gradients = losses_of(slice(2 * rank, 2 * rank + 2))
    torch.save({"losses": [loss.item() for loss in losses], "gradients": gradients}, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_and_one_that_stands_for_two_agree(tmp_path):
    spawn(run_rank, args=(str(tmp_path),), nprocs=2)
    parts = [torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1)]
    losses, gradients = losses_of(slice(0, 4), ranks=2)
    averaged = np.mean([part["losses"] for part in parts], axis=0)
    np.testing.assert_allclose(averaged, [loss.item() for loss in losses], rtol=1e-6)
    assert set(gradients) == set(parts[0]["gradients"])
    for name, gradient in gradients.items():
        average = (parts[0]["gradients"][name] + parts[1]["gradients"][name]) / 2
        assert (average - gradient).norm() <= 1e-4 * gradient.norm() + 1e-6, name
