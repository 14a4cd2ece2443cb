"""Several processes train one model together, as the published ones did; when one dies the training fails plainly."""

import os
import signal
import subprocess
import time

import numpy as np
import pytest
import torch

from svta_models.checkpoint import load_checkpoint
from svta_models.errors import SvtaError
from svta_models.execution import Execution
from svta_models.media_store import open_store
from svta_models.recipe import Recipe
from svta_models.release import Release, write_release
from svta_models.training import train
from tests.models.golden import METHODS, assert_norms_equal, golden
from tests.models.synthetic import make_release_rows
from tests.models.tiny_clip import quick, write_tiny_clip

RECORDED = [name for name in METHODS if "ddp2" in golden(name).facts]


@pytest.mark.parametrize("name", RECORDED)
def test_one_process_has_the_gradients_of_the_published_two(name):
    stored = golden(name)
    recorded = stored.facts["ddp2"]
    model = stored.model().train()
    loss = model.loss(*stored.batch, ranks=2)
    loss.backward()
    assert loss.item() == pytest.approx((recorded["loss_rank0"] + recorded["loss_rank1"]) / 2, abs=1e-5)
    norms = {key: tensor.grad.norm().item() for key, tensor in model.named_parameters() if tensor.grad is not None}
    assert_norms_equal(norms, recorded["grad_norm_after_ddp_average"])
    for key, value in stored.stored("ddp2/grad/").items():
        if not np.isnan(value).all():
            measured = dict(model.named_parameters())[key].grad.numpy()
            assert np.linalg.norm(measured - value) <= 1e-3 * np.linalg.norm(value) + 1e-6, key


def test_a_batch_that_does_not_divide_among_the_ranks_is_refused():
    stored = golden("clip4clip_tightTransf")
    with pytest.raises(ValueError, match="6 pairs cannot stand for 4 processes"):
        stored.model().loss(*stored.batch, ranks=4)


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    write_tiny_clip(folder / "clip")
    before = os.environ.get("SVTA_CLIP_DIR")
    os.environ["SVTA_CLIP_DIR"] = str(folder / "clip")
    store = open_store(folder / "home")
    yield Release(store, write_release(store, make_release_rows(store, per_scene=3, scenes=12)))
    os.environ.pop("SVTA_CLIP_DIR") if before is None else os.environ.update(SVTA_CLIP_DIR=before)


def descendants(marker):
    """Processes of the training's children that still run."""
    listed = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()[1:]]
    return [int(pid) for pid, parent, args in rows if int(parent) == os.getpid() and marker in args]


@pytest.mark.parametrize("method", ["xclip"])
def test_two_processes_train_what_one_does(release, tmp_path, method):
    """Equal to rounding: sums are formed in another order."""
    recipe = quick("svta", max_frames=3, batch_size=12)
    prefix = f"checkpoints/{method}"
    alone = train(release, release.store, prefix, recipe, method=method)
    reports = []
    how = Execution(processes=2, frame_cache=tmp_path / "frames", folder=tmp_path / "state")
    together = train(release, release.store, prefix, recipe, method=method, how=how, on_epoch=reports.append)
    assert [report.epoch for report in reports] == [1, 2]
    one, two = (load_checkpoint(release.store, prefix, done.checkpoint_id).model for done in (alone, together))
    start = dict(one.named_parameters())
    for name, tensor in two.named_parameters():
        torch.testing.assert_close(
            tensor, start[name], atol=2e-5, rtol=1e-3, msg=lambda text, name=name: f"{name}: {text}"
        )
    assert [c["loss"] for c in together.curves] == pytest.approx([c["loss"] for c in alone.curves], abs=1e-4)
    assert descendants("svta_models.child") == []


def test_a_process_that_dies_ends_the_training_with_one_error_and_no_orphan(release):
    began = time.monotonic()

    def kill_the_second(report):
        os.kill(max(descendants("svta_models.child")), signal.SIGKILL)

    with pytest.raises(SvtaError, match=r"process 1 of the training's 2 died \(exit status -9\)"):
        train(
            release, release.store, "checkpoints/x", quick("svta", epochs=50, max_frames=3, batch_size=12),
            how=Execution(processes=2), on_epoch=kill_the_second,
        )  # fmt: skip
    assert descendants("svta_models.child") == []
    assert time.monotonic() - began < 200


def test_an_error_in_a_process_arrives_as_it_was_meant(release):
    with pytest.raises(SvtaError, match="24 training pairs do not fill one of 32"):
        train(release, release.store, "x", quick("svta", batch_size=32), how=Execution(processes=2))


def test_numbers_of_processes_that_cannot_be_are_refused_before_any_starts(release):
    with pytest.raises(SvtaError, match="scratch trains in one process"):
        train(release, release.store, "x", Recipe(), how=Execution(processes=2))
    with pytest.raises(SvtaError, match="reproduces 4 published processes, which 3 do not divide"):
        train(release, release.store, "x", quick("paper"), how=Execution(processes=3))
