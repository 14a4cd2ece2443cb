"""`model_checkpoints` with published weights: both recipes end to end, rejects, and what it says when nothing is there."""

import json
import pickle
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from svta_assets.checkpoints.devices import Devices, devices_for, largest_share
from svta_assets.checkpoints.trainable import TRAINABLE, trainable
from svta_assets.checkpoints.training import TrainingRequest, train_model
from svta_assets.workspace import Workspace
from svta_models.checkpoint import load_checkpoint
from svta_models.child import Failure
from svta_models.ranks import Ranks
from svta_models.recipe import FineTuning, read_recipe
from svta_models.release import DamagedClip, Release, write_release
from svta_resources.errors import SvtaError
from tests.models.synthetic import make_release_rows
from tests.models.tiny_clip import QUICK, write_tiny_clip
from tests.models.tiny_gram import QUICK as TINY_GRAM
from tests.models.tiny_gram import write_tiny_gram

MODEL = "clip4clip-seqtransf"


@pytest.fixture
def filled(work: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A home with a release of 36 synthetic clips, and CLIP weights at toy size."""
    write_tiny_clip(tmp_path / "clip")
    monkeypatch.setenv("SVTA_CLIP_DIR", str(tmp_path / "clip"))
    write_release(work.store, make_release_rows(work.store, per_scene=3, scenes=12))
    return work


def request(recipe: str, model: str = MODEL, **how: object) -> TrainingRequest:
    return TrainingRequest(model, recipe=recipe, settings=QUICK, checkpoint_every=2, **how)  # type: ignore[arg-type]


@pytest.mark.parametrize("recipe", ["paper", "svta"])
def test_a_recipe_with_published_weights_trains_end_to_end(filled: Workspace, recipe: str) -> None:
    said: list[str] = []
    trained = train_model(filled, request(recipe), said.append)
    row = trained.rows.row(0, named=True)
    recorded = json.loads(row["recipe"])
    assert recorded["name"] == recipe
    assert recorded["feature_framerate"] == (1 if recipe == "paper" else None)
    assert len(recorded["weights"]) == 64
    checkpoint = load_checkpoint(filled.store, f"checkpoints/{MODEL}", row["checkpoint_id"])
    assert checkpoint.tokenizer.size == 49408
    assert len(json.loads(row["curves"])) == 2
    assert any("epoch 2/2" in line for line in said)
    assert not (filled.home.path / "checkpoints" / MODEL / ".training" / row["recipe_sha"][:16]).exists()
    assert train_model(filled, request(recipe), said.append).result is None, "an equal checkpoint is not trained again"
    # A 13-frame clip at 15 fps has one frame at 1 fps; spread over the clip it fills 12 slots.
    stored = list((filled.home.path / "frame_cache").glob("*/*.npy"))
    assert len(stored) == 24 + 6
    assert {file.stat().st_size for file in stored} == {128 + (1 if recipe == "paper" else 12) * 3 * 64 * 64}


def test_a_broken_clip_becomes_a_reject_and_the_training_goes_on(filled: Workspace) -> None:
    rows = make_release_rows(filled.store, per_scene=3, scenes=12)
    broken = rows.filter(split="train").row(3, named=True)
    filled.store.put(broken["uri"], b"no longer a video")
    Release(filled.store, write_release(filled.store, rows))
    with pytest.raises(DamagedClip, match=rf"1 of 24 train clips are broken: clip {broken['clip_id']}"):
        train_model(filled, request("svta"), lambda line: None)
    trained = train_model(filled, request("svta", max_broken=0.1), lambda line: None)
    assert trained.result is not None
    assert list(trained.result.broken) == [broken["pair_id"]]
    rejects = filled.catalog.read("rejects", f"model_checkpoints.{MODEL}")
    assert rejects.select("stage", "key", "reason").rows() == [
        ("model_checkpoints", broken["pair_id"], "clip is broken")
    ]
    assert "differs from the sha256" in rejects["detail"][0]
    config = load_checkpoint(filled.store, f"checkpoints/{MODEL}", trained.result.checkpoint_id).config
    assert config["without_pairs"] == [broken["pair_id"]]


def test_without_weights_the_variable_and_the_file_are_named(
    filled: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = TrainingRequest(MODEL, recipe="paper")
    with pytest.raises(SvtaError, match=r"SVTA_CLIP_DIR\) holds none of ViT-B-32.pt, .*ViT-B-32/open_clip_model"):
        train_model(filled, plain, lambda line: None)
    monkeypatch.delenv("SVTA_CLIP_DIR")
    with pytest.raises(SvtaError, match=r"set SVTA_CLIP_DIR to the folder that holds ViT-B-16.pt"):
        train_model(filled, TrainingRequest("xclip-vit-b-16", recipe="svta"), lambda line: None)
    monkeypatch.setenv("SVTA_CLIP_DIR", str(tmp_path / "clip"))
    monkeypatch.setenv("SVTA_TRAINING_RECIPE", "papre")
    with pytest.raises(SvtaError, match="recipe 'papre' is not part of this version; available: scratch, paper, svta"):
        train_model(filled, TrainingRequest(MODEL), lambda line: None)


@pytest.mark.parametrize("recipe", ["scratch", "paper"])
def test_gram_trains_through_the_same_stage(
    filled: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: str
) -> None:
    monkeypatch.setenv("SVTA_GRAM_DIR", str(write_tiny_gram(tmp_path / "gram")))
    toy = {"epochs": 1, "max_frames": 2, "train_frames": 1} if recipe == "scratch" else TINY_GRAM | {"pool_frames": 8}
    chosen = TrainingRequest("gram", recipe=recipe, settings={**toy, "audio": "k2"})
    trained = train_model(filled, chosen, lambda line: None)
    row = trained.rows.row(0, named=True)
    recorded = json.loads(row["recipe"])
    assert (recorded["name"], recorded["audio"]) == (recipe, "k2")
    assert bool(recorded.get("weights")) == (recipe == "paper")
    assert load_checkpoint(filled.store, "checkpoints/gram", row["checkpoint_id"]).model.config.audio == "k2"
    assert train_model(filled, chosen, lambda line: None).result is None, "an equal checkpoint is not trained again"
    frames = list((filled.home.path / "frame_cache").glob("*/*.npy"))
    assert len(frames) == (24 + 6 if recipe == "paper" else 0)
    monkeypatch.delenv("SVTA_GRAM_DIR")
    if recipe == "paper":
        with pytest.raises(SvtaError, match="set SVTA_GRAM_DIR to the folder of the pre-training run"):
            train_model(filled, chosen, lambda line: None)


@pytest.mark.parametrize("model", sorted(set(TRAINABLE) - {"gram"}))  # it does not start from CLIP
def test_the_paper_recipe_is_the_official_setting(model: str) -> None:
    recipe = read_recipe({"name": "paper", **trainable(model).settings("paper")})
    assert isinstance(recipe, FineTuning)
    expected = {"xclip-vit-b-32": ("vit-b-32", 300), "xclip-vit-b-16": ("vit-b-16", 80)}.get(model, ("vit-b-32", 128))
    assert (recipe.preset, recipe.batch_size) == expected
    settings = recipe.to_dict()
    official = {
        "epochs": 5, "lr": 1e-4, "coef_lr": 1e-3, "weight_decay": 0.2, "warmup": 0.1, "max_words": 32, "max_frames": 12,
        "feature_framerate": 1, "freeze_layers": 0, "dropout": 0.1, "ranks": 4, "resize": "exact",
    }  # fmt: skip
    assert {name: settings[name] for name in official} == official
    ours = read_recipe({"name": "svta", **trainable(model).settings("svta")}).to_dict()
    assert {name for name in ours if ours[name] != settings[name]} == {"name", "feature_framerate", "resize"}


def test_processes_divide_the_published_ranks() -> None:
    assert [largest_share(4, available) for available in (0, 1, 2, 3, 4, 8)] == [1, 1, 2, 2, 4, 4]
    assert largest_share(1, 8) == 1


def test_a_training_leaves_this_machine_only_when_it_is_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the run has a cluster and asks for more processes than there are devices here."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with devices_for("", 3, 4, "head:6379", "s3://bucket/p") as devices:
        assert devices == Devices("cpu", 3, (), None)


@pytest.mark.parametrize(
    ("cluster", "address", "said"),
    [
        ("cuda", "", "cluster 'cuda' needs a Ray cluster: set SVTA_RAY_ADDRESS, or leave `cluster` empty"),
        ("gpu", "head:6379", "cluster 'gpu': choose cpu or cuda, or leave it empty to train on this machine"),
        ("cpu", "127.0.0.1:1", "Nothing answers at 127.0.0.1:1, where the Ray cluster should be"),
    ],
)
def test_a_cluster_that_cannot_be_is_refused_before_anything_starts(cluster: str, address: str, said: str) -> None:
    with pytest.raises(SvtaError, match=said), devices_for(cluster, 2, 4, address, "home"):
        pass


def test_a_training_on_a_cluster_keeps_its_state_in_the_store(
    filled: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver's machine may be lost, too; what the processes keep open belongs to this one."""
    from svta_models.execution import Say, TrainingJob
    from svta_models.ranks import on_this_machine

    jobs: list[TrainingJob] = []

    def start(job: TrainingJob, say: Say) -> AbstractContextManager[Ranks]:
        jobs.append(job)
        return on_this_machine(job, say)

    asked: list[tuple[object, ...]] = []

    @contextmanager
    def of_cluster(*given: object) -> Iterator[Devices]:
        asked.append(given)
        yield Devices("cpu", 2, start=start)

    monkeypatch.setattr("svta_assets.checkpoints.training.devices_for", of_cluster)
    trained = train_model(filled, request("paper", cluster="cpu", devices=2), lambda line: None)
    assert asked == [("cpu", 2, 4, filled.profile.ray_address, filled.home.media_url)]
    [job] = jobs
    assert job.how.processes == 2
    assert job.how.folder is None
    assert job.how.states == f"checkpoints/{MODEL}/.training/{trained.rows['recipe_sha'][0][:16]}"
    assert filled.store.list(job.how.states) == [], "nothing is left of a training that has ended"


def test_what_a_training_gives_to_ray_holds_no_store_and_no_locks() -> None:
    from svta_models.execution import Execution, TrainingJob
    from svta_models.media_store import open_store
    from svta_resources.ray_training import _without_store

    store = open_store("s3://bucket/p", secret_access_key="do not tell")
    job = TrainingJob(store, "r", "x", read_recipe({"name": "paper"}), 1, "xclip", Execution(held=(7,)), Path("here"))
    sent = _without_store(job)
    assert set(sent) == {"release", "prefix", "recipe", "seed", "method", "how", "weights"}
    assert (sent["weights"], sent["how"].held) == (None, ())
    assert b"do not tell" not in pickle.dumps(sent)


def test_a_node_is_named_that_lacks_the_weights_or_has_others(
    filled: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from svta_models.execution import Execution
    from svta_models.starting import starting_weights
    from svta_resources.ray_rank import RankActor, Seat

    monkeypatch.setattr("svta_resources.ray_rank._seat", lambda: Seat("id", "10.0.0.7", "node-b (10.0.0.7)"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    recipe = read_recipe({"name": "paper", **QUICK})
    weights = starting_weights(recipe, filled.store, "x")
    assert weights is not None
    facts = {"release": "r", "prefix": "x", "seed": 1, "method": "xclip", "how": Execution()}
    facts["recipe"] = replace(recipe, weights=weights.sha256)

    def prepared(folder: Path) -> Failure | None:
        monkeypatch.delenv("SVTA_CLIP_DIR", raising=False)
        settings = {"SVTA_CLIP_DIR": str(folder)}
        return RankActor("cpu", settings).prepare(lambda: None, filled.store.url, facts)

    assert prepared(tmp_path / "clip") is None
    absent = prepared(tmp_path / "nowhere")
    assert absent is not None
    assert absent.expected
    assert absent.text.startswith("node-b (10.0.0.7): ")
    assert "holds none of tiny-clip.pt" in absent.text
    changed = write_tiny_clip(tmp_path / "other")
    changed.write_bytes(changed.read_bytes() + b"more")
    other = prepared(tmp_path / "other")
    assert other is not None
    assert "it was changed; put the file back" in other.text


def test_rejects_of_an_earlier_training_go(filled: Workspace) -> None:
    from svta_assets.checkpoints.training import _publish_rejects

    _publish_rejects(filled, MODEL, {"a": "broken"})
    _publish_rejects(filled, MODEL, {})
    assert filled.catalog.read("rejects", f"model_checkpoints.{MODEL}").filter(pl.col("key") == "a").is_empty()
