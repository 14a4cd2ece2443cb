"""Any order of making, promoting, discarding, rolling back, losing files and changing settings keeps the promises."""

import shutil
import tempfile
from pathlib import Path

import polars as pl
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from svta_assets.gates import load_thresholds
from svta_assets.videos.plan import Mode
from svta_assets.videos.projection import project_clips
from svta_assets.videos.takes import discard, promote, rollback
from svta_models.media_store import sha256_hex
from svta_resources.errors import SvtaError
from tests.stages.toy_category import CATEGORY, ToyCategory

PAIRS = {"a": "Fire.", "b": "Smoke.", "c": "Fire."}
_ONLY = st.none() | st.sets(st.sampled_from(sorted(PAIRS)), min_size=1).map(sorted)


class Takes(RuleBasedStateMachine):
    """One category through random days."""

    @initialize(promotes=st.sampled_from(["auto", "manual"]), still=st.sampled_from([0, 30]))
    def begin(self, promotes: str, still: int) -> None:
        self.root = Path(tempfile.mkdtemp())
        self.toy = ToyCategory(self.root, PAIRS, promote=promotes)
        self.toy.generator.still_share = still
        self.ever: set[str] = set()
        self.lost: set[str] = set()

    def teardown(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)

    def _project(self) -> None:
        project_clips(self.toy.work.catalog, CATEGORY, load_thresholds("demo"))

    @rule(mode=st.sampled_from(Mode), only=_ONLY)
    def make(self, mode: Mode, only: list[str] | None) -> None:
        outcome = self.toy.run(mode, only)
        made = {job.clip_id for job in outcome.plan.jobs}
        assert outcome.made == len(made) == len(outcome.plan.jobs)
        repairs = self.lost if mode is Mode.MISSING else set()
        assert not made & (self.ever - repairs), "a take number was used twice"
        if only is not None:
            assert {job.pair_id for job in outcome.plan.jobs} <= set(only)
        self.ever |= made
        self.lost -= made
        if mode is Mode.MISSING:
            assert self.toy.plan(Mode.MISSING, only).jobs == (), "what was missing is there now"

    @rule(only=_ONLY)
    def promote(self, only: list[str] | None) -> None:
        before = self.toy.current
        promoted = promote(self.toy.work.catalog, CATEGORY, "ann", only)
        self._project()
        changed = {pair for pair, clip in self.toy.current.items() if before.get(pair) != clip}
        assert len(changed) == promoted
        if promoted:
            rollback(self.toy.work.catalog, CATEGORY, "ann")
            self._project()
            assert self.toy.current == before, "a rollback restores what stood before"

    @rule(only=_ONLY)
    def discard(self, only: list[str] | None) -> None:
        before = self.toy.current
        discard(self.toy.work.catalog, CATEGORY, "ann", only)
        self._project()
        assert self.toy.current == before

    @rule()
    def roll_back(self) -> None:
        try:
            rollback(self.toy.work.catalog, CATEGORY, "ann")
        except SvtaError:
            return
        self._project()

    @rule(style=st.sampled_from(["plain", "baroque"]), library=st.sampled_from(["1.0", "2.0"]))
    def change_settings(self, style: str, library: str) -> None:
        self.toy.generator.style, self.toy.generator.library = style, library

    @precondition(lambda self: self.toy.clips.height > 0)
    @rule(data=st.data())
    def lose_a_file(self, data: st.DataObject) -> None:
        clip = data.draw(st.sampled_from(self.toy.clips["clip_id"].to_list()))
        self.toy.file(clip).unlink()
        self.lost.add(clip)
        self._project()

    @invariant()
    def one_accepted_clip_stands_for_each_pair_that_has_one(self) -> None:
        clips = self.toy.clips
        standing = clips.filter("current")
        assert standing["pair_id"].is_unique().all()
        assert set(standing["status"]) <= {"accepted"}
        assert set(standing["pair_id"]) == set(clips.filter(pl.col("status") == "accepted")["pair_id"])

    @invariant()
    def rows_and_files_agree(self) -> None:
        clips = self.toy.clips
        assert clips["clip_id"].is_unique().all()
        assert clips["uri"].is_unique().all()
        for row in clips.iter_rows(named=True):
            assert sha256_hex(self.toy.work.store.get(row["uri"])) == row["sha256"]


TestTakes = Takes.TestCase
TestTakes.settings = settings(  # no shrinking: every example writes real files, and the printed steps are short
    max_examples=30, stateful_step_count=20, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate)
)
