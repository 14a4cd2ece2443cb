"""Any CSV or JSONL by column mapping: unusable rows become rejects, each with its reason."""

from pathlib import Path

import pytest
import yaml
from text_sources import never_embed

from svta_assets.texts.collect import Collected, collect_texts
from svta_assets.texts.records import SourceError

COLUMNS = {"caption": "description", "video": "clip", "category": "label"}


def collect_csv(tmp_path: Path, content: str, columns: dict[str, str] | None = None, **settings: object) -> Collected:
    (tmp_path / "mine.csv").write_text(content, encoding="utf-8")
    write_settings(tmp_path, "mine.csv", columns=columns or COLUMNS, **settings)
    return collect_texts(tmp_path, never_embed)


def write_settings(tmp_path: Path, name: str, **settings: object) -> None:
    value = {"files": {name: {"source": "warehouse", **settings}}}
    (tmp_path / "sources.yaml").write_text(yaml.safe_dump(value))


def test_rows_become_texts_under_their_own_source(tmp_path: Path) -> None:
    content = "clip,description,label,x\na.mp4,Two men brawl.,Fighting,1\nb,A walk.,normal,2\nc,Crash!,car crash,3\n"
    texts = collect_csv(tmp_path, content).texts
    rows = {row["source_video"]: row for row in texts.to_dicts()}
    assert {row["source"] for row in rows.values()} == {"warehouse"}
    assert (rows["a"]["category"], rows["a"]["is_anomaly"]) == ("fighting", True)
    assert rows["b"]["category"].startswith("normal-") and not rows["b"]["is_anomaly"]
    assert (rows["c"]["category"], rows["c"]["source_category"]) == ("car-crash", "car crash")


def test_unknown_category_goes_to_the_rejects_with_a_near_match(tmp_path: Path) -> None:
    collected = collect_csv(tmp_path, "clip,description,label\na,Two men brawl.,figthing\nb,They dance.,dancing\n")
    assert collected.texts["category"].to_list() == ["dancing"]
    reject = collected.rejects.row(0, named=True)
    assert (reject["key"], reject["reason"]) == ("mine.csv, row 2", "unknown_category")
    assert "figthing" in reject["detail"] and "fighting" in reject["detail"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a,,fighting,,,", "empty"),
        ("a,...,fighting,,,", "empty"),
        ("a,Brawl.,,,,", "no_category"),
        ("a,Brawl.,fighting,normal,,", "contradiction"),
        ("a,Brawl.,fighting,perhaps,,", "bad_is_anomaly"),
        ("a,Brawl.,fighting,yes,soon,9", "bad_time"),
        ("a,Brawl.,fighting,yes,9,3", "bad_time"),
        ("a,Brawl.,fighting,yes,nan,3", "bad_time"),
    ],
)
def test_unusable_rows_say_why(tmp_path: Path, row: str, reason: str) -> None:
    columns = COLUMNS | {"is_anomaly": "abnormal", "start": "from", "end": "to"}
    collected = collect_csv(
        tmp_path, f"clip,description,label,abnormal,from,to\n{row}\nb,A brawl.,fighting,1,0,2\n", columns
    )
    assert collected.texts.height == 1
    assert collected.rejects.select("key", "reason").rows() == [("mine.csv, row 2", reason)]
    assert collected.report["rejects"] == {reason: 1}


def test_row_ids_must_be_unique_whatever_their_order(tmp_path: Path) -> None:
    columns = COLUMNS | {"id": "row"}
    collected = collect_csv(
        tmp_path, "row,clip,description,label\n1,a,X y z.,fire\n1,b,U v w.,fire\n2,c,R s t.,fire\n", columns
    )
    assert collected.texts["source_key"].to_list() == ["2"]
    assert collected.rejects["reason"].to_list() == ["repeated_id", "repeated_id"]


def test_row_id_names_the_text_when_its_wording_changes(tmp_path: Path) -> None:
    columns = COLUMNS | {"id": "row"}
    before = collect_csv(tmp_path, "row,clip,description,label\n7,a,A man wlaks.,fire\n", columns).texts
    after = collect_csv(tmp_path, "row,clip,description,label\n7,a,A man walks.,fire\n", columns).texts
    assert before["text_id"].item() == after["text_id"].item()


def test_one_category_for_every_row(tmp_path: Path) -> None:
    texts = collect_csv(tmp_path, "t\nA brawl outside a bar.\n", {"caption": "t"}, every={"category": "fighting"}).texts
    assert texts["category"].to_list() == ["fighting"]


def test_jsonl_with_chinese_and_quotes(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text('{"t": "He said \\"no\\", twice.", "zh": "男子"}\n\n', encoding="utf-8")
    write_settings(tmp_path, "mine.jsonl", columns={"caption": "t", "caption_zh": "zh"}, every={"is_anomaly": False})
    row = collect_texts(tmp_path, never_embed).texts.row(0, named=True)
    assert (row["caption"], row["caption_zh"], row["is_anomaly"]) == ('He said "no", twice.', "男子", False)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"columns": COLUMNS | {"caption": "descr"}}, "no column descr"),
        ({"columns": {"video": "clip"}}, "'caption' is missing"),
        ({"columns": {"caption": "description"}}, "neither category nor is_anomaly"),
        ({"columns": COLUMNS, "colums": 1}, "unknown setting colums"),
        ({"columns": COLUMNS | {"captoin": "x"}}, "unknown setting captoin"),
        ({"columns": COLUMNS, "source": "uca"}, "give a name of your own"),
    ],
)
def test_wrong_mapping_names_the_setting(tmp_path: Path, settings: dict[str, object], named: str) -> None:
    (tmp_path / "mine.csv").write_text("clip,description,label\na,A brawl.,fighting\n")
    write_settings(tmp_path, "mine.csv", **settings)
    with pytest.raises(SourceError, match=named):
        collect_texts(tmp_path, never_embed)


def test_a_table_that_nothing_maps_is_reported(tmp_path: Path) -> None:
    (tmp_path / "forgotten.csv").write_text("a,b\n1,2\n")
    report = collect_csv(tmp_path, "clip,description,label\na,A brawl.,fighting\n").report
    assert report["ignored_files"] == ["forgotten.csv"]
    assert any("forgotten.csv" in note for note in report["notes"])
