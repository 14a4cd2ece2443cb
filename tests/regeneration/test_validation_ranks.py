"""Validation ranks: of validation pairs only, once a checkpoint, and never of the controls."""

from pathlib import Path

import polars as pl
import pytest

from svta_assets.regeneration.validation import newest_validated, outdated, validate, validated
from svta_models.release import Release
from svta_resources.errors import SvtaError
from tests.stages.evaluated_home import MODEL, add_checkpoint, make_home, newest_release


def test_every_validation_pair_and_no_other_is_ranked_once(tmp_path: Path) -> None:
    work = make_home(tmp_path / "home")
    first = work.catalog.read("checkpoints", MODEL)["checkpoint_id"][0]
    assert outdated(work) == [MODEL]
    found = validate(work, MODEL, "cpu", print)
    rows = work.catalog.read("validation_ranks")
    frame = Release(work.store, newest_release(work)).frame
    expected = frame.filter(pl.col("split") == "val").select("pair_id", "category", "final_category", "clip_id")
    assert rows.select(expected.columns).sort("pair_id").equals(expected.sort("pair_id"))
    assert rows["split"].unique().to_list() == ["val"]
    assert rows["rank"].is_between(1, rows.height).all()
    assert (found.checkpoint_id, outdated(work)) == (first, [])
    share = 100 * rows.filter(pl.col("rank") <= 1).height / rows.height
    assert found.r1 == pytest.approx(share)

    second = add_checkpoint(work, "2", seed=1)
    assert outdated(work) == [MODEL]
    validate(work, MODEL, "cpu", print)
    assert [one.checkpoint_id for one in validated(work)] == [first, second]
    assert [one.checkpoint_id for one in newest_validated(work)] == [second]


def test_a_control_is_never_validated_and_a_model_without_a_checkpoint_says_so(tmp_path: Path) -> None:
    work = make_home(tmp_path / "home")
    rows = work.catalog.read("checkpoints", MODEL)
    work.catalog.publish("checkpoints", MODEL, rows.with_columns(recipe=pl.lit('{"shuffle_captions": true}')))
    assert outdated(work) == []
    with pytest.raises(SvtaError, match=f"model {MODEL} has no checkpoint"):
        validate(work, MODEL, "cpu", print)
