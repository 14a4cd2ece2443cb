"""Label review: what is said counts while it is true, and what follows from it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from svta_assets.labels.review_report import category_review, label_report, report_markdown
from svta_assets.labels.reviews import Label, history, record, standing, undo
from svta_assets.reviewing import cohens_kappa, wilson_interval
from svta_assets.workspace import Workspace
from svta_resources.errors import SvtaError
from svta_resources.profiles import project_root
from tests.stages.labelled_home import LabelledHome

SIZES = {"normal-03": 40, "normal-04": 3, "fire": 50, "robbery": 7}
WORDS = st.sampled_from(["right", "wrong", "unsure"])


@pytest.fixture
def labelled(work: Workspace) -> LabelledHome:
    return LabelledHome(work, SIZES)


# -- what counts -----------------------------------------------------------------------------------------------------


def test_accuracy_confusion_and_categories_follow_from_the_verdicts(labelled: LabelledHome, tmp_path: Path) -> None:
    def said(row: dict[str, Any]) -> dict[str, Any]:
        if row["category"] == "fire" and row["pair_id"] < "fire-020":
            return {"verdict": "wrong", "correct_is_anomaly": "false"}
        if row["category"] == "robbery":
            return {"verdict": "unsure", "reason": "too dark"}
        return {"verdict": "right"}

    rows = labelled.judge(labelled.sample(tmp_path, share=0.5), "ann", said)
    wrong = sum(row["verdict"] == "wrong" for row in rows)
    report = label_report(labelled.work, 0.5)
    assert (report.total.sample, report.total.judged, report.total.unsure) == (50, 47, 3)
    assert 0 < wrong < 25
    assert report.total.share == (47 - wrong) / 47
    assert (report.total.low, report.total.high) == wilson_interval(47 - wrong, 47)
    assert report.categories[0].category == "fire" and report.categories[-1].category == "robbery"
    assert report.confusion == {
        "anomalous": {"anomalous": 25 - wrong, "normal": wrong},
        "normal": {"anomalous": 0, "normal": 22},
    }
    assert report.waiting == wrong
    assert category_review(labelled.work, "fire") == {"right": 25 - wrong, "wrong": wrong, "corrected": 0, "labels": 50}
    shown = report_markdown(report)
    assert (
        f"| anomalous | {25 - wrong} | {wrong} |" in shown
        and f"waiting for the next materialization of labels: {wrong}" in shown
    )


def test_a_correction_becomes_the_label_with_the_reviewer_as_origin(labelled: LabelledHome) -> None:
    labelled.say("fire-000", "ann", "wrong", correct_name="burn house")
    labelled.say("fire-001", "ann", "wrong", correct_is_anomaly=False)
    labelled.say("fire-002", "ann", "wrong")
    assert labelled.labels["fire-000"]["name_origin"] == "llm", "nothing moves before labels are materialized"
    labelled.materialize()
    rows = labelled.labels
    assert (rows["fire-000"]["name"], rows["fire-000"]["name_origin"]) == ("burn house", "reviewer")
    assert rows["fire-000"]["is_anomaly_origin"] == "source"
    assert (rows["fire-001"]["is_anomaly"], rows["fire-001"]["is_anomaly_origin"]) == (False, "reviewer")
    assert rows["fire-001"]["name_origin"] == "llm"
    assert rows["fire-002"]["name"] == "do fire-002"
    labelled.materialize()
    assert labelled.labels == rows, "a correction is applied once, not again to its own result"
    undo(labelled.work, ["fire-000"], "ann")
    labelled.materialize()
    assert (labelled.labels["fire-000"]["name"], labelled.labels["fire-000"]["name_origin"]) == ("do fire-000", "llm")


def test_a_corrected_sample_says_no_more_about_the_labels_nobody_looked_at(
    labelled: LabelledHome, tmp_path: Path
) -> None:
    """Correcting the errors that the sample found does not make the other nine tenths better."""

    def said(row: dict[str, Any]) -> dict[str, Any]:
        wrong = row["pair_id"] in {"fire-000", "fire-001", "fire-002"} or row["pair_id"].startswith("normal-04")
        return {"verdict": "wrong", "correct_name": "burn house"} if wrong else {"verdict": "right"}

    rows = labelled.judge(labelled.sample(tmp_path, share=0.5), "ann", said)
    before = label_report(labelled.work, 0.5)
    labelled.materialize()
    after = label_report(labelled.work, 0.5)
    wrong = sum(row["verdict"] == "wrong" for row in rows)
    assert wrong and before.total == after.total and before.confusion == after.confusion
    assert (before.waiting, after.waiting) == (wrong, 0)
    share, rest = after.total.share, 100 - len(rows)
    assert share is not None
    assert before.now == pytest.approx((len(rows) - wrong + share * rest) / 100)
    assert after.now == pytest.approx((len(rows) + share * rest) / 100)


def test_labels_that_people_went_through_entirely_are_right(labelled: LabelledHome, tmp_path: Path) -> None:
    labelled.judge(
        labelled.sample(tmp_path, share=1.0),
        "ann",
        lambda row: (
            {"verdict": "wrong", "correct_name": "x y"} if row["pair_id"][-1] in "02468" else {"verdict": "right"}
        ),
    )
    labelled.materialize()
    report = label_report(labelled.work, 0.1)
    assert report.now == 1.0 and report.total.share is not None and report.total.share < 1.0


def test_another_sample_judges_the_labels_as_earlier_corrections_left_them(
    labelled: LabelledHome, tmp_path: Path
) -> None:
    labelled.judge(
        labelled.sample(tmp_path, share=1.0),
        "ann",
        lambda row: {"verdict": "wrong", "correct_name": f"burn {row['pair_id']}"},
    )
    labelled.materialize()
    first = label_report(labelled.work, 0.5)
    assert (first.seed, first.total.share) == (42, 0.0)
    labelled.judge(labelled.sample(tmp_path, share=0.5, seed=43), "bob", lambda row: {"verdict": "right"})
    second = label_report(labelled.work, 0.5)
    assert (second.seed, second.total.share, second.total.judged) == (43, 1.0, 50)


def test_a_verdict_counts_only_while_its_label_is_unchanged(labelled: LabelledHome, tmp_path: Path) -> None:
    labelled.judge(labelled.sample(tmp_path, share=1.0), "ann", lambda row: {"verdict": "right"})
    assert label_report(labelled.work, 1.0).total.judged == 100
    labelled.made["fire"][0] |= {"name": "burn house"}
    labelled.made["fire"][1] |= {"is_anomaly": False}
    labelled.made["fire"][2] |= {"recipe_sha": "1" * 64}  # another model gave the same label
    labelled.materialize()
    assert label_report(labelled.work, 1.0).total.judged == 98
    labelled.made["fire"][0] |= {"name": "do fire-000"}
    labelled.materialize()
    assert label_report(labelled.work, 1.0).total.judged == 99


def test_a_correction_of_a_label_that_has_changed_is_not_applied(labelled: LabelledHome) -> None:
    labelled.say("fire-000", "ann", "wrong", correct_name="burn house")
    labelled.made["fire"][0]["name"] = "set fire"
    labelled.materialize()
    assert labelled.labels["fire-000"]["name"] == "set fire"


def test_who_calls_a_label_wrong_is_not_outvoted(labelled: LabelledHome) -> None:
    labelled.say("fire-000", "ann", "wrong", correct_name="burn house")
    labelled.say("fire-000", "bob", "right")
    assert category_review(labelled.work, "fire") == {"right": 0, "wrong": 1, "corrected": 0, "labels": 50}
    labelled.say("fire-000", "ann", "right")
    assert category_review(labelled.work, "fire")["wrong"] == 0, "a reviewer may think again"
    labelled.materialize()
    assert labelled.labels["fire-000"]["name"] == "do fire-000"


def test_of_two_corrections_of_one_label_the_later_wins_and_corrections_are_corrected(labelled: LabelledHome) -> None:
    labelled.say("fire-000", "ann", "wrong", correct_name="burn house")
    labelled.say("fire-000", "bob", "wrong", correct_name="burn car")
    labelled.materialize()
    assert labelled.labels["fire-000"]["name"] == "burn car"
    labelled.say("fire-000", "ann", "wrong", correct_name="burn van")
    labelled.materialize()
    assert labelled.labels["fire-000"]["name"] == "burn van"
    assert category_review(labelled.work, "fire") == {"right": 1, "wrong": 0, "corrected": 1, "labels": 50}


def test_undo_is_a_row_and_only_of_ones_own_last_word(labelled: LabelledHome) -> None:
    labelled.say("fire-000", "ann", "wrong")
    labelled.say("fire-000", "ann", "right")
    with pytest.raises(SvtaError, match="bob said nothing that stands of fire-000"):
        undo(labelled.work, ["fire-000"], "bob")
    assert undo(labelled.work, ["fire-000"], "ann") == 1
    assert category_review(labelled.work, "fire")["wrong"] == 1, "the word before it stands again"
    undo(labelled.work, ["fire-000"], "ann")
    assert standing(labelled.work.catalog.read("label_reviews")) == {}
    log = labelled.work.catalog.read("label_reviews").sort("at")
    assert log["verdict"].to_list() == ["wrong", "right", "undo", "undo"]
    with pytest.raises(SvtaError, match="nothing is taken back"):
        undo(labelled.work, ["fire-000", "fire-001"], "ann")


def test_a_verdict_needs_its_reviewer(labelled: LabelledHome) -> None:
    with pytest.raises(SvtaError, match="--by"):
        record(labelled.work, [], " ")


LABEL_NAMES = st.sampled_from(["a", "b", "c", "d"])


@settings(max_examples=60, deadline=None)
@given(LABEL_NAMES, st.lists(st.tuples(LABEL_NAMES, st.none() | LABEL_NAMES), max_size=6))
def test_a_label_is_what_somebody_made_it_by_a_chain_of_corrections(
    made: str, said: list[tuple[str, str | None]]
) -> None:
    rows = [
        {"caption": "x", "name": name, "is_anomaly": True, "verdict": "wrong", "correct_name": correct}
        | {"correct_is_anomaly": None}
        for name, correct in said
    ]
    found = history(Label("x", made, True), rows)
    assert len(found) == len(set(found)) and Label("x", made, True) in found
    reachable = {made}
    for name, correct in said:
        if name in reachable and correct:
            reachable.add(correct)
    assert {label.name for label in found} == reachable
    assert all(label.is_anomaly for label in found)


# -- two reviewers ---------------------------------------------------------------------------------------------------


def test_kappa_of_two_reviewers_over_what_both_judged(labelled: LabelledHome, tmp_path: Path) -> None:
    file = labelled.sample(tmp_path, share=0.5)

    def ann(row: dict[str, Any]) -> dict[str, Any]:
        return {"verdict": "wrong", "correct_name": "x y"} if row["pair_id"][-1] in "02" else {"verdict": "right"}

    def bob(row: dict[str, Any]) -> dict[str, Any]:
        return {"verdict": "wrong" if row["pair_id"][-1] in "12" else "right"} if "fire" in row["pair_id"] else {}

    first = labelled.judge(file, "ann", ann)
    labelled.materialize()
    second = labelled.judge(file, "bob", bob)  # bob judges the labels that ann saw, though they were corrected since
    said = {row["pair_id"]: row["verdict"] for row in second if row["verdict"]}
    both = [(row["verdict"], said[row["pair_id"]]) for row in first if row["pair_id"] in said]
    [found] = label_report(labelled.work, 0.5).agreements
    assert (found.first, found.second, found.labels) == ("ann", "bob", len(both)) and len(both) == 25
    assert found.agreed == sum(a == b for a, b in both) / 25
    assert found.kappa == pytest.approx(cohen_kappa_score(*zip(*both, strict=True)))
    assert f"| ann, bob | 25 | {found.agreed:.1%} | {found.kappa:.3f} |" in report_markdown(
        label_report(labelled.work, 0.5)
    )


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=60))
def test_kappa_is_cohens(pairs: list[tuple[str, str]]) -> None:
    first, second = [one for one, _ in pairs], [other for _, other in pairs]
    found = cohens_kappa(first, second)
    assert found == cohens_kappa(second, first)
    renamed = {"right": "r", "wrong": "w", "unsure": "u"}
    assert cohens_kappa([renamed[word] for word in first], [renamed[word] for word in second]) == found
    if len({*first, *second}) == 1:
        assert found is None
        return
    assert found is not None and -1 <= found <= 1
    assert (found == 1) == (first == second)
    assert found == pytest.approx(cohen_kappa_score(first, second))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 2000), st.data())
def test_the_interval_holds_the_share_and_narrows_with_more_of_the_same(trials: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, trials))
    low, high = wilson_interval(right, trials)
    assert 0 <= low <= right / trials + 1e-12 and right / trials - 1e-12 <= high <= 1
    assume(trials > 1)
    more_low, more_high = wilson_interval(4 * right, 4 * trials)
    assert more_high - more_low < high - low
    assert wilson_interval(trials - right, trials) == pytest.approx((1 - high, 1 - low))


WRITER = """
import sys
from svta_assets.labels.reviews import record
from svta_assets.workspace import open_workspace
work, by = open_workspace(), sys.argv[1]
for n in range(20):
    row = {"pair_id": f"fire-{n:03d}", "category": "fire", "caption": "c", "name": "n", "is_anomaly": True}
    record(work, [{**row, "verdict": "right"}], by)
"""


def test_reviewers_who_write_at_the_same_time_lose_nothing(labelled: LabelledHome) -> None:
    """Two real processes on one home, twenty files each."""
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, by], cwd=project_root(), stderr=subprocess.PIPE, text=True)
        for by in ("ann", "bob")
    ]
    for writer in writers:
        _, said = writer.communicate(timeout=120)
        assert writer.returncode == 0, said
    log = labelled.work.catalog.read("label_reviews")
    assert log.select("pair_id", "by").unique().height == log.height == 40
    assert dict(log["by"].value_counts().iter_rows()) == {"ann": 20, "bob": 20}
