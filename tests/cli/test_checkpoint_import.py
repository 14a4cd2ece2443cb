"""Published checkpoint files: refused when not whole, evaluated and shown as what they are, a start for training."""

import json
from pathlib import Path

import pytest
import torch

from svta_assets.checkpoints.training import TrainingRequest, train_model
from svta_assets.tables.evaluate import evaluate_model
from svta_assets.tables.render import write_tables
from svta_assets.workspace import Workspace, prepare_workspace
from svta_models.checkpoint import load_checkpoint
from svta_models.clip_files import file_sha256
from svta_models.presets import preset_values
from svta_models.published import build_model
from svta_models.release import resolve, write_release
from svta_resources.errors import SvtaError
from svta_resources.profiles import Home
from tests.cli.conftest import Svta
from tests.models.synthetic import make_release_rows
from tests.models.tiny_clip import QUICK
from tests.models.tiny_gram import write_tiny_gram

MODEL = "clip4clip-seqtransf"
PREFIX = f"checkpoints/{MODEL}"


def state(method: str = "clip4clip-seqTransf") -> dict[str, torch.Tensor]:
    """Weights of a toy model under published names."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return build_model(method, preset_values("tiny-clip")).published_state()


@pytest.fixture
def filled(home: Home) -> Workspace:
    work = prepare_workspace(home)
    write_release(work.store, make_release_rows(work.store, per_scene=3, scenes=12))
    return work


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """As CLIP4Clip writes it: half precision, and the wrapper's name before every tensor."""
    path = tmp_path / "pytorch_model.bin.4"
    torch.save({f"module.{name}": tensor.half() for name, tensor in state().items()}, path)
    return path


def imported(svta: Svta, file: Path, *more: str) -> str:
    code, said, error = svta("checkpoint", "import", str(file), "--model", MODEL, "--preset", "tiny-clip", *more)
    assert code == 0, error
    return said.split()[0]


def test_a_published_file_becomes_a_row_that_says_what_it_is(filled: Workspace, file: Path, svta: Svta) -> None:
    checkpoint = imported(svta, file, "--name", "msrvtt-9k")
    row = filled.catalog.read("checkpoints", MODEL).row(0, named=True)
    assert (row["checkpoint_id"], row["release"], row["curves"], row["epoch"]) == (checkpoint, None, "[]", None)
    recipe = json.loads(row["recipe"])
    assert (recipe["name"], recipe["called"], recipe["weights"]) == ("published", "msrvtt-9k", file_sha256(file))
    assert (recipe["feature_framerate"], recipe["max_words"]) == (1, 32)
    loaded = load_checkpoint(filled.store, PREFIX, checkpoint)
    for name, tensor in state().items():
        assert torch.equal(loaded.model.state_dict()[name], tensor.half().float())
    assert loaded.tokenizer.size == 49408
    assert imported(svta, file, "--name", "msrvtt-9k") == checkpoint
    assert filled.catalog.read("checkpoints", MODEL).height == 1, "the same file twice is one checkpoint"
    _, listed, _ = svta("checkpoint", "list")
    assert listed.split() == [checkpoint, MODEL, "published", "msrvtt-9k", "-", "-"]


def test_a_published_gram_run_is_imported_once_and_listed(filled: Workspace, tmp_path: Path, svta: Svta) -> None:
    weights = write_tiny_gram(tmp_path / "run") / "ckpt" / "model_step_7.pt"
    command = ("checkpoint", "import", str(weights), "--model", "gram", "--preset", "tiny", "--name", "authors")
    code, said, error = svta(*command)
    assert code == 0, error
    checkpoint = said.split()[0]
    assert "imported\n" in said and f"svta evaluate gram --checkpoint {checkpoint}" in said
    assert "train from it" not in said, "its recipes start from the files in SVTA_GRAM_DIR"
    row = filled.catalog.read("checkpoints", "gram").row(0, named=True)
    recipe = json.loads(row["recipe"])
    assert (row["release"], recipe["name"], recipe["called"], recipe["preset"]) == (
        None,
        "published",
        "authors",
        "tiny",
    )
    assert (recipe["frame_rule"], recipe["resize"]) == ("segments", "bilinear"), "shown clips as its authors do"
    loaded = load_checkpoint(filled.store, "checkpoints/gram", checkpoint)
    for name, tensor in torch.load(weights, weights_only=True).items():
        assert torch.equal(loaded.model.published_state()[name.removeprefix("module.")], tensor)
    assert svta(*command)[1].split("\n")[0].endswith("was imported before")
    assert svta("checkpoint", "list")[1].split() == [checkpoint, "gram", "published", "authors", "-", "-"]


def test_a_wrong_or_partial_file_is_refused_with_the_names(filled: Workspace, tmp_path: Path, svta: Svta) -> None:
    whole = state()
    gone = next(name for name in whole if name.startswith("transformerClip."))
    wrong = {
        "partial": {name: tensor for name, tensor in whole.items() if name != gone},
        "more": whole | {"cross.extra": torch.zeros(1)},
        "other": state("clip4clip-meanP"),
    }
    for name, tensors in wrong.items():
        torch.save(tensors, tmp_path / name)
    said = {}
    for name in wrong:
        code, _, said[name] = svta(
            "checkpoint", "import", str(tmp_path / name), "--model", MODEL, "--preset", "tiny-clip"
        )
        assert code == 1
    assert f"1 missing ({gone})" in said["partial"]
    assert "1 unexpected (cross.extra)" in said["more"]
    assert "missing (frame_position_embeddings.weight" in said["other"]
    (tmp_path / "text").write_text("no weights")
    assert (
        "is not a readable file of weights" in svta("checkpoint", "import", str(tmp_path / "text"), "--model", MODEL)[2]
    )
    assert "lacks log/hps.json" in svta("checkpoint", "import", str(tmp_path / "text"), "--model", "gram")[2]
    assert (
        "clip5 is not part of this version"
        in svta("checkpoint", "import", str(tmp_path / "text"), "--model", "clip5")[2]
    )
    assert filled.catalog.read("checkpoints").is_empty()
    assert not filled.store.list("checkpoints/")


def test_it_is_evaluated_and_the_tables_call_it_published_weights(filled: Workspace, file: Path, svta: Svta) -> None:
    checkpoint = imported(svta, file, "--name", "msrvtt-9k")
    rows = evaluate_model(filled, MODEL, "latest", benchmarks=[], checkpoint_ref="msrvtt-9k", say=lambda line: None)
    assert set(rows["checkpoint_id"]) == {checkpoint}
    assert rows["trained_on"].null_count() == rows.height
    assert filled.catalog.read("gates", MODEL)["reason"].to_list() == ["published weights, trained on no release"]
    table = write_tables(filled)["table2"]
    assert f"published weights msrvtt-9k ({file_sha256(file)[:12]}), tiny-clip, not trained on this release" in table
    with pytest.raises(SvtaError, match=rf"{MODEL} has no checkpoint 'other'; newest: {checkpoint}"):
        evaluate_model(filled, MODEL, "latest", checkpoint_ref="other")
    said = svta("verify")[1]
    assert "1 checkpoint" in said
    assert not [line for line in said.splitlines() if line.startswith("checkpoint:")], said


def test_a_training_starts_from_it_and_from_nothing_that_was_trained_here(
    filled: Workspace, file: Path, svta: Svta
) -> None:
    checkpoint = imported(svta, file)
    settings = {**QUICK, "epochs": 1, "start": checkpoint, "lr": 0.0}
    trained = train_model(filled, TrainingRequest(MODEL, recipe="svta", settings=settings), lambda line: None)
    row = trained.rows.filter(trained.rows["release"].is_not_null()).row(0, named=True)
    recipe = json.loads(row["recipe"])
    assert (recipe["start"], row["release"]) == (checkpoint, resolve(filled.store))
    before, after = (load_checkpoint(filled.store, PREFIX, one).model for one in (checkpoint, row["checkpoint_id"]))
    name = "transformerClip.resblocks.0.mlp.c_fc.weight"
    assert torch.equal(before.state_dict()[name], after.state_dict()[name]), "with a rate of 0 the head is what it was"
    for start, why in {row["checkpoint_id"]: "was trained on release", "0" * 16: "there is no checkpoint"}.items():
        again = TrainingRequest(MODEL, recipe="svta", settings={**settings, "start": start})
        with pytest.raises(SvtaError, match=why):
            train_model(filled, again, lambda line: None)
