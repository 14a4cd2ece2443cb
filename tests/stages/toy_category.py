"""A category whose clips cost milliseconds: everything is real but the generator, which draws sixteen pixels."""

import hashlib
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from svta_assets.videos.plan import Mode, Plan
from svta_assets.videos.produce import Outcome, plan_category, produce
from svta_assets.workspace import Workspace, prepare_workspace
from svta_resources.profiles import PROFILES, Home
from svta_resources.video.clip_worker import ClipWorker
from svta_resources.video.pool import InlinePool

CATEGORY = "fire"


class ToyGenerator:
    """Noise by caption and seed. `still` decides which (caption, seed) give a clip that the gates reject."""

    def __init__(self) -> None:
        self.style = "plain"
        self.library = "1.0"
        self.still: Collection[tuple[str, int]] = ()
        self.still_share = 0
        self.broken: Collection[str] = ()
        self.calls = 0

    def generate(self, caption: str, seed: int, *, category: str | None = None) -> np.ndarray:
        if caption in self.broken:
            raise RuntimeError(f"no picture for {caption}")
        self.calls += 1
        digest = hashlib.sha256(f"{caption}/{seed}/{self.style}".encode()).digest()
        frames = np.random.default_rng(list(digest)).integers(30, 225, (3, 16, 16, 3), dtype=np.uint8)
        if (caption, seed) in self.still or digest[0] % 100 < self.still_share:
            frames[:] = frames[0]
        return frames

    def recipe(self) -> dict[str, Any]:
        return {"name": "toy", "style": self.style, "fps": 8, "frames": 3, "height": 16, "width": 16}

    def provenance(self) -> dict[str, Any]:
        return {"library": self.library}


class ToyCategory:
    """One category of a home, with the calls that `videos` and `svta regen` make."""

    def __init__(
        self,
        root: Path,
        captions: dict[str, str],
        promote: str = "auto",
        category: str = CATEGORY,
        media_url: str | None = None,
    ) -> None:
        profile = replace(PROFILES["demo"], promote=promote)
        self.work: Workspace = prepare_workspace(Home(profile, root, media_url or str(root)))
        self.category = category
        self.generator = ToyGenerator()
        self.work.__dict__["generator"] = self.generator  # where the workspace keeps the opened one
        rows = [
            {"pair_id": pair, "category": category, "caption": text, "origin": "source"}
            for pair, text in captions.items()
        ]
        self.work.catalog.publish("descriptions", category, rows)

    def plan(self, mode: Mode = Mode.MISSING, only: Collection[str] | None = None) -> Plan:
        return plan_category(self.work, self.category, mode, only)

    def run(self, mode: Mode = Mode.MISSING, only: Collection[str] | None = None) -> Outcome:
        pool = InlinePool(lambda: ClipWorker(self.generator, self.work.store, "toy"))
        return produce(self.work, self.category, mode, only, pool, lambda done, total: None)

    @property
    def clips(self) -> pl.DataFrame:
        return self.work.catalog.read("clips", self.category).sort("clip_id")

    @property
    def current(self) -> dict[str, str]:
        """pair_id -> clip_id of what stands."""
        return dict(self.clips.filter("current").select("pair_id", "clip_id").iter_rows())

    def file(self, clip: str) -> Path:
        row = self.clips.filter(pl.col("clip_id") == clip).row(0, named=True)
        path = self.work.store.local_path(row["uri"])
        assert path is not None
        return path
