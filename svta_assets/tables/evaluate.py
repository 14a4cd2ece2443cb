"""Evaluate a model on a release's test split and zero-shot on the configured real benchmarks."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from svta_assets.benchmarks.contamination import contamination_of
from svta_assets.benchmarks.ready import gallery_of, ready_benchmarks, with_undecodable, write_list
from svta_assets.benchmarks.videos import FoundVideos
from svta_assets.gates import require, train_meets_test
from svta_assets.partitions import MODELS
from svta_assets.tables.paper import SYNTHETIC
from svta_assets.tables.rows import evaluation_rows, publish, rank_rows
from svta_assets.workspace import Workspace
from svta_models.release import Release, resolve
from svta_resources.errors import SvtaError

if TYPE_CHECKING:
    from svta_models.encoders import Encoder
    from svta_models.evaluation import Evaluation
    from svta_models.gallery import Gallery
    from svta_models.own_model import OwnModel

Say = Callable[[str], None]
SAID_EVERY = 320  # clips between two lines of progress


@dataclass(frozen=True)
class Subject:
    """What is evaluated. `trained_on`: hash of a release, None for a model of one's own and for published weights."""

    model: str
    encoder: "Encoder"
    trained_on: str | None = None
    control: bool = False


def evaluate_model(
    work: Workspace,
    model: str,
    release_ref: str,
    control: bool = False,
    device: str = "cpu",
    benchmarks: Sequence[str] | None = None,
    say: Say = print,
    checkpoint_ref: str = "",
) -> pl.DataFrame:
    """Evaluate the newest checkpoint trained on the release (else the newest); return the model's `evaluations`.

    `control` takes the newest of those trained on shuffled captions instead, which are never looked at otherwise and
    only on the test split. `benchmarks`: real ones, None = all that are configured. `checkpoint_ref`: an id, or
    the name that an imported one was given; it is evaluated instead.
    """
    from svta_models.checkpoint import load_checkpoint
    from svta_models.encoders import encoder_of

    release = Release(work.store, resolve(work.store, release_ref))
    chosen = _checkpoint(work, model, release.hash, control, checkpoint_ref)
    trained_on = Release(work.store, chosen["release"]) if chosen["release"] else None  # None: published weights
    require(work, [train_meets_test(work, trained_on, release)], model)
    real = [] if control else ready_benchmarks(work, benchmarks)
    checkpoint = load_checkpoint(work.store, f"checkpoints/{model}", chosen["checkpoint_id"])
    checkpoint.model.to(device)
    subject = Subject(model, encoder_of(checkpoint), chosen["release"], control)
    return _evaluate(work, subject, release, real, say)


def evaluate_own(
    work: Workspace,
    own: "OwnModel",
    release_ref: str,
    device: str = "cpu",
    benchmarks: Sequence[str] | None = None,
    say: Say = print,
) -> pl.DataFrame:
    """Evaluate a model of one's own alike; its rows stand in the same tables, without figures of the paper."""
    from svta_models.own_model import OwnEncoder

    if own.name in MODELS:
        raise SvtaError(f"{own.name!r} is a model of the paper's tables: give yours another name")
    release = Release(work.store, resolve(work.store, release_ref))
    real = ready_benchmarks(work, benchmarks)
    return _evaluate(work, Subject(own.name, OwnEncoder(own, device)), release, real, say)


def _evaluate(work: Workspace, subject: Subject, release: Release, real: list[FoundVideos], say: Say) -> pl.DataFrame:
    from svta_models.gallery import ReleaseGallery

    facts = {"model": subject.model, "trained_on_shuffled": subject.control, "trained_on": subject.trained_on}
    facts["audio"] = getattr(subject.encoder, "audio", None)  # GRAM's alone
    key = {"checkpoint_id": subject.encoder.id, "release": release.hash, "benchmark": SYNTHETIC}
    evaluation = _measured(work, subject, ReleaseGallery(release.split("test")), SYNTHETIC, say)
    rows = _store(work, subject.model, key, evaluation, evaluation_rows(evaluation, {**facts, **key, "missing": 0}))
    seen = release if subject.trained_on in (None, release.hash) else Release(work.store, str(subject.trained_on))
    for videos in real:
        rows = _zero_shot(work, subject, key | {"benchmark": videos.settings.name}, facts, seen, videos, say)
    return rows


def _zero_shot(
    work: Workspace,
    subject: Subject,
    key: dict[str, Any],
    facts: dict[str, Any],
    seen: Release,
    videos: FoundVideos,
    say: Say,
) -> pl.DataFrame:
    """Evaluate on one real benchmark. `seen`: the release whose texts the model may have learned from."""
    from svta_models.evaluation import BrokenVideos

    name, gallery = videos.settings.name, gallery_of(videos)
    say(f"{name}: {videos.pairs.count_line}")
    try:
        evaluation = _measured(work, subject, gallery, name, say, videos.settings.allow_missing)
    except BrokenVideos as error:
        known = with_undecodable(videos, gallery, error.reasons)
        known.require_all(write_list(work, known))
        raise  # not reached: they are all needed, or the evaluation would have gone on without them
    if evaluation.broken:
        write_list(work, with_undecodable(videos, gallery, evaluation.broken))
    kept = videos.pairs.kept
    evaluated = kept.filter(pl.col("pair_id").is_in(evaluation.pair_ids))
    found = contamination_of(work, evaluated, seen.frame, name)
    labelled = found.rows.with_columns(release=pl.lit(seen.hash), benchmark=pl.lit(name))
    publish(work, "contamination", seen.hash, labelled, {"benchmark": name})
    missing = max(kept.height, videos.settings.pairs or 0) - evaluated.height
    rows = evaluation_rows(evaluation, {**facts, **key, "missing": missing}, found.touched)
    return _store(work, subject.model, key, evaluation, rows)


def _measured(
    work: Workspace, subject: Subject, gallery: "Gallery", name: str, say: Say, leave_out_broken: bool = False
) -> "Evaluation":
    from svta_models.evaluation import evaluate_gallery

    def on_progress(done: int, total: int) -> None:
        if done == total or done % SAID_EVERY == 0:
            say(f"{subject.model} on {name}: {done} of {total} clips encoded")

    return evaluate_gallery(subject.encoder, gallery, on_progress, _work_folder(work), leave_out_broken)


def _store(
    work: Workspace, model: str, key: dict[str, Any], evaluation: "Evaluation", rows: list[dict[str, Any]]
) -> pl.DataFrame:
    """Publish an evaluation; what it kept to go on from is done with."""
    from svta_models.evaluation import work_name

    publish(work, "query_ranks", model, rank_rows(evaluation, key), key)
    stored = publish(work, "evaluations", model, pl.DataFrame(rows, infer_schema_length=None), key)
    shutil.rmtree(_work_folder(work) / work_name(key["checkpoint_id"], evaluation.data_sha), ignore_errors=True)
    return stored


def _work_folder(work: Workspace) -> Path:
    """Where the features of evaluations under way wait: `work/evaluation` in the home, safe to delete."""
    return work.home.path / "work" / "evaluation"


def _checkpoint(work: Workspace, model: str, release: str, control: bool, wanted: str) -> dict[str, Any]:
    rows = work.catalog.read("checkpoints", model).sort("made_at")
    if wanted:
        return _named_checkpoint(rows, model, wanted)
    shuffled = pl.col("recipe").str.json_path_match("$.shuffle_captions") == "true"
    rows = rows.filter(shuffled if control else ~shuffled)
    if rows.is_empty():
        how = " and shuffle_captions: true" if control else ""
        raise SvtaError(f"model {model} has no such checkpoint: materialize model_checkpoints with its partition{how}")
    matching = rows.filter(pl.col("release") == release)
    return (matching if matching.height else rows).row(-1, named=True)


def _named_checkpoint(rows: pl.DataFrame, model: str, wanted: str) -> dict[str, Any]:
    """The checkpoint of an id, or the newest of those imported under a name."""
    called = pl.col("recipe").str.json_path_match("$.called") == wanted
    found = rows.filter((pl.col("checkpoint_id") == wanted) | called.fill_null(False))
    if found.is_empty():
        known = ", ".join(rows["checkpoint_id"].to_list()[-5:]) or "none"
        raise SvtaError(f"{model} has no checkpoint {wanted!r}; newest: {known} (`svta checkpoint list` shows all)")
    return found.row(-1, named=True)
