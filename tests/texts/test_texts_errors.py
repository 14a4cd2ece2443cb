"""What cannot be read stops with the file's name and the next step; nothing is half collected."""

from pathlib import Path

import pytest
from text_sources import never_embed, write_ar, write_json, write_uca, write_xlsx

from svta_assets.texts.collect import collect_texts
from svta_assets.texts.records import SourceError
from svta_models.errors import SvtaError


def message(folder: Path) -> str:
    with pytest.raises(SvtaError) as error:
        collect_texts(folder, never_embed)
    return str(error.value)


def test_empty_sources_folder(tmp_path: Path) -> None:
    said = message(tmp_path)
    assert str(tmp_path) in said and "uca/" in said and "SVTA_SOURCES_DIR" in said


def test_missing_sources_folder(tmp_path: Path) -> None:
    said = message(tmp_path / "nowhere")
    assert "nowhere" in said and "SVTA_SOURCES_DIR" in said


@pytest.mark.parametrize("name", ["uca", "ucfcrime_ar", "oops"])
def test_empty_source_subfolder(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    said = message(tmp_path)
    assert str(tmp_path / name) in said and "put" in said


@pytest.mark.parametrize("content", [b"PK\x03\x04 not a workbook", b"", b"<html>404</html>"])
def test_corrupt_xlsx(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ucfcrime_ar").mkdir()
    (tmp_path / "ucfcrime_ar" / "ucf_crime_train.xlsx").write_bytes(content)
    said = message(tmp_path)
    assert "ucf_crime_train.xlsx" in said and "download the file again" in said and "\n" not in said


def test_truncated_xlsx(tmp_path: Path) -> None:
    path = write_ar(tmp_path / "ucfcrime_ar", [("Abuse001_x264.mp4", "男子", "A man.")])
    path.write_bytes(path.read_bytes()[:400])
    assert "ucf_crime_train.xlsx" in message(tmp_path)


def test_xlsx_with_other_columns(tmp_path: Path) -> None:
    (tmp_path / "ucfcrime_ar").mkdir()
    write_xlsx(tmp_path / "ucfcrime_ar" / "ucf_crime_train.xlsx", [("Name", "Text"), ("a", "b")], "s")
    said = message(tmp_path)
    assert "ucf_crime_train.xlsx" in said and "English Text" in said


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ([1, 2], "JSON list"),
        ("text", "JSON str"),
        ({"Abuse001_x264": []}, "Abuse001_x264"),
        ({"Abuse001_x264": {"timestamps": [[0, 1]], "sentences": ["a", "b"]}}, "one length"),
        ({"Abuse001_x264": {"timestamps": [[0]], "sentences": ["a"]}}, "timestamp"),
        ({"Abuse001_x264": {"timestamps": [[0, 1]], "sentences": [3]}}, "not text"),
        ({"Dance001_x264": {"timestamps": [[0, 1]], "sentences": ["a"]}}, "Dance001_x264"),
    ],
)
def test_uca_json_of_the_wrong_type(tmp_path: Path, value: object, named: str) -> None:
    write_json(tmp_path / "uca" / "UCFCrime_Val.json", value)
    said = message(tmp_path)
    assert "UCFCrime_Val.json" in said and named in said


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": \xff}'])
def test_broken_json_names_the_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "uca").mkdir()
    (tmp_path / "uca" / "UCFCrime_Train.json").write_bytes(content)
    assert "UCFCrime_Train.json" in message(tmp_path)


def test_rewritten_uca_files_are_left_alone(tmp_path: Path) -> None:
    write_uca(tmp_path / "uca", {"Abuse001_x264": [(0, 2, "A man shouts.")]})
    (tmp_path / "uca" / "revised_en_UCFCrime_Train.json").write_text("")
    report = collect_texts(tmp_path, never_embed).report
    assert report["totals"]["texts"] == 1 and report["ignored_files"] == ["revised_en_UCFCrime_Train.json"]
    assert any("val split is missing" in note for note in report["notes"])


def test_rows_without_a_caption_are_rejects(tmp_path: Path) -> None:
    rows = [("Abuse001_x264.mp4", "男子", None), ("Abuse002_x264.mp4", "男子", "A man."), (None, None, None)]
    write_ar(tmp_path / "ucfcrime_ar", rows)
    collected = collect_texts(tmp_path, never_embed)
    assert collected.texts["source_video"].to_list() == ["Abuse002_x264"]
    assert collected.rejects.select("key", "reason").rows() == [("ucfcrime_ar/ucf_crime_train.xlsx, row 2", "empty")]


@pytest.mark.parametrize(
    "content", ["files: [1]", "files: {a.csv: 3}", "- 1", "a: : b", "files: {no.csv: {source: x}}"]
)
def test_broken_settings_name_the_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "sources.yaml").write_text(content)
    assert "sources.yaml" in message(tmp_path)


def test_csv_with_a_stray_comma_names_the_row(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("t\nA man, a dog.\n")
    settings = "files: {mine.csv: {source: mine, columns: {caption: t}, every: {category: fire}}}"
    (tmp_path / "sources.yaml").write_text(settings)
    with pytest.raises(SourceError, match=r"mine\.csv, row 2 .*double quotes"):
        collect_texts(tmp_path, never_embed)
