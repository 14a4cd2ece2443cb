"""`svta review descriptions`: the queue, verdicts by option and by file, and what a dropped description costs: nothing."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from svta_assets.texts.describe import describe_category
from svta_assets.texts.drops import newest_verdicts, review_counts, review_queue
from svta_assets.videos.plan import Mode
from svta_assets.videos.produce import plan_category
from svta_assets.workspace import Workspace, prepare_workspace
from svta_resources.profiles import PROFILES, Home, home_from
from tests.cli.conftest import Svta

KEY = "fighting"


def text(name: str, caption: str) -> dict[str, object]:
    return {"text_id": name, "source": "uca", "caption": caption, "is_anomaly": True, "category": KEY}


@pytest.fixture
def described(home: Home, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Two collected texts and the twelve written descriptions of a category; no clip yet."""
    monkeypatch.setitem(PROFILES, "demo", replace(PROFILES["demo"], descriptions_per_seed=12))
    work = prepare_workspace(home_from())
    work.catalog.publish("texts", "all", [text("t1", "Two men fight."), text("t2", "A blurred picture.")])
    describe_category(work, KEY, "run1")
    return work


def rows(work: Workspace) -> pl.DataFrame:
    return Workspace(work.home).catalog.read("descriptions", KEY)


def written(work: Workspace) -> list[str]:
    return rows(work).filter(pl.col("origin") == "llm").sort("slot")["pair_id"].to_list()


def test_the_queue_is_listed_by_slot_and_shrinks_with_every_verdict(described: Workspace, svta: Svta) -> None:
    count = described.profile.descriptions_per_seed
    code, out, err = svta("review", "descriptions", KEY, "--next", "2")
    assert code == 0, err
    pairs = written(described)
    assert [line.split()[0] for line in out.splitlines() if KEY in line] == pairs[:2]
    assert f"2 of {count} descriptions that nobody has judged" in out
    assert svta("review", "descriptions", "--keep", pairs[0], "--by", "ann")[0] == 0
    out = svta("review", "descriptions", "--list")[1]
    assert pairs[0] not in out and pairs[1] in out and f"{count - 1} of {count - 1} descriptions" in out
    assert "t1" in svta("review", "descriptions", "--list", "--collected")[1]
    counts = review_counts(described).row(0, named=True)
    assert (counts["written"], counts["open"], counts["kept"], counts["dropped"]) == (count, count - 1, 1, 0)
    assert str(count) in svta("review", "descriptions")[1]


def test_nothing_is_spent_on_a_dropped_description_and_another_one_is_written(described: Workspace, svta: Svta) -> None:
    before = rows(described)
    pairs = written(described)
    code, out, err = svta(
        "review", "descriptions", "--drop", pairs[3], "--drop", "t2", "--reason", "odd", "--by", "ann"
    )
    assert code == 0, err
    assert f"{KEY}: 2 verdicts recorded by ann" in out and "materialize llm_descriptions" in out

    planned = {job.pair_id for job in plan_category(Workspace(described.home), KEY, Mode.MISSING).jobs}
    assert planned == set(before["pair_id"]) - {pairs[3], "t2"}, "videos leave it out at once"

    made = describe_category(Workspace(described.home), KEY, "run2")
    now = rows(described)
    assert set(before["pair_id"]) - set(now["pair_id"]) == {pairs[3], "t2"}
    (new,) = set(now["pair_id"]) - set(before["pair_id"])
    assert now.filter(pl.col("pair_id") == new)["slot"].item() == len(pairs), "a slot of its own; none is renamed"
    kept = before.filter(~pl.col("pair_id").is_in([pairs[3], "t2"]))
    assert now.filter(pl.col("pair_id") != new).equals(kept)
    gone = {row["key"]: row for row in made.rejects.to_dicts()}
    assert gone[pairs[3]]["reason"] == "dropped by a reviewer" and gone["t2"]["detail"].startswith("ann: odd: ")
    assert made.diversity is not None and made.diversity["dropped"] == 1

    assert svta("review", "descriptions", "--undo", pairs[3], "--undo", "t2")[0] == 0
    describe_category(Workspace(described.home), KEY, "run3")
    assert rows(described).equals(before)


def test_a_file_of_verdicts_is_exported_filled_in_and_read_back(
    described: Workspace, svta: Svta, tmp_path: Path
) -> None:
    file = tmp_path / "queue.csv"
    code, out, _ = svta("review", "descriptions", KEY, "--export", str(file))
    assert code == 0 and f"{described.profile.descriptions_per_seed} descriptions written" in out
    assert svta("review", "descriptions", "--export", str(file))[0] == 1, "somebody's verdicts are never written over"
    queue = pl.read_csv(file, infer_schema=False)
    assert set(queue["verdict"].fill_null("")) == {""} and queue["caption"].null_count() == 0
    assert "holds no verdict" in svta("review", "descriptions", "--file", str(file))[1]
    number = pl.int_range(pl.len())
    filled = queue.with_columns(
        verdict=pl.when(number == 0).then(pl.lit("Drop")).when(number == 1).then(pl.lit("keep")),
        reason=pl.when(number == 0).then(pl.lit("nobody does that")),
    )
    for path, write in ((file, filled.write_csv), (tmp_path / "queue.parquet", filled.write_parquet)):
        write(path)
        code, out, err = svta("review", "descriptions", "--file", str(path), "--by", "bo")
        assert (code, f"{KEY}: 2 verdicts recorded by bo" in out) == (0, True), err
    said = {row["verdict"]: row for row in newest_verdicts(described.catalog).values()}
    assert said["drop"]["pair_id"] == queue["pair_id"][0] and said["drop"]["reason"] == "nobody does that"
    assert described.catalog.read("description_reviews").height == 4, "rows are only ever added"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["pair_id,verdict", "x,keep"], "no column reason"),
        (["pair_id,verdict,reason", "{p0},keep,", "nobody,keep,"], "row 2 (nobody): there is no description 'nobody'"),
        (["pair_id,verdict,reason", "{p0},maybe,"], "row 1 ({p0}): the verdict is 'maybe', not keep, drop or undo"),
        (["pair_id,verdict,reason", "{p0},drop, "], "row 1 ({p0}): a dropped description needs a reason"),
        (["pair_id,verdict,reason", "{p0},keep,", "{p0},keep,"], "row 2 ({p0}): is named twice"),
        (["pair_id,verdict,reason", "{p0},undo,"], "nobody has said anything"),
        (["pair_id,verdict,reason,caption", "{p0},keep,,Another caption."], "its caption is another one by now"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_recorded(
    described: Workspace, svta: Svta, tmp_path: Path, lines: list[str], words: str
) -> None:
    names = {"p0": written(described)[0]}
    (tmp_path / "v.csv").write_text("\n".join(lines).format(**names) + "\n")
    code, _, err = svta("review", "descriptions", "--file", str(tmp_path / "v.csv"))
    assert code == 1 and words.format(**names) in " ".join(err.split()), err
    assert described.catalog.read("description_reviews").is_empty()


def test_wrong_usage_is_said(described: Workspace, svta: Svta, tmp_path: Path) -> None:
    pair = written(described)[0]
    assert svta("review", "descriptions", "--keep", pair, "--reason", "nice")[0] == 2
    code, _, err = svta("review", "descriptions", "--drop", pair)
    assert (code, "needs a reason" in err) == (1, True)
    code, _, err = svta("review", "descriptions", "--drop", pair, "--keep", pair, "--reason", "x")
    assert (code, "named twice" in err) == (1, True)
    (tmp_path / "x.parquet").write_text("no parquet")
    code, _, err = svta("review", "descriptions", "--file", str(tmp_path / "x.parquet"))
    assert (code, "cannot be read as parquet" in err) == (1, True)
    assert svta("review", "descriptions", "no-such-category")[0] == 2
    assert described.catalog.read("description_reviews").is_empty()


def test_the_report_says_how_varied_the_descriptions_are(described: Workspace, svta: Svta) -> None:
    code, out, _ = svta("review", "descriptions", "--report")
    assert code == 0 and f"| {KEY} | {described.profile.descriptions_per_seed} | 0 | 0 | 0 |" in out
    page = described.home.path / "reports" / "diversity.md"
    assert str(page) in out and KEY in page.read_text()


def test_a_verdict_counts_only_for_the_caption_it_was_said_of(described: Workspace, svta: Svta) -> None:
    pair = written(described)[0]
    assert svta("review", "descriptions", "--drop", pair, "--reason", "odd")[0] == 0
    anew = rows(described).with_columns(
        caption=pl.when(pl.col("pair_id") == pair).then(pl.lit("Written anew.")).otherwise("caption")
    )
    described.catalog.publish("descriptions", KEY, anew)
    assert pair in review_queue(described)["pair_id"].to_list()
    assert pair in {job.pair_id for job in plan_category(Workspace(described.home), KEY, Mode.MISSING).jobs}


def test_a_home_without_descriptions_says_what_to_do(home: Home, svta: Svta) -> None:
    assert "no home yet" in svta("review", "descriptions")[2]
    prepare_workspace(home)
    code, _, err = svta("review", "descriptions")
    assert (code, "materialize llm_descriptions" in err) == (1, True)
