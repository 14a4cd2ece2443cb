"""Review samples as files: which labels are drawn, and what is wrong with a file that comes back."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svta_assets.labels.labelling import UNNAMED
from svta_assets.labels.review_files import ReviewFileError, read_verdicts, write_sample
from svta_assets.labels.review_report import label_report
from svta_assets.labels.reviews import record
from svta_assets.reviewing import draw_sample
from svta_assets.workspace import Workspace
from svta_resources.errors import SvtaError
from tests.stages.labelled_home import LabelledHome

SIZES = {"normal-03": 40, "normal-04": 3, "fire": 50, "robbery": 7}


@pytest.fixture
def labelled(work: Workspace) -> LabelledHome:
    return LabelledHome(work, SIZES)


# -- the sample ------------------------------------------------------------------------------------------------------


def test_the_sample_has_a_tenth_of_each_category_and_at_least_one(labelled: LabelledHome, tmp_path: Path) -> None:
    rows = pl.read_csv(labelled.sample(tmp_path), infer_schema=False)
    assert dict(rows["category"].value_counts().iter_rows()) == {
        "normal-03": 4,
        "normal-04": 1,
        "fire": 5,
        "robbery": 1,
    }
    assert rows.columns == [
        "pair_id", "category", "caption", "name", "is_anomaly", "verdict", "correct_name", "correct_is_anomaly",
        "reason", "seed",
    ]  # fmt: skip
    assert rows["verdict"].null_count() == rows.height
    again = write_sample(labelled.work, tmp_path / "again.parquet", 0.1, 42)
    assert pl.read_parquet(tmp_path / "again.parquet")["pair_id"].equals(rows["pair_id"]) and again == rows.height
    other = pl.read_csv(labelled.sample(tmp_path, seed=43), infer_schema=False)
    assert set(other["pair_id"]) != set(rows["pair_id"])


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 60), min_size=1), st.integers(0, 5), st.randoms())
def test_sampling_depends_on_seed_and_pairs_only(sizes: dict[str, int], seed: int, chance: Any) -> None:
    rows = [{"pair_id": f"{key}{n}", "category": key, "name": "x"} for key, size in sizes.items() for n in range(size)]
    first = draw_sample(pl.DataFrame(rows), 0.1, seed)
    chance.shuffle(rows)
    assert draw_sample(pl.DataFrame(rows), 0.1, seed)["pair_id"].to_list() == first["pair_id"].to_list()
    renamed = [{**row, "name": "y"} for row in rows]
    assert draw_sample(pl.DataFrame(renamed), 0.1, seed)["pair_id"].to_list() == first["pair_id"].to_list()
    taken = dict(first["category"].value_counts().iter_rows())
    assert all(max(1, size // 10) <= taken[key] <= size // 10 + 1 for key, size in sizes.items())


def test_unnamed_texts_wait_for_an_answer_and_are_not_sampled(labelled: LabelledHome, tmp_path: Path) -> None:
    for row in labelled.made["fire"]:
        row["name"] = UNNAMED
    labelled.materialize()
    assert "fire" not in set(pl.read_csv(labelled.sample(tmp_path), infer_schema=False)["category"])
    assert label_report(labelled.work, 0.1).labels == 50


def test_without_labels_the_next_step_is_said(work: Workspace, tmp_path: Path) -> None:
    with pytest.raises(SvtaError, match="materialize labels"):
        write_sample(work, tmp_path / "x.csv", 0.1, 42)


# -- files -----------------------------------------------------------------------------------------------------------


def written(labelled: LabelledHome, folder: Path, ending: str = "csv", **columns: list[Any]) -> Path:
    path = folder / f"verdicts.{ending}"
    table = pl.DataFrame(columns)
    table.write_csv(path) if ending == "csv" else table.write_parquet(path)
    return path


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_two_columns_are_enough_and_types_do_not_matter(labelled: LabelledHome, tmp_path: Path, ending: str) -> None:
    file = written(
        labelled,
        tmp_path,
        ending,
        pair_id=["fire-000", "fire-001", "fire-002"],
        verdict=["Right", "wrong", None],
        correct_is_anomaly=[None, False, None],
    )
    rows = read_verdicts(labelled.work, file)
    assert [(row["pair_id"], row["verdict"], row["correct_is_anomaly"]) for row in rows] == [
        ("fire-000", "right", None),
        ("fire-001", "wrong", False),
    ]
    assert rows[0]["name"] == "do fire-000" and rows[0]["seed"] is None


def test_every_wrong_row_is_named_and_nothing_is_recorded(labelled: LabelledHome, tmp_path: Path) -> None:
    cases = [
        ("fire-000", "right", "", "", ""),
        ("fire-001", "perhaps", "", "", "the verdict 'perhaps' is none of right, wrong, unsure"),
        ("fire-077", "right", "", "", "there is no label of pair 'fire-077'"),
        ("fire-000", "wrong", "", "", "pair fire-000 stands in row 2 already"),
        ("fire-002", "right", "burn", "", "correct_name with the verdict right"),
        ("fire-003", "", "burn", "", "something is filled in but no verdict"),
        ("fire-004", "wrong", "a name that is much too long for one", "", "correct_name has 9 words"),
        ("fire-005", "wrong", "", "maybe", "correct_is_anomaly 'maybe' is neither true nor false"),
        ("fire-006", "wrong", "Do  FIRE-006", "TRUE", "the correction is what the label says already"),
        ("fire-007", "wrong", '{"name": 1}', "", "is not plain words"),
    ]
    file = written(
        labelled,
        tmp_path,
        pair_id=[case[0] for case in cases],
        verdict=[case[1] for case in cases],
        correct_name=[case[2] for case in cases],
        correct_is_anomaly=[case[3] for case in cases],
    )
    with pytest.raises(ReviewFileError) as refused:
        record(labelled.work, read_verdicts(labelled.work, file), "ann")
    said = str(refused.value).splitlines()
    assert [line.split(":")[0] for line in said[1:]] == [f"row {number}" for number in range(3, 12)]
    for case, line in zip(cases[1:], said[1:], strict=True):
        assert case[4] in line
    assert labelled.work.catalog.read("label_reviews").is_empty()


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"pair_id": ["fire-000"]}, "no column verdict"),
        ({"pair_id": ["fire-000"], "verdict": ["right"], "corect_name": ["x"]}, "the columns corect_name"),
    ],
)
def test_a_file_with_other_columns_is_refused(
    labelled: LabelledHome, tmp_path: Path, columns: dict[str, list[str]], expected: str
) -> None:
    with pytest.raises(ReviewFileError, match=expected):
        read_verdicts(labelled.work, written(labelled, tmp_path, **columns))


def test_files_that_cannot_be_read_say_so(labelled: LabelledHome, tmp_path: Path) -> None:
    with pytest.raises(ReviewFileError, match=r"end in \.csv or \.parquet"):
        read_verdicts(labelled.work, tmp_path / "verdicts.xlsx")
    with pytest.raises(ReviewFileError, match="cannot be read as csv"):
        read_verdicts(labelled.work, tmp_path / "absent.csv")
    (tmp_path / "broken.parquet").write_bytes(b"no parquet")
    with pytest.raises(ReviewFileError, match="cannot be read as parquet"):
        read_verdicts(labelled.work, tmp_path / "broken.parquet")


def test_a_file_about_labels_that_have_changed_is_refused(labelled: LabelledHome, tmp_path: Path) -> None:
    """Else a verdict of a label that nobody has would be taken for one of the label that is there."""
    file = labelled.sample(tmp_path, share=1.0)
    labelled.made["fire"][0]["name"] = "burn house"
    labelled.materialize()
    row = 2 + pl.read_csv(file)["pair_id"].to_list().index("fire-000")
    expected = f"row {row}: the file shows 'do fire-000' .* the label is now 'burn house'"
    with pytest.raises(ReviewFileError, match=expected):
        labelled.judge(file, "ann", lambda row: {"verdict": "right"})
