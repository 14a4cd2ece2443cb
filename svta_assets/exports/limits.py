"""Known limits of a release, each said only where its data show it."""

from collections.abc import Sequence

from svta_assets.exports.job import ExportJob
from svta_assets.exports.terms import IMPORTED, family
from svta_assets.workspace import Workspace
from svta_models.release import SPLITS

TRIVIAL_TEST = 1000  # pairs; the paper's test split has 8,309
SOURCE_LABELLED = ("uca", "ucfcrime_ar")


def known_limits(work: Workspace, job: ExportJob) -> list[str]:
    """Sentences for the card."""
    lines = [*_clips(job), *_texts(work, job), *_splits(job)]
    if not _approved(work, job):
        lines.append("Nobody has approved its taxonomy: categories come from clustering the label names alone.")
    return lines


def _clips(job: ExportJob) -> list[str]:
    shapes = job.rows.select("frames", "fps").drop_nulls().unique().sort("frames", "fps").rows()
    lines = ["The clips carry no sound."] if _families(job) <= {"procedural", "wan"} else []
    if shapes:
        seconds = [frames / fps for frames, fps in shapes if fps]
        frames = [count for count, _ in shapes]
        lines.append(
            f"Clips last {_span(seconds, '.1f')} s ({_span(frames, 'd')} frames): events that take longer are shown "
            "in part."
        )
    if "procedural" in _families(job):
        lines.append(
            "Clips by the procedural generator are drawings: they teach and test the pipeline, and say nothing of "
            "results on real video."
        )
    if IMPORTED in _families(job):
        lines.append("Imported clips were not judged by SVTA's quality gates.")
    repeated = job.rows.height - job.rows["sha256"].n_unique()
    if repeated:
        lines.append(
            f"{repeated:,} pairs have the same clip as another pair, byte for byte (equal captions, made once)."
        )
    return lines


def _texts(work: Workspace, job: ExportJob) -> list[str]:
    rows, lines = job.rows, []
    sourced = int(rows["source"].is_in(SOURCE_LABELLED).sum())
    if sourced:
        lines.append(
            f"{sourced:,} texts are normal or anomalous by their source video as a whole; a sentence of an anomalous "
            "video may itself describe a normal moment."
        )
    if surplus := rows.height - rows["caption"].n_unique():
        lines.append(f"{surplus:,} captions repeat another one, so that a retrieval rank of 1 is not always reachable.")
    if long := int((rows["caption"].str.count_matches(r"\S+") > 77).sum()):
        lines.append(f"{long:,} captions have more than 77 words; CLIP reads 77 tokens and cuts the rest.")
    labels = work.catalog.read("labels").join(rows.select("pair_id"), on="pair_id")
    both = labels.drop_nulls(["llm_is_anomaly", "is_anomaly"])
    if both.height and (differ := both.filter(both["llm_is_anomaly"] != both["is_anomaly"]).height):
        lines.append(
            f"Source and language model differ on {differ:,} of {both.height:,} texts about normal or anomalous."
        )
    return lines


def _splits(job: ExportJob) -> list[str]:
    test = len(job.splits.get("test", []))
    lines = []
    if test < TRIVIAL_TEST:
        lines.append(f"With {test:,} test pairs its results are not comparable to those on the paper's 8,309.")
    if missing := [split for split in SPLITS if split not in job.splits]:
        lines.append(f"It has no pair in {' and '.join(missing)}.")
    return lines


def _span(values: Sequence[float], form: str) -> str:
    """Smallest to largest, or the one value."""
    low, high = format(min(values), form), format(max(values), form)
    return low if low == high else f"{low} to {high}"


def _families(job: ExportJob) -> set[str]:
    return {family(name or "unknown") for name in job.rows["generator"]}


def _approved(work: Workspace, job: ExportJob) -> bool:
    from svta_assets.clusters.versions import is_approved

    log = work.catalog.read("releases").filter(release=job.release.hash)
    return bool(log.height) and is_approved(work, str(log["taxonomy"][-1]))
