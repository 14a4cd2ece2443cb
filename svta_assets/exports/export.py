"""`svta export`: a release as WebDataset shards, for Hugging Face's `datasets`, or in the layout of MSR-VTT."""

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from svta_assets.exports import huggingface, msrvtt, webdataset
from svta_assets.exports.files import PlannedFile, Say, Written, write_files
from svta_assets.exports.job import ExportJob, open_job
from svta_assets.exports.terms import term_lines
from svta_assets.workspace import Workspace
from svta_resources.errors import SvtaError

FORMATS = ("webdataset", "huggingface", "msrvtt")
SHARD_CLIPS = 1000  # about 1 GB of the paper's clips


@dataclass(frozen=True)
class Settings:
    """How to write it: clips a shard (webdataset, huggingface), and silent mp3 files for GRAM's loader (msrvtt)."""

    shard_clips: int = SHARD_CLIPS
    silent_audio: bool = False


def export_release(
    work: Workspace,
    form: str,
    folder: Path,
    ref: str = "latest",
    settings: Settings | None = None,
    say: Say | None = None,
) -> tuple[ExportJob, Written]:
    """Write a release (latest, a name or a hash) in one of `FORMATS` into a folder; run again, it carries on.

    The same release, settings and library versions give the same bytes.

    Raises:
        DamagedClip: a clip is missing or differs from the release; what was finished stays, without a manifest.
        ExportError: the folder holds something else, or cannot be written.
    """
    settings = settings or Settings()
    if form not in FORMATS:
        raise SvtaError(f"no export format {form!r}: choose one of {', '.join(FORMATS)}")
    if settings.shard_clips < 1:
        raise SvtaError(f"{settings.shard_clips} clips a shard cannot be: choose 1 or more")
    job = open_job(work, ref)
    terms = term_lines(job.rows["source"], job.rows["generator"])
    files, facts = _planned(form, job, settings, terms)
    identity = {"format": form, "release": job.release.hash, "settings": _settings_of(form, settings)}
    return job, write_files(folder, identity, files, {**_facts(job, terms), **facts}, say)


def _planned(
    form: str, job: ExportJob, settings: Settings, terms: list[str]
) -> tuple[list[PlannedFile], dict[str, Any]]:
    """The files of a format, and what its manifest says besides."""
    match form:
        case "webdataset":
            return webdataset.plan(job, settings.shard_clips), webdataset.manifest(job, settings.shard_clips)
        case "huggingface":
            return huggingface.plan(job, settings.shard_clips, terms), huggingface.manifest(job)
        case _:
            return msrvtt.plan(job, settings.silent_audio), msrvtt.manifest(job)


def _settings_of(form: str, settings: Settings) -> dict[str, Any]:
    if form == "msrvtt":
        return {"silent_audio": settings.silent_audio}
    return {"shard_clips": settings.shard_clips}


def _facts(job: ExportJob, terms: list[str]) -> dict[str, Any]:
    """What every manifest says of the release. No times: equal exports are equal."""
    rows = job.rows
    return {
        "release_names": job.names,
        "pairs": rows.height,
        "pairs_by_split": {split: len(part) for split, part in job.splits.items()},
        "pairs_by_kind": dict(rows["kind"].value_counts().sort("kind").iter_rows()),
        "final_categories": rows["final_category"].n_unique(),
        "generators": sorted({name or "unknown" for name in rows["generator"]}),
        "terms": terms,
        "svta_version": version("svta"),
    }
