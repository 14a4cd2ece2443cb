"""`svta import`: an existing dataset as a release with its own split, in a home of its own.

Every row is checked before anything is written (`checking.py`). Then come the clips with their recipe cards, the
tables, and at the end the release: a stopped import has no release yet, and the same command goes on. A second import
of the same dataset changes nothing.

Imported clips are taken as they are: their cards hold no quality scores, so the gates judge only clips made later.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from svta_assets.clusters import versions
from svta_assets.clusters.taxonomy import KINDS, FinalCategory, as_taxonomy
from svta_assets.exports.checking import Pair, Reject, Say, check, write_rejects
from svta_assets.exports.placing import Place, place_pairs, taxonomy_of
from svta_assets.exports.records import Record
from svta_assets.exports.terms import IMPORTED
from svta_assets.gates import load_thresholds
from svta_assets.schemas import LABELS, SPLITS, TEXTS
from svta_assets.splits.release import write_splits_and_release
from svta_assets.texts.expand import sourced
from svta_assets.videos.plan import BASE_SEED
from svta_assets.videos.projection import project_clips
from svta_assets.workspace import Workspace, utc_now
from svta_models.identity import canonical_json, recipe_sha
from svta_models.media_store import sha256_hex
from svta_models.release import ReleaseError, name_release, release_names
from svta_resources.embedder import get_embedder
from svta_resources.errors import SvtaError
from svta_resources.video.clip_worker import ClipJob

STRATEGY = "imported"  # in `splits`: the dataset's own


class ImportRefused(SvtaError):
    """The home or the dataset cannot be used for this import."""


@dataclass(frozen=True)
class Choices:
    """What the user says besides: categories that are normal, and generation keys by category."""

    normal: Sequence[str] = ()
    keys: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Checked:
    """A dataset that was looked at; nothing of it is written yet."""

    name: str
    pairs: list[Pair]
    rejects: list[Reject]
    keys: dict[str, str]
    places: list[Place]

    @property
    def source(self) -> str:
        """Source of its texts and generator of its clips."""
        return source_of(self.name)

    @property
    def reasons(self) -> dict[str, int]:
        """Rejected rows by reason."""
        return dict(Counter(one.reason for one in self.rejects).most_common())


@dataclass(frozen=True)
class Imported:
    """What an import wrote: the release, whether it now has the dataset's name, and clips that were not there yet."""

    release: str
    named: bool
    made: int


def source_of(name: str) -> str:
    """Source of the texts, and generator of the clips, of an imported dataset."""
    return f"{IMPORTED}:{name}"


def check_dataset(
    work: Workspace, name: str, records: Sequence[Record], rejects_file: Path, choices: Choices, say: Say | None = None
) -> Checked:
    """Check every row and choose where its clip will lie; writes the CSV of rejects and nothing else.

    Raises ImportRefused where no row is left, or the home holds something else than this dataset.
    """
    _check_name(name)
    _check_home(work, name)
    pairs, rejects = check(records, source_of(name), choices.normal, say)
    write_rejects(rejects_file, rejects)
    if not pairs:
        first = f"; the first: {rejects[0].place}: {rejects[0].reason} ({rejects[0].detail})" if rejects else ""
        raise ImportRefused(f"none of {len(records)} rows can be imported{first}. {rejects_file} lists them.")
    settled = dict(work.catalog.read("clips").select("pair_id", "category").iter_rows())
    keys, places = place_pairs(pairs, choices.keys or {}, settled, get_embedder().encode)
    return Checked(name, pairs, rejects, keys, places)


def import_dataset(work: Workspace, checked: Checked, say: Say | None = None) -> Imported:
    """Write a checked dataset: clips, tables, and its release, named like the dataset."""
    made = _write_clips(work, checked, say)
    categories, of_pair = taxonomy_of(
        checked.pairs, checked.keys, _categories_before(work, checked), get_embedder().encode
    )
    _write_texts(work, checked, of_pair)
    _write_labels(work, checked, of_pair)
    _write_taxonomy(work, checked, categories)
    _write_splits(work, checked, of_pair)
    digest = write_splits_and_release(work).release
    _write_rejects(work, checked)
    taken = release_names(work.store).get(checked.name, digest)
    if taken == digest:
        name_release(work.store, checked.name, digest)
    return Imported(digest, taken == digest, made)


def _check_name(name: str) -> None:
    import re

    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9._-]{0,47}", name) or name == "latest":
        raise ReleaseError(f"{name!r} cannot name a dataset: use letters, digits, '.', '_' or '-', a letter first")


def _check_home(work: Workspace, name: str) -> None:
    """An imported dataset has its home to itself: its clips and ours are never one release."""
    described = work.catalog.read("descriptions").select("pair_id", "source")
    others = sorted({source or "?" for source in described["source"]} - {source_of(name)})
    known = set(described["pair_id"])
    strange = [pair for pair in work.catalog.read("clips")["pair_id"] if pair not in known] if not others else []
    if others or (strange and not _is_ours(work, name)):
        held = ", ".join(others) or "clips of other pairs"
        raise ImportRefused(
            f"{work.home.path} holds {held}: an imported dataset has a home of its own, set SVTA_HOME to a new folder"
        )


def _is_ours(work: Workspace, name: str) -> bool:
    """Whether all clips came with this dataset: a pair that left it keeps its clip."""
    first = work.catalog.read("clips").filter(take=0)
    return set(first["generator"]) <= {source_of(name)}


# -- clips -----------------------------------------------------------------------------------------------------------


def _write_clips(work: Workspace, checked: Checked, say: Say | None) -> int:
    """Copy each clip into the store with its recipe card; returns how many were not there yet."""
    made = 0
    have = {item.key for item in work.store.list("clips")}
    for number, pair in enumerate(checked.pairs, start=1):
        job = _job(checked, pair)
        if job.sidecar not in have or job.uri not in have:
            _write_clip(work, checked, pair, job)
            made += 1
        if say:
            say(f"{number}/{len(checked.pairs)} clips")
    for key in sorted(set(checked.keys.values()) | set(work.catalog.partitions("clips"))):
        project_clips(work.catalog, key, load_thresholds(work.profile.name))
    return made


def _job(checked: Checked, pair: Pair) -> ClipJob:
    """The clip as a finished job: its recipe is the file itself, so another file is another clip."""
    settings = {"name": IMPORTED, "dataset": checked.name, "sha256": pair.sha256}
    recipe = {"caption": pair.caption, "take": 0, "seed": BASE_SEED, "generator": settings}
    return ClipJob(pair.pair_id, 0, BASE_SEED, checked.keys[pair.pair_id], pair.caption, recipe)


def _write_clip(work: Workspace, checked: Checked, pair: Pair, job: ClipJob) -> None:
    try:
        data = pair.load()
    except OSError as error:
        raise ImportRefused(f"the clip of {pair.key} is gone since it was checked ({error}): run again") from error
    if sha256_hex(data) != pair.sha256:
        raise ImportRefused(f"the clip of {pair.key} changed since it was checked: run again")
    winner = work.store.put_new(job.uri, data)
    if winner != pair.sha256:
        raise ImportRefused(f"{job.uri} is there with other bytes: run `svta verify`, then import again")
    info = pair.info
    card: dict[str, Any] = {
        "clip_id": job.clip_id,
        "pair_id": pair.pair_id,
        "take": 0,
        "category": job.category,
        "caption": pair.caption,
        "uri": job.uri,
        "sha256": pair.sha256,
        "recipe_sha": job.recipe_sha,
        "generator": checked.source,
        "seed": BASE_SEED,
        "frames": info.frames,
        "fps": info.fps,
        "height": info.height,
        "width": info.width,
        "recipe": job.recipe,
        "provenance": {"key": pair.key, "imported": True},
        "made_at": datetime.now(UTC).isoformat(timespec="microseconds"),
    }
    work.store.put_new(job.sidecar, (canonical_json(card) + "\n").encode())


# -- tables ----------------------------------------------------------------------------------------------------------


def _write_texts(work: Workspace, checked: Checked, of_pair: Mapping[str, FinalCategory]) -> None:
    """Texts in a partition of their own, and descriptions by generation category."""
    rows = [
        {
            "text_id": pair.pair_id,
            "source": checked.source,
            "source_split": pair.split,
            "source_key": pair.key,
            "caption": pair.caption,
            "is_anomaly": pair.kind == "anomaly",
            "source_category": of_pair[pair.pair_id].name,  # in plain words, as its label says it
            "category": checked.keys[pair.pair_id],
            "flags": [],
        }
        for pair in checked.pairs
    ]
    texts = work.catalog.publish("texts", f"imported-{checked.name}", TEXTS.frame(rows))
    for key in _partitions(work, "descriptions", checked):
        work.catalog.publish("descriptions", key, sourced(texts.filter(category=key)))


def _write_labels(work: Workspace, checked: Checked, of_pair: Mapping[str, FinalCategory]) -> None:
    """The dataset's own category is each pair's name, a fact of its source."""
    current = dict(work.catalog.read("clips").filter("current").select("pair_id", "clip_id").iter_rows())
    rows: dict[str, list[dict[str, Any]]] = {key: [] for key in _partitions(work, "labels", checked)}
    for pair in checked.pairs:
        fact = {"name": of_pair[pair.pair_id].name, "is_anomaly": pair.kind == "anomaly"}
        origins = {"name_origin": "source", "is_anomaly_origin": "source"}
        key = checked.keys[pair.pair_id]
        made = {"pair_id": pair.pair_id, "category": key, "clip_id": current.get(pair.pair_id)}
        rows[key].append({**made, **fact, **origins, "recipe_sha": recipe_sha(fact)})
    for key, labels in rows.items():
        work.catalog.publish("labels", key, LABELS.frame(labels))


def _partitions(work: Workspace, table: str, checked: Checked) -> list[str]:
    """Partitions with rows now, and those of an earlier import that have none left."""
    return sorted(set(checked.keys.values()) | set(work.catalog.partitions(table)))


def _categories_before(work: Workspace, checked: Checked) -> list[FinalCategory]:
    from svta_assets.clusters.taxonomy import final_categories

    now = versions.current(work)
    return final_categories(now) if now.height else []


def _write_taxonomy(work: Workspace, checked: Checked, categories: Sequence[FinalCategory]) -> None:
    """The dataset's categories as the current, approved taxonomy version, and every pair's final category."""
    from svta_assets.clusters.taxonomy import inputs_sha

    labels = work.catalog.read("labels")
    wanted = {kind: sum(one.kind == kind for one in categories) for kind in KINDS}
    taxonomy = as_taxonomy(categories, labels, inputs_sha(labels, wanted))
    now = versions.current(work)
    if now.is_empty() or not now.equals(taxonomy.categories.select(now.columns)):
        figures = {kind: versions.Figures(k, k, None) for kind, k in wanted.items()}
        versions.record(work, taxonomy, versions.REVIEW, figures, by=checked.source)
    versions.approve(work, taxonomy.version, checked.source, "the imported dataset's own categories")
    work.catalog.publish("assignments", "all", taxonomy.assign(labels))


def _write_splits(work: Workspace, checked: Checked, of_pair: Mapping[str, FinalCategory]) -> None:
    """Every pair's split as the dataset has it; a pair that left the dataset keeps its own."""
    before = {row["pair_id"]: row for row in work.catalog.read("splits").iter_rows(named=True)}
    now = utc_now()
    for pair in checked.pairs:
        old = before.get(pair.pair_id)
        if old and (old["split"], old["strategy"]) == (pair.split, STRATEGY):
            continue
        facts = {"final_category": of_pair[pair.pair_id].slug, "assigned_at": now, "strategy": STRATEGY}
        before[pair.pair_id] = {"pair_id": pair.pair_id, "split": pair.split, **facts}
    work.catalog.publish("splits", "all", SPLITS.frame(list(before.values())))


def _write_rejects(work: Workspace, checked: Checked) -> None:
    rows = [
        {"stage": "import", "key": f"{one.place}: {one.key}", "reason": one.reason, "detail": one.detail}
        for one in checked.rejects
    ]
    work.catalog.publish("rejects", f"import.{checked.name}", rows)
