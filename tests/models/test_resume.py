"""A training that was killed goes on and ends with the very weights of one that was not."""

import json
import os
import subprocess
import sys
import time

import pytest
import torch

from svta_models.errors import SvtaError
from svta_models.execution import Execution
from svta_models.media_store import open_store
from svta_models.recipe import Recipe, read_recipe
from svta_models.release import Release, write_release
from svta_models.training import train
from svta_models.training_state import KEPT, TrainingBusy, TrainingState, held_folder, remove_folder
from tests.models.synthetic import make_release_rows
from tests.models.tiny_clip import QUICK, write_tiny_clip

PROGRAM = [sys.executable, "-m", "tests.models.training_program"]


@pytest.fixture
def release(tmp_path, monkeypatch):
    write_tiny_clip(tmp_path / "clip")
    monkeypatch.setenv("SVTA_CLIP_DIR", str(tmp_path / "clip"))
    store = open_store(tmp_path / "home")
    return Release(store, write_release(store, make_release_rows(store, per_scene=3, scenes=12)))


def start(home, what):
    return subprocess.Popen(
        [*PROGRAM, str(home), json.dumps(what)], stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )


def states(folder):
    return sorted(folder.glob("*.pt")) if folder.is_dir() else []


def wait_for_a_state_in_the_middle(folder, running, after):
    """Until the newest state stands in the middle of an epoch, past `after` states."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and running.poll() is None:
        found = states(folder)
        if found and int(found[-1].name[:8]) > after:
            return
        time.sleep(0.01)
    raise AssertionError(f"no state after {after} (exit status {running.poll()})")


def test_a_killed_training_goes_on_to_the_same_weights(release, tmp_path):
    """tightTransf, because dropout draws from a generator of its own."""
    recipe, method = {"name": "svta", **QUICK, "max_frames": 3, "epochs": 3}, "clip4clip-tightTransf"
    undisturbed = train(release, release.store, "checkpoints/x", read_recipe(recipe), method=method)
    folder, what = tmp_path / "home" / "state", {"method": method, "recipe": recipe, "every": 1, "processes": 1}
    running = start(tmp_path / "home", what)
    wait_for_a_state_in_the_middle(folder, running, after=4)
    running.kill()
    assert running.wait() == -9
    newest = states(folder)[-1]
    newest.write_bytes(newest.read_bytes()[:-7])  # the last write was cut, as by a full disk
    again = start(tmp_path / "home", what)
    output = json.loads(again.communicate(timeout=120)[0])
    assert again.returncode == 0
    assert output["resumed_at"] > 0
    assert output["id"] == undisturbed.checkpoint_id
    assert (folder / "damaged" / newest.name).exists()


@pytest.mark.parametrize("stops_at", [1, 2])
def test_a_training_from_scratch_that_was_stopped_goes_on_to_the_same_weights(release, tmp_path, stops_at):
    """Augmentation, schedule and the running mean of the weights go on, too; stopped after an epoch's report."""
    recipe = Recipe(epochs=2, batch_size=6, train_frames=2, max_frames=3, preset="tiny-32")
    undisturbed = train(release, release.store, "checkpoints/x", recipe)
    how = Execution(folder=tmp_path / "state", checkpoint_every=1)

    def stop(report):
        if report.epoch == stops_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(release, release.store, "checkpoints/x", recipe, on_epoch=stop, how=how)
    said = []
    resumed = train(release, release.store, "checkpoints/x", recipe, how=how, say=said.append)
    assert resumed.checkpoint_id == undisturbed.checkpoint_id
    assert resumed.resumed_at == 4 * stops_at - 1, "the state in the middle of the epoch that was not reported whole"
    assert f"in epoch {stops_at} of 2" in said[0]


def test_states_are_whole_or_set_aside_and_only_the_newest_stay(tmp_path):
    said = []
    with TrainingState(tmp_path, said.append) as state:
        assert state.newest() is None
        for step in range(4):
            tensor = torch.full((3,), float(step))
            state.write({"step": step, "pairs": "a", "tensor": tensor})
            tensor.zero_()  # what the training does next must not reach the file
    assert len(states(tmp_path)) == KEPT
    with TrainingState(tmp_path, said.append) as state:
        assert state.newest()["tensor"].tolist() == [3.0] * 3
    states(tmp_path)[-1].write_bytes(b"cut")
    with TrainingState(tmp_path, said.append) as state:
        found = state.newest()
        assert found["step"] == 2
        assert found["tensor"].tolist() == [2.0] * 3
        state.write({"step": 9, "pairs": "b"})
    assert "is damaged: set aside" in said[0]
    with TrainingState(tmp_path, said.append) as state:
        assert state.newest(lambda state: state["pairs"] == "a")["step"] == 2
    assert "belongs to other training pairs" in said[-1]


def test_a_state_that_cannot_be_written_ends_the_training_with_the_folder(tmp_path):
    with TrainingState(tmp_path / "state") as state:
        (tmp_path / "state").rmdir()
        state.write({"step": 1})
        with pytest.raises(SvtaError, match=r"cannot be written to .*state .*it goes on from the last state"):
            state.wait()


def test_the_same_training_twice_at_once_is_refused_with_the_process(tmp_path):
    folder = tmp_path / "state"
    with held_folder(folder):
        program = f"from pathlib import Path\nfrom svta_models.training_state import held_folder\nwith held_folder(Path({str(folder)!r})): pass"
        second = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert second.returncode != 0
        assert f"TrainingBusy: process {os.getpid()} is at this very training" in second.stderr
        remove_folder(folder)
    with held_folder(folder), pytest.raises(TrainingBusy), held_folder(folder):
        pass
