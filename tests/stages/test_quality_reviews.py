"""Clip review: who is looked at, what is said of them, and the share that people accept."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from svta_assets.reviewing import draw_sample, wilson_interval
from svta_assets.videos.pages import summary_line, write_sample_page
from svta_assets.videos.plan import Mode
from svta_assets.videos.reviews import SHARE, record_review, review_summary, reviewable
from svta_assets.videos.similarity import clip_similarities, newest_checkpoint, open_checkpoint, score_missing
from svta_assets.videos.verdicts import newest_reviews
from svta_models.errors import SvtaError
from svta_models.release import Release, write_release
from tests.models.synthetic import make_release_rows
from tests.stages.toy_category import CATEGORY, ToyCategory

CAPTIONS = {f"p{n}": f"House {n} burns." for n in range(6)}


@pytest.fixture
def toy(tmp_path: Path) -> ToyCategory:
    made = ToyCategory(tmp_path / "home", CAPTIONS)
    made.run()
    return made


def clips_of(sizes: dict[str, int]) -> pl.DataFrame:
    rows = [
        {"clip_id": f"{key}{n}-0", "pair_id": f"{key}{n}", "category": key, "caption": "x", "uri": f"clips/{key}/{n}"}
        for key, size in sizes.items()
        for n in range(size)
    ]
    return pl.DataFrame(rows)


SIZES = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 300), min_size=1)


@settings(max_examples=40, deadline=None)
@given(SIZES, st.sampled_from([0.01, 0.1, 0.5, 1.0]), st.integers(0, 3))
def test_a_sample_takes_from_every_category_in_proportion(sizes: dict[str, int], share: float, seed: int) -> None:
    sample = draw_sample(clips_of(sizes), share, seed)
    taken = dict(sample["category"].value_counts().iter_rows())
    assert set(taken) == set(sizes)
    for key, size in sizes.items():
        assert taken[key] >= 1
        assert abs(taken[key] - size * share) < 1 or taken[key] == 1
    assert sample["clip_id"].n_unique() == sample.height
    assert sample.height >= sum(sizes.values()) * share - 1e-9
    assert sample.equals(draw_sample(clips_of(sizes).sample(fraction=1, shuffle=True, seed=5), share, seed))


def test_another_seed_draws_others_and_a_grown_dataset_keeps_most() -> None:
    clips = clips_of({"a": 1000})
    first = set(draw_sample(clips, SHARE)["clip_id"])
    assert len(first) == 10
    assert len(first & set(draw_sample(clips, SHARE, seed=7)["clip_id"])) < 5
    grown = set(draw_sample(clips_of({"a": 1100}), SHARE)["clip_id"])
    assert len(grown) == 11
    assert len(first & grown) >= 7


@pytest.mark.parametrize("share", [0.0, -0.1, 1.5])
def test_an_impossible_share_is_refused(share: float) -> None:
    with pytest.raises(SvtaError, match="give a share above 0"):
        draw_sample(clips_of({"a": 3}), share)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 500).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))))
def test_the_interval_is_wilsons(case: tuple[int, int]) -> None:
    expected = binomtest(*case).proportion_ci(method="wilson")
    assert wilson_interval(*case) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_a_rejection_is_a_row_and_rejects_the_clip_until_it_is_undone(toy: ToyCategory) -> None:
    assert record_review(toy.work, ["p1-0"], "reject", "ann", "no fire in it") == {CATEGORY: 1}
    row = toy.clips.filter(pl.col("clip_id") == "p1-0").row(0, named=True)
    assert (row["status"], row["reject_reason"], row["current"]) == ("rejected", "reviewer ann: no fire in it", False)
    assert "p1" not in toy.current
    record_review(toy.work, ["p1-0"], "undo", "bob")
    assert toy.current["p1"] == "p1-0"
    log = toy.work.catalog.read("clip_reviews", CATEGORY).sort("at")
    assert log.select("verdict", "by").rows() == [("reject", "ann"), ("undo", "bob")]


def test_a_reviewers_reject_can_be_retried(toy: ToyCategory) -> None:
    record_review(toy.work, ["p1-0"], "reject", "ann", "no fire in it")
    assert toy.run(Mode.RETRY_REJECTED).made == 1
    assert toy.current["p1"] == "p1-1"


def test_keeping_a_clip_does_not_overrule_a_gate(toy: ToyCategory) -> None:
    toy.generator.still = {("Ruin burns.", 42)}
    rows = toy.work.catalog.read("descriptions", CATEGORY).to_dicts()
    still = {**rows[0], "pair_id": "p9", "caption": "Ruin burns."}
    toy.work.catalog.publish("descriptions", CATEGORY, [*rows, still])
    toy.run()
    record_review(toy.work, ["p9-0"], "keep", "ann")
    assert "p9" not in toy.current


def test_a_verdict_counts_only_for_the_clip_that_was_looked_at(toy: ToyCategory) -> None:
    """A lost clip remade under other settings keeps its name and shows other pictures."""
    record_review(toy.work, ["p1-0"], "reject", "ann", "no fire in it")
    toy.file("p1-0").unlink()
    toy.generator.style = "baroque"
    toy.run()
    assert toy.current["p1"] == "p1-0"


def test_nothing_is_recorded_when_any_of_it_is_wrong(toy: ToyCategory) -> None:
    with pytest.raises(SvtaError, match="no clip p77-0"):
        record_review(toy.work, ["p1-0", "p77-0"], "keep", "ann")
    with pytest.raises(SvtaError, match="needs a reason"):
        record_review(toy.work, ["p1-0"], "reject", "ann", "  ")
    with pytest.raises(SvtaError, match="keep, reject or undo"):
        record_review(toy.work, ["p1-0"], "maybe", "ann")
    assert toy.work.catalog.read("clip_reviews").is_empty()


def test_the_summary_counts_the_sample_and_nothing_else(toy: ToyCategory) -> None:
    digest, clips = reviewable(toy.work)
    assert (digest, clips.height) == (None, 6)
    sample = draw_sample(clips, 0.5)["clip_id"].to_list()
    others = sorted(set(clips["clip_id"]) - set(sample))
    empty = review_summary(toy.work, share=0.5)
    assert (empty.sample, empty.reviewed, empty.accepted_share, empty.low) == (3, 0, None, None)
    assert summary_line(empty) == "0 of 3 clips of the sample reviewed"
    record_review(toy.work, [*sample[:2], *others], "keep", "ann")
    found = review_summary(toy.work, share=0.5)
    assert (found.reviewed, found.kept, found.rejected, found.accepted_share) == (2, 2, 0, 1.0)
    assert (found.low, found.high) == wilson_interval(2, 2)
    assert found.as_dict()["pairs"] == 6
    record_review(toy.work, sample[:1], "undo", "ann")
    assert review_summary(toy.work, share=0.5).reviewed == 1


def test_a_rejected_clip_stays_in_the_sample_of_its_release(tmp_path: Path) -> None:
    """Otherwise the accepted share of what was looked at would always be 100%."""
    from tests.cli.conftest import CAPTIONS as TWELVE
    from tests.cli.conftest import release_of

    toy = ToyCategory(tmp_path / "home", TWELVE)
    toy.run()
    digest = release_of(toy)
    sample = draw_sample(reviewable(toy.work)[1], 0.25)["clip_id"].to_list()
    record_review(toy.work, sample[:1], "reject", "ann", "blurred")
    record_review(toy.work, sample[1:], "keep", "ann")
    found = review_summary(toy.work, digest, 0.25)
    assert (found.release, found.sample, found.kept, found.rejected) == (digest, 3, 2, 1)
    release_of(toy)
    assert review_summary(toy.work, digest, 0.25) == found, "the numbers of a release do not move with the next one"


def test_the_sample_page_shows_clips_captions_and_verdicts(toy: ToyCategory) -> None:
    record_review(toy.work, ["p1-0"], "reject", "ann", "no <b>fire</b>")
    sample = toy.clips.select("clip_id", "pair_id", "category", "caption", "uri")
    said = {clip: row for (clip, _), row in newest_reviews(toy.work.catalog).items()}
    page = write_sample_page(toy.work, sample, said, review_summary(toy.work, share=1.0)).read_text()
    assert page.count("data:image/webp") == 6
    assert "no &lt;b&gt;fire&lt;/b&gt;" in page
    for clip, caption in sample.select("clip_id", "caption").iter_rows():
        assert clip in page
        assert caption in page


# -- similarity ------------------------------------------------------------------------------------------------------


@pytest.fixture
def checkpointed(toy: ToyCategory) -> ToyCategory:
    """The category beside a small trained model."""
    from svta_models.recipe import Recipe
    from svta_models.training import train

    store = toy.work.store
    release = Release(store, write_release(store, make_release_rows(store, per_scene=3, scenes=6)))
    trained = train(release, store, "checkpoints/clip4clip-meanp", Recipe(epochs=2), seed=42)
    row = {"checkpoint_id": trained.checkpoint_id, "model": "clip4clip-meanp", "made_at": "2026"}
    toy.work.catalog.publish("checkpoints", "clip4clip-meanp", [row])
    return toy


def test_similarities_are_scored_once_per_checkpoint_and_kept_beside_the_cards(checkpointed: ToyCategory) -> None:
    work = checkpointed.work
    name = newest_checkpoint(work)
    cards = {item.key: work.store.get(item.key) for item in work.store.list("clips/fire") if item.key.endswith(".json")}
    assert score_missing(work, name) == 6
    assert score_missing(work, name) == 0
    log = work.catalog.read("clip_similarities", CATEGORY).sort("clip_id")
    assert log["checkpoint"].unique().to_list() == [name]
    direct = clip_similarities(open_checkpoint(work.store, name), work.store, checkpointed.clips)
    assert log["similarity"].to_list() == direct
    assert all(-1 <= value <= 1 for value in direct)
    assert len(set(direct)) > 1
    assert {key: work.store.get(key) for key in cards} == cards


def test_a_similarity_equals_the_evaluations_up_to_its_scale(checkpointed: ToyCategory) -> None:
    """The same frames, the same text, the same towers as the evaluation."""
    import numpy as np

    from svta_models.dataset import decode_split
    from svta_models.evaluation import encode_split, similarity_of

    store, checkpoint = (
        checkpointed.work.store,
        open_checkpoint(checkpointed.work.store, newest_checkpoint(checkpointed.work)),
    )
    split = Release(store, checkpoint.release).split("test")
    config, recipe = checkpoint.model.config, checkpoint.recipe
    clips = decode_split(split, recipe["max_frames"], config.image, config.fit)
    matrix = similarity_of(
        checkpoint.model, *encode_split(checkpoint.model, checkpoint.tokenizer, clips, recipe["max_words"])
    )
    cosine = np.asarray(clip_similarities(checkpoint, store, split.frame))
    scale = np.diagonal(matrix) / cosine
    assert scale == pytest.approx(np.full(len(split), scale[0]), rel=1e-3)


def test_a_checkpoint_that_does_not_exist_is_named(toy: ToyCategory) -> None:
    with pytest.raises(SvtaError, match="no checkpoint yet"):
        newest_checkpoint(toy.work)
    with pytest.raises(SvtaError, match="<model>/<id>"):
        open_checkpoint(toy.work.store, "abc")
    with pytest.raises(SvtaError, match="checkpoints/clip4clip-meanp/abc"):
        open_checkpoint(toy.work.store, "clip4clip-meanp/abc")
