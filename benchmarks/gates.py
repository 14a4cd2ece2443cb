"""Precision and recall of each clip gate on clips damaged on purpose: `python benchmarks/gates.py` after `make demo`.

The clips are those of the home in the environment (the demo's by default), which is only read. 200 clips are damaged
in each way, encoded as clips are, and judged as `videos` judges them; all undamaged clips stand against them.
"""

import random
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from svta_assets.gates import load_thresholds
from svta_assets.videos.similarity import clip_similarities, newest_checkpoint, open_checkpoint
from svta_assets.videos.verdicts import judge
from svta_assets.workspace import Workspace, open_workspace
from svta_models.frames import decode_video
from svta_models.release import Release
from svta_resources.video.encode import encode_mp4
from svta_resources.video.generator import open_generator
from svta_resources.video.scores import examine

DAMAGED = 200
SEED = 42
FORMER_MOTION_MIN = 0.15
SIMILARITY_MINIMA = (0.0, 0.1, 0.2, 0.3, 0.4)
Card = dict[str, Any]
ONE_WORD = (
    ("man", "woman"), ("woman", "man"), ("boy", "girl"), ("girl", "boy"), ("red", "blue"), ("blue", "green"),
    ("green", "red"), ("grey", "white"), ("black", "brown"), ("white", "yellow"), ("brown", "orange"),
    ("yellow", "pink"), ("night", "noon"), ("dusk", "night"), ("park", "street"),
)  # fmt: skip


def main() -> None:
    """Print the tables."""
    work = open_workspace()
    rows = work.catalog.read("clips").sort("clip_id").to_dicts()
    if len(rows) < 2 * DAMAGED:
        print(f"{len(rows)} clips in {work.home.path}; {2 * DAMAGED} are needed: run `make demo` first")
        return
    random.seed(SEED)
    rng = np.random.default_rng(SEED)
    thresholds = dict(load_thresholds(work.profile.name))
    clean = [card_of(row, work.store.get(row["uri"])) for row in rows]
    chosen = random.sample(range(len(rows)), DAMAGED)
    print(f"{len(rows)} undamaged clips of {work.home.path.name}, {DAMAGED} damaged in each way\n")
    print(f"{'damage':34} {'gate':16} {'recall':>7} {'precision':>9}  undamaged rejected   deciding score")
    for name, gate, score, damage in DAMAGES:
        hurt = [card_of(rows[i], damage(work.store.get(rows[i]["uri"]), rng)) for i in chosen]
        report(name, gate, score, hurt, clean, thresholds)
        if gate == "static":
            plain_motion(hurt, clean)
    repeated(work, rows, clean, thresholds, rng)
    one_word_apart(rows, thresholds)
    swapped_captions(work)


def card_of(row: Card, mp4: bytes) -> Card:
    """The card that this file would have got."""
    kept = ("clip_id", "pair_id", "take", "caption", "recipe_sha", "same_pixels_as", "category")
    shape = {name: row[name] for name in ("frames", "height", "width", "fps")}
    return {**{name: row[name] for name in kept}, **examine(mp4, shape)}


# -- damage: a published file in, the file a faulty generator or disk would have left out -----------------------------


def _frames(change: Callable[[np.ndarray, np.random.Generator], np.ndarray]) -> Callable[..., bytes]:
    def damage(mp4: bytes, rng: np.random.Generator) -> bytes:
        changed = change(decode_video(mp4).astype(np.float32), rng)
        return encode_mp4(np.clip(np.rint(changed), 0, 255).astype(np.uint8), 15)

    return damage


def _still(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.repeat(frames[rng.integers(len(frames))][None], len(frames), axis=0)


def _still_noisy(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return _still(frames, rng) + rng.normal(0, rng.uniform(1, 8), (*frames.shape[:3], 1))


def _still_fading(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return _still(frames, rng) + np.linspace(0, rng.uniform(5, 30), len(frames))[:, None, None, None]


def _flat(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return frames.mean(axis=(1, 2), keepdims=True) + rng.normal(0, 2, frames.shape)


def _strobe(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    changed = frames.copy()
    changed[1::2] *= rng.uniform(0, 0.4)
    return changed


def _cut(mp4: bytes, rng: np.random.Generator) -> bytes:
    return mp4[: int(len(mp4) * rng.uniform(0.05, 0.98))]


DAMAGES: tuple[tuple[str, str, str | None, Callable[..., bytes]], ...] = (
    ("frozen: one frame repeated", "static", "movement", _frames(_still)),
    ("frozen, noise of deviation 1 to 8", "static", "movement", _frames(_still_noisy)),
    ("frozen, slowly brightening", "static", "movement", _frames(_still_fading)),
    ("black (3% of the light left)", "black", "brightness", _frames(lambda frames, _: frames * 0.03)),
    ("white (3% of the dark left)", "white", "brightness", _frames(lambda frames, _: 255 - (255 - frames) * 0.03)),
    ("flat: one colour with noise", "flat", "contrast", _frames(_flat)),
    ("flickering: every other frame dark", "flickering", "flicker", _frames(_strobe)),
    ("file cut off at 5% to 98%", "decodes, whole", None, _cut),
    (
        "last third of the frames missing",
        "decodes, whole",
        None,
        _frames(lambda frames, _: frames[: len(frames) * 2 // 3]),
    ),
)


# -- reports ----------------------------------------------------------------------------------------------------------


def report(
    name: str, gate: str, score: str | None, hurt: list[Card], clean: list[Card], thresholds: dict[str, Any]
) -> None:
    """One line: a damaged clip counts as found when its own gate gives the reason."""
    reasons = ("does not decode", "has ") if score is None else gate
    found = sum(_reason(card, thresholds).startswith(reasons) for card in hurt)
    wrong = sum(_reason(card, thresholds).startswith(reasons) for card in clean)
    says = ""
    if score:
        mine, theirs = [card[score] for card in hurt], [card[score] for card in clean]
        says = f"{score}: damaged {min(mine):.2f} to {max(mine):.2f}, undamaged {min(theirs):.2f} to {max(theirs):.2f}"
    _line(name, gate, found, len(hurt), wrong, len(clean), says)


def plain_motion(hurt: list[Card], clean: list[Card]) -> None:
    """What the mean difference of frames alone would find, at the threshold that it used to have."""
    found, wrong = (sum(card["motion"] < FORMER_MOTION_MIN for card in cards) for cards in (hurt, clean))
    mine, theirs = [card["motion"] for card in hurt], [card["motion"] for card in clean]
    says = f"motion: damaged {min(mine):.2f} to {max(mine):.2f}, undamaged {min(theirs):.2f} to {max(theirs):.2f}"
    _line("  by motion < 0.15 instead", "static", found, len(hurt), wrong, len(clean), says)


def _reason(card: Card, thresholds: dict[str, Any]) -> str:
    return judge([card], thresholds)[card["clip_id"]]["reject_reason"] or ""


def _line(name: str, gate: str, found: int, hurt: int, wrong: int, clean: int, says: str) -> None:
    precision = found / (found + wrong) if found + wrong else float("nan")
    print(f"{name:34} {gate:16} {found / hurt:7.1%} {precision:9.1%}  {wrong:4} of {clean}          {says}")


def repeated(
    work: Workspace, rows: list[Card], clean: list[Card], thresholds: dict[str, Any], rng: np.random.Generator
) -> None:
    """Clips that show another clip's pictures, in four disguises; one of the two must be rejected, nobody else."""
    order = random.sample(range(len(rows)), len(rows))
    copies, originals = order[:DAMAGED], order[DAMAGED : 2 * DAMAGED]
    false = _duplicates(clean, thresholds)
    for name, change, quality in DISGUISES:
        cards = dict(enumerate(clean))
        for copy, original in zip(copies, originals, strict=True):
            frames = change(decode_video(work.store.get(rows[original]["uri"])).astype(np.float32), rng)
            mp4 = encode_mp4(np.clip(np.rint(frames), 0, 255).astype(np.uint8), 15, quality)
            cards[copy] = card_of(rows[copy], mp4)
        flagged = _duplicates(list(cards.values()), thresholds)
        pairs = [
            {rows[copy]["clip_id"], rows[original]["clip_id"]} for copy, original in zip(copies, originals, strict=True)
        ]
        found = sum(bool(flagged & pair) for pair in pairs)
        wrong = len(flagged - set().union(*pairs))
        _line(f"repeated, {name}", "near-duplicate", found, DAMAGED, wrong, len(clean) - 2 * DAMAGED, "")
    print(f"{'':34} among the {len(clean)} undamaged clips alone: {len(false)} near-duplicates")


DISGUISES: tuple[tuple[str, Callable[..., np.ndarray], float], ...] = (
    ("encoded at crf 28", lambda frames, _: frames, 4.5),
    ("encoded at crf 35", lambda frames, _: frames, 3),
    ("noise of deviation 8", lambda frames, rng: frames + rng.normal(0, 8, frames.shape), 6),
    ("6% more contrast", lambda frames, _: frames * 1.06 + 4, 6),
)


def _duplicates(cards: list[Card], thresholds: dict[str, Any]) -> set[str]:
    verdicts = judge(cards, thresholds)
    return {clip for clip, found in verdicts.items() if (found["reject_reason"] or "").startswith("near-duplicate")}


def one_word_apart(rows: list[Card], thresholds: dict[str, Any]) -> None:
    """The hardest undamaged clips: captions that differ in one word, drawn by the procedural generator."""
    generator, wrong, total = open_generator("procedural"), 0, 0
    for row, other in _changed_captions(rows):
        cards = []
        for place, caption in enumerate((row["caption"], other)):
            frames = generator.generate(caption, SEED, category=row["category"])
            facts = {"clip_id": f"{place}-0", "pair_id": str(place), "caption": caption, "recipe_sha": str(place)}
            shape = {"frames": len(frames), "height": frames.shape[1], "width": frames.shape[2], "fps": 15.0}
            cards.append(card_of({**row, **facts, **shape, "same_pixels_as": None}, encode_mp4(frames, 15)))
        wrong += len(_duplicates(cards, thresholds))
        total += 1
    print(f"{'':34} captions one word apart, drawn anew: {wrong} of {total} pairs taken for near-duplicates")


def _changed_captions(rows: list[Card]) -> Iterator[tuple[Card, str]]:
    found = []
    for row in rows:
        words = [(old, new) for old, new in ONE_WORD if re.search(rf"\b{old}\b", row["caption"])]
        if words:
            old, new = random.choice(words)
            found.append((row, re.sub(rf"\b{old}\b", new, row["caption"], count=1)))
    yield from random.sample(found, min(DAMAGED, len(found)))


def swapped_captions(work: Workspace) -> None:
    """Held-out pairs against the same clips with a caption of another final category, by the newest checkpoint."""
    if work.catalog.read("checkpoints").is_empty():
        print("swapped caption: no checkpoint in this home, so not measured")
        return
    name = newest_checkpoint(work)
    checkpoint = open_checkpoint(work.store, name)
    pairs = Release(work.store, checkpoint.release).frame.filter(pl.col("split") != "train").sort("pair_id")
    own = clip_similarities(checkpoint, work.store, pairs)
    swapped = clip_similarities(checkpoint, work.store, _swapped(pairs))
    print(f"\nswapped caption, similarity by {name} on the {pairs.height} pairs it was not trained on:")
    for least in SIMILARITY_MINIMA:
        found, wrong = sum(value < least for value in swapped), sum(value < least for value in own)
        _line(f"another category's caption, {least:.1f}", "does not fit", found, pairs.height, wrong, pairs.height, "")


def _swapped(pairs: pl.DataFrame) -> pl.DataFrame:
    rows = pairs.to_dicts()
    captions = [
        random.choice([other["caption"] for other in rows if other["final_category"] != row["final_category"]])
        for row in rows
    ]
    return pairs.with_columns(caption=pl.Series(captions))


if __name__ == "__main__":
    main()
