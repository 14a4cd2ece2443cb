"""The card's figures are those of the data; Table 1 beside the paper's; Croissant that its validator accepts."""

import json
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svta_assets.exports.card import make_card
from svta_assets.exports.card_files import write_card
from svta_assets.exports.export import export_release
from svta_assets.exports.table1 import our_row, plain, ratio, table1
from svta_assets.workspace import Workspace
from svta_resources.query import query
from tests.exports.conftest import Svta
from tests.toy_home import clean_environment


def _section(text: str, title: str) -> str:
    return text.partition(f"## {title}\n\n")[2].partition("\n## ")[0]


@pytest.fixture
def drawn(own_copy: Workspace) -> Workspace:
    """The small home, its clips on record as made by a synthetic generator."""
    for key in ("fire", "normal-00"):
        clips = own_copy.catalog.read("clips", key)
        own_copy.catalog.publish("clips", key, clips.with_columns(generator=pl.lit("wan:wan2.1-t2v-14b?steps=30")))
    return own_copy


def test_counts_are_those_of_the_release(small: Workspace, rows: pl.DataFrame) -> None:
    table = _section(make_card(small, "v1").text, "Pairs")
    for name, part in (("all", rows), ("anomaly", rows.filter(kind="anomaly")), ("normal", rows.filter(kind="normal"))):
        counts = [int((part["split"] == split).sum()) for split in ("train", "val", "test")]
        assert f"| {name} | {' | '.join(map(str, counts))} | {part.height} |" in table
    assert "| anomaly: g |" in table and "| normal: not recorded |" in table
    assert "Final categories: 1 anomaly, 1 normal." in table
    assert f"at most {max(len(caption.split()) for caption in rows['caption'])}." in table


def test_the_privacy_statement_is_the_answer_of_the_query_shown(small: Workspace, drawn: Workspace) -> None:
    text = _section(make_card(drawn, "v1").text, "Privacy")
    assert "All 24 clips were made by a generator that uses no recording" in text
    sql = re.search(r"```sql\n(.*)\n```", text, re.DOTALL)
    assert sql is not None
    shown = sql[1].replace("'releases/", f"'{drawn.home.path}/releases/")
    assert query(drawn.home.path, shown)["not_synthetic"].to_list() == [0]
    clips = drawn.catalog.read("clips", "fire")
    real = clips.with_columns(pl.when(pl.col("pair_id") == "fire07").then(pl.lit("imported:cctv")).alias("generator"))
    drawn.catalog.publish("clips", "fire", real.filter(pl.col("pair_id") != "fire08"))
    card = make_card(drawn, "v1")
    assert card.privacy.not_synthetic == clips.height, "11 without a generator on record, and one that is real"
    assert f"**{clips.height} of 24 clips are not known to be synthetic**" in card.text
    assert "| Not shown to be synthetic |" in card.table
    assert query(drawn.home.path, shown)["not_synthetic"].to_list() == [clips.height]
    assert make_card(small, "v1").privacy.not_synthetic == 24, "nothing is known of the generator toy"


def test_models_sources_terms_reviews_and_contamination_come_from_the_tables(drawn: Workspace) -> None:
    work = drawn
    release = make_card(work, "v1").job.release.hash
    before = make_card(work, "v1").text
    assert "Nobody has reviewed clips." in before and "No zero-shot benchmark" in before
    described = work.catalog.read("descriptions", "fire").with_columns(
        origin=pl.lit("llm"), source=pl.lit("llm"), provider=pl.lit("llm.example"), model=pl.lit("qwen3|32b")
    )
    work.catalog.publish("descriptions", "fire", described)
    checkpoint = {"checkpoint_id": "c1", "model": "gram", "release": release, "recipe": '{"name": "scratch"}'}
    work.catalog.publish("checkpoints", "gram", [checkpoint])
    touched = {"benchmark": "ucfcrime_ar", "kind": "any", "part": "train or val", "pairs": 45, "of": 290}
    work.catalog.publish("contamination", release, [{"release": release, **touched}])
    clip = work.catalog.read("clips", "fire").row(0, named=True)
    said = {name: clip[name] for name in ("clip_id", "pair_id", "category", "recipe_sha")}
    for row in work.catalog.read("clips").iter_rows(named=True):
        said = {name: row[name] for name in ("clip_id", "pair_id", "category", "recipe_sha")}
        work.catalog.append(
            "clip_reviews", row["category"], [{**said, "verdict": "keep", "by": "ann", "at": "2026-01-01"}]
        )
    text = make_card(work, "v1").text
    assert "| wrote descriptions | qwen3&#124;32b by llm.example | 12 |" in text
    assert "| made clips | wan:wan2.1-t2v-14b?steps=30 (Wan2.1 text-to-video through DiffSynth-Studio) | 24 |" in text
    assert "| retrieval, trained on it | gram, checkpoint c1 (scratch) |" in text
    assert "| llm | 12 | descriptions written by language models |" in text
    assert "| ucfcrime_ar | any | 45 | 290 | 15.5% |" in _section(text, "Contamination of the zero-shot benchmarks")
    assert "kept and 0 rejected" in _section(text, "Review by people")
    leaks = (
        work.catalog.read("leakage", release).filter(kind="captions", split="test", other="train").row(0, named=True)
    )
    assert f"| captions | train | {leaks['pairs']} | {leaks['share']:.1%} |" in text
    assert "With 6 test pairs" in _section(text, "Known limits") and "carry no sound" in text


def test_names_from_people_cannot_change_the_page(drawn: Workspace) -> None:
    clips = drawn.catalog.read("clips", "fire")
    evil = "<script>alert(1)</script> | x\n# y"
    drawn.catalog.publish("clips", "fire", clips.with_columns(generator=pl.lit(evil)))
    text = make_card(drawn, "v1").text
    assert "<script>" not in text and "\n# y" not in text
    assert plain(evil) == "&lt;script&gt;alert(1)&lt;/script&gt; &#124; x # y"


def test_table_1_has_our_row_computed_and_the_papers_with_the_footnote() -> None:
    pairs = {"anomaly": 25_170, "normal": 16_145}
    rows = pl.DataFrame(
        [
            {"pair_id": f"{kind}{n}", "clip_id": f"{kind}{n}-0", "kind": kind, "final_category": f"{kind}-{n % categories}"}
            for kind, categories in (("anomaly", 68), ("normal", 30))
            for n in range(pairs[kind])
        ]
    )  # fmt: skip
    ours = our_row(rows, "v1 (ours)", synthetic=True)
    text = table1(ours)
    full = "| Video, Text | Video-level Text | Action Text | 41,315 | 41,315 | 68 | 3:2 | Synthesis |"
    assert f"| **v1 (ours)** {full}" in text and f"| SVTA (paper) {full}" in text, (
        "at the paper's size, the paper's row"
    )
    assert "| UCA [1] | Video, Text | Video-level Text | Action Text | 1,900 | 23,542 | 13 | 1:1 | Collection |" in text
    assert "[1] The paper says 1,900 videos, the number of UCF-Crime; UCA has texts for 1,854 of them." in text
    assert "| UBnormal | Video | Frame-level Tag | Action Label | 543 | - | 22 | 2:3 | Synthesis |" in text


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [(25_170, 16_145, "3:2"), (217, 326, "2:3"), (950, 950, "1:1"), (1, 18, "1:18"), (12, 12, "1:1"), (5, 0, "1:0")],
)
def test_ratios_are_written_as_the_paper_writes_them(one: int, other: int, said: str) -> None:
    assert ratio(one, other) == said


@given(st.integers(1, 100_000), st.integers(1, 100_000))
def test_a_ratio_is_near_and_turns_round(one: int, other: int) -> None:
    first, second = map(int, ratio(one, other).split(":"))
    assert abs(first / second / (one / other) - 1) < 0.34
    assert ratio(other, one) == f"{second}:{first}"


# In a process of its own: the library brings a logging handler that closes the standard error of the process it is in.
_READ_CROISSANT = """
import json, sys
import mlcroissant

text = lambda value: value.decode() if isinstance(value, bytes) else str(value)
dataset = mlcroissant.Dataset(jsonld=sys.argv[1])
issues = dataset.metadata.issues
records = [{name: text(value) for name, value in record.items()} for record in dataset.records("pairs")]
print(json.dumps({"errors": list(issues.errors), "warnings": list(issues.warnings), "records": records}))
"""


def test_croissant_is_accepted_and_its_records_are_the_release(
    drawn: Workspace, rows: pl.DataFrame, tmp_path: Path
) -> None:
    write_card(make_card(drawn, "v1"), tmp_path, "https://example.org/svta")
    command = [sys.executable, "-c", _READ_CROISSANT, str(tmp_path / "croissant.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    read = json.loads(done.stdout.splitlines()[-1])
    assert read["errors"] == [] and read["warnings"] == []
    records = {record["pairs/pair_id"]: record for record in read["records"]}
    assert set(records) == set(rows["pair_id"])
    for row in rows.iter_rows(named=True):
        for name in ("caption", "uri", "sha256", "split", "final_category", "kind"):
            assert records[row["pair_id"]][f"pairs/{name}"] == row[name]
    described = json.loads((tmp_path / "croissant.json").read_text())
    assert described["url"] == "https://example.org/svta" and "0 clips are not known" in described["description"]


def test_the_command_fills_a_folder_also_that_of_an_export(
    small: Workspace, svta: Svta, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in clean_environment(small.home.path).items():
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    export_release(small, "webdataset", tmp_path, "v1")
    code, out, err = svta("card", "--release", "v1", "--to", str(tmp_path))
    assert code == 0, err
    assert "note: 24 of 24 clips are not known to be synthetic" in out
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert {"DATASET_CARD.md", "table1.md", "croissant.json", "pairs.parquet"} <= set(written)
    assert written["table1.md"].decode().strip() in written["DATASET_CARD.md"].decode()
    assert svta("card", "--release", "v1", "--to", str(tmp_path))[0] == 0
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == written, "the same data, the same card"
    _, again = export_release(small, "webdataset", tmp_path, "v1")
    assert again.made == 0
