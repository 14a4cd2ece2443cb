"""A run of `model_checkpoints` that is killed in the middle of an epoch: the next one goes on to the same checkpoint."""

import time
from pathlib import Path

from svta_assets.checkpoints.trainable import trainable
from svta_models.recipe import read_recipe
from svta_models.release import Release, resolve
from svta_models.training import train
from tests.toy_home import DrillHome

MODEL = "clip4clip-meanp"
SETTINGS = {"epochs": 3, "batch_size": 4, "max_frames": 4, "train_frames": 2}


def _newest_state(home: Path) -> int:
    found = sorted(home.glob(f"checkpoints/{MODEL}/.training/*/*.pt"))
    return int(found[-1].name[:8]) if found else 0


def test_a_killed_training_goes_on_through_the_asset(filled_home: DrillHome, tmp_path: Path) -> None:
    home = filled_home.copy(tmp_path / "home")
    config = {"model_checkpoints": {"settings": SETTINGS, "checkpoint_every": 1}}
    running = home.start("model_checkpoints", MODEL, config)
    deadline = time.monotonic() + 150
    while _newest_state(home.path) < 3 and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    running.kill()
    assert running.wait() == -9, "killed while it trained"
    assert home.work.catalog.read("checkpoints", MODEL).is_empty()
    again = home.materialize("model_checkpoints", MODEL, config)
    assert again.returncode == 0, again.stdout[-3000:] + again.stderr[-3000:]
    assert "going on after step" in again.stdout + again.stderr
    store = home.work.store
    recipe = read_recipe({**trainable(MODEL).settings("scratch"), **SETTINGS})
    undisturbed = train(Release(store, resolve(store)), store, "elsewhere", recipe)
    assert home.work.catalog.read("checkpoints", MODEL)["checkpoint_id"].to_list() == [undisturbed.checkpoint_id]
    assert _newest_state(home.path) == 0, "nothing is left of a training that has ended"
