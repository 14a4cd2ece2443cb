"""A released home of three small categories whose validation was measured after all clips: all that a night needs."""

from pathlib import Path

import polars as pl

from svta_assets.splits.release import write_splits_and_release
from svta_assets.videos.plan import Mode
from svta_assets.workspace import Workspace, utc_now
from tests.stages.toy_category import ToyCategory

CATEGORIES = ("falling", "fire", "normal-03")
PAIRS = 10  # of each category: 7 train, 1 val, 2 test


def make_night_home(root: Path, promote: str = "auto") -> dict[str, ToyCategory]:
    """Categories by key, in one home with a release and a validated checkpoint that found nothing."""
    toys = open_night_home(root, promote)
    for toy in toys.values():
        toy.run()
    work = toys[CATEGORIES[0]].work
    finals, taxonomy = [], []
    for number, key in enumerate(CATEGORIES, start=1):
        kind = "normal" if key.startswith("normal") else "anomaly"
        final = {"final_category": f"{kind}-{number:02}-{key}", "kind": kind}
        current = toys[key].current
        labels = [{"pair_id": pair, "category": key, "name": key, "clip_id": clip} for pair, clip in current.items()]
        work.catalog.publish("labels", key, labels)
        finals += [{"pair_id": pair, "category": key, "group": "g", **final} for pair in current]
        taxonomy.append({"taxonomy": "v0", "number": number, "name": key, "names": [key], "pairs": PAIRS, **final})
    work.catalog.publish("assignments", "all", finals)
    work.catalog.publish("categories", "all", taxonomy)
    write_splits_and_release(work)
    measure(work, {})
    return toys


def open_night_home(root: Path, promote: str = "auto") -> dict[str, ToyCategory]:
    """The categories of a home that is there already, or of an empty one."""
    captions = {key: {f"{key}-p{n}": f"{key} number {n} happens." for n in range(PAIRS)} for key in CATEGORIES}
    return {key: ToyCategory(root, captions[key], promote=promote, category=key) for key in CATEGORIES}


def measure(work: Workspace, ranks: dict[str, float], checkpoint: str = "checkpoint-1") -> None:
    """Say that a checkpoint was trained on the latest release just now, with these ranks of validation pairs (else 2)."""
    from svta_models.release import Release, resolve

    release = Release(work.store, resolve(work.store))
    facts = {"checkpoint_id": checkpoint, "model": "clip4clip-meanp", "release": release.hash}
    known = work.catalog.read("checkpoints", "clip4clip-meanp")
    row = work.catalog.tables["checkpoints"].frame([{**facts, "recipe": "{}", "made_at": utc_now()}])
    work.catalog.publish("checkpoints", "clip4clip-meanp", pl.concat([known, row]))
    rows = [
        {**facts, "split": "val", "rank": ranks.get(pair["pair_id"], 2.0), "at": utc_now()}
        | {name: pair[name] for name in ("pair_id", "category", "final_category", "clip_id")}
        for pair in release.split("val").frame.iter_rows(named=True)
    ]
    before = work.catalog.read("validation_ranks", "clip4clip-meanp")
    new = work.catalog.tables["validation_ranks"].frame(rows)
    work.catalog.publish("validation_ranks", "clip4clip-meanp", pl.concat([before, new]))


def pairs_of_test(work: Workspace) -> set[str]:
    """Pairs of the test split."""
    return set(work.catalog.read("splits").filter(split="test")["pair_id"])


def remove(toy: ToyCategory, *pairs: str) -> None:
    """Take clips of pairs away as `svta gc` does: file, card and row."""
    rows = toy.clips.filter(pl.col("pair_id").is_in(pairs))
    uris = rows["uri"].to_list()
    toy.work.store.delete([*uris, *(uri.removesuffix(".mp4") + ".json" for uri in uris)])
    toy.work.catalog.publish("clips", toy.category, toy.clips.filter(~pl.col("pair_id").is_in(pairs)))


def carry_out(toys: dict[str, ToyCategory], mode: Mode, shares: dict[str, list[str]]) -> int:
    """Make what a part of a night asks for; returns the clips that were rendered."""
    made = 0
    for key, pairs in shares.items():
        made += toys[key].run(mode, pairs).made
    return made
