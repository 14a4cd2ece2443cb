"""Each oddity of the real sources that an ingester must handle: on a made-up example always, on the real files if set.

The numbers are those measured on UCA and UCFCrime-AR as published.
"""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from text_sources import AR_HEADER, never_embed, write_ar, write_uca, write_xlsx

from svta_assets.texts.clean import clean_text
from svta_assets.texts.collect import Collected, collect_texts

MAN = "A man in a black coat walks along the street."


def of_sentence(tmp_path: Path, sentence: str, start: float = 1.0, end: float = 4.0) -> dict:
    """The text that one UCA sentence becomes."""
    write_uca(tmp_path / "uca", {"Abuse001_x264": [(start, end, sentence)]})
    collected = collect_texts(tmp_path, never_embed)
    assert collected.rejects.is_empty(), "no UCA text is ever rejected"
    return collected.texts.row(0, named=True)


def of_ar(tmp_path: Path, *rows: tuple[str | None, ...], **settings: str) -> pl.DataFrame:
    write_ar(tmp_path / "ucfcrime_ar", rows, **settings)
    return collect_texts(tmp_path, never_embed).texts


def flagged(collected: Collected, flag: str, source: str = "uca") -> pl.DataFrame:
    return collected.texts.filter((pl.col("source") == source) & pl.col("flags").list.contains(flag))


def test_1_line_breaks_after_ar_video_names(tmp_path: Path) -> None:
    texts = of_ar(
        tmp_path, ("Abuse/Abuse001_x264.mp4\n", "一名男子", MAN), ("Abuse/Abuse002_x264.mp4", "一名男子", MAN)
    )
    assert texts["source_video"].to_list() == ["Abuse001_x264", "Abuse002_x264"]


def test_1_real(real: Collected) -> None:
    videos = real.texts.filter(pl.col("source") == "ucfcrime_ar")["source_video"]
    assert videos.n_unique() == 1900
    assert videos.str.contains(r"^\w+_x264$").all()


def test_2_sheet_name_and_empty_columns_do_not_matter(tmp_path: Path) -> None:
    folder = tmp_path / "ucfcrime_ar"
    folder.mkdir()
    rows = [(*AR_HEADER, None, None), ("Arson/Arson001_x264.mp4\n", "一名男子", MAN, None, None)]
    write_xlsx(folder / "ucf_crime_test.xlsx", rows, "Sheet1")
    write_ar(folder, [("Arson/Arson002_x264.mp4\n", "一名男子", MAN)])
    texts = collect_texts(tmp_path, never_embed).texts
    assert dict(texts.select("source_video", "source_split").rows()) == {
        "Arson001_x264": "test",
        "Arson002_x264": "train",
    }
    assert "English Text" not in texts["caption"].to_list(), "the header row is no caption"


def test_2_real(real: Collected) -> None:
    assert real.report["sources"]["ucfcrime_ar"]["splits"] == {"test": 290, "train": 1610}


def test_3_uca_and_ar_meet_on_the_stem(tmp_path: Path) -> None:
    write_uca(tmp_path / "uca", {"Normal_Videos001_x264": [(0, 2, MAN)]})
    texts = of_ar(tmp_path, ("Training_Normal_Videos_Anomaly/Normal_Videos001_x264.mp4\n", "男子", MAN))
    assert texts["source_video"].unique().to_list() == ["Normal_Videos001_x264"]


def test_3_real(real: Collected) -> None:
    uca, captions = (real.texts.filter(pl.col("source") == name)["source_video"] for name in ("uca", "ucfcrime_ar"))
    assert set(uca) < set(captions)


@pytest.mark.parametrize("name", ["Normal_Videos001_x264", "Normal_Videos_003_x264"])
def test_4_both_forms_of_normal_names(tmp_path: Path, name: str) -> None:
    write_uca(tmp_path / "uca", {name: [(0, 2, MAN)]})
    row = collect_texts(tmp_path, never_embed).texts.row(0, named=True)
    assert (row["is_anomaly"], row["source_category"]) == (False, "Normal")
    assert row["category"].startswith("normal-")


def test_4_real(real: Collected) -> None:
    videos = real.texts.filter(pl.col("source_video").str.contains(r"^Normal_Videos_\d{3}_x264$"))
    assert videos.filter(pl.col("source") == "uca").height == 774
    assert not videos["is_anomaly"].any()


def test_5_videos_without_uca_text_are_named(tmp_path: Path) -> None:
    write_uca(tmp_path / "uca", {"Abuse001_x264": [(0, 2, MAN)]})
    rows = [
        (f"{name}.mp4\n", "男子", MAN)
        for name in ("Abuse/Abuse001_x264", "Assault/Assault045_x264", "Normal_Videos040_x264")
    ]
    write_ar(tmp_path / "ucfcrime_ar", rows)
    meeting = collect_texts(tmp_path, never_embed).report["ucf"]
    assert meeting["videos_without_uca_text"] == ["Assault045_x264", "Normal_Videos040_x264"]
    assert meeting["normal_videos_without_uca_text"] == 1


def test_5_real(real: Collected) -> None:
    without = real.report["ucf"]["videos_without_uca_text"]
    assert len(without) == 46 and real.report["ucf"]["normal_videos_without_uca_text"] == 40
    abnormal = {"Assault045", "Assault046", "RoadAccidents063", "RoadAccidents144", "Robbery139", "Vandalism037"}
    assert {video.removesuffix("_x264") for video in without if not video.startswith("Normal")} == abnormal


def test_6_real_uca_split_is_not_ucf_crimes(real: Collected) -> None:
    assert real.report["ucf"]["test_videos_by_uca_split"] == {"none": 4, "test": 50, "train": 214, "val": 22}


@pytest.mark.parametrize(
    ("quirk", "raw", "caption"),
    [
        (7, " Other vehicles drive on. ", "Other vehicles drive on."),
        (8, " \tBelow the video a man walks.", "Below the video a man walks."),
        (8, "A man\twalks.", "A man walks."),
        (9, "#The man in the hat walks away", "The man in the hat walks away"),
        (10, "the cashier didn\u2019t care", "the cashier didn't care"),
        (23, "A man  walks  away.", "A man walks away."),
        (23, "He walks , then stops .", "He walks, then stops."),
        (23, "on the left side of the street. , there are plants", "on the left side of the street, there are plants"),
        (23, "He sits down. .", "He sits down."),
        (23, "a man with a .22 rifle", "a man with a .22 rifle"),
    ],
)
def test_7_8_9_10_23_cleaning(quirk: int, raw: str, caption: str, tmp_path: Path) -> None:
    assert of_sentence(tmp_path, raw)["caption"] == caption


def test_7_8_10_23_real(real: Collected) -> None:
    captions = real.texts["caption"]
    counts = real.report["cleaning"]["uca"]
    assert counts["typographic apostrophe"] == 75 and counts["stray #"] == 2
    assert counts["outer space"] == 1243 and counts["tab, line break or run of spaces"] == 2
    assert real.report["cleaning"]["ucfcrime_ar"]["tab, line break or run of spaces"] == 3
    assert captions.str.contains(r"^[\x20-\x7e]+$").all(), "plain ASCII after cleaning"
    assert not captions.str.contains(r"^\s|\s$|\s\s|\t|\s[,;]|\s\.$|^#").any()


@given(st.text(max_size=60))
def test_cleaning_keeps_every_letter_and_digit_in_order(raw: str) -> None:
    assert [c for c in clean_text(raw) if c.isalnum()] == [c for c in raw if c.isalnum()]


SEPARATORS = (" ", "  ", "\t", ", ", " , ", ". , ", ". ", " .22 ", ",", "; ", " ;", ". . ", "? ", " ! ", "\u2019s ")


@given(
    st.sampled_from(["", " ", "#", "##", ", ", " \t"]),
    st.lists(st.tuples(st.sampled_from(["A", "man", "7"]), st.sampled_from(SEPARATORS)), min_size=1, max_size=6),
)
def test_cleaning_a_second_time_changes_nothing(start: str, parts: list[tuple[str, str]]) -> None:
    once = clean_text(start + "".join(word + separator for word, separator in parts))
    assert clean_text(once) == once


@pytest.mark.parametrize(
    ("quirk", "raw", "flags"),
    [
        (12, ", a bald man walked to the table", {"fragment"}),
        (12, " walked past a woman in white", {"fragment", "lower_case"}),
        (13, "The man in black once again walked into the corner,", {"dangling"}),
        (13, "They move on to the left and several people walk to the", {"dangling"}),
        (13, "A woman walked by", set()),
        (13, "The two men talked for a while", set()),
        (14, "Above", {"short"}),
        (14, "MAN STAND UP", {"short", "shouting"}),
        (14, "4 A woman with yellow hair ran in", {"stray_prefix"}),
        (14, "2 motorcycles and a car drove over", set()),
        (14, "What video is playing on TV?", {"question"}),
        (15, " ".join(["word"] * 77).capitalize(), set()),
        (15, " ".join(["word"] * 78).capitalize(), {"long"}),
        (25, "Screen transition: Several people pass the mall", {"camera_meta"}),
        (25, "Then the camera switches to the counter", {"camera_meta"}),
        (25, "He flipped the light switch and left the room", set()),
        (25, "A man in the center of the screen moves away", set()),
    ],
)
def test_12_13_14_15_25_flags(quirk: int, raw: str, flags: set[str], tmp_path: Path) -> None:
    assert set(of_sentence(tmp_path, raw)["flags"]) == flags


def test_12_real(real: Collected) -> None:
    assert flagged(real, "lower_case").height == 22
    assert flagged(real, "fragment").height == 22 + 6


def test_13_real(real: Collected) -> None:
    assert 280 < flagged(real, "dangling").height <= 376, "280 end in a comma or semicolon, the rest in a word"


def test_14_real(real: Collected) -> None:
    assert flagged(real, "short").height == 98
    assert flagged(real, "short").filter(pl.col("caption") == "Above")["source_video"].to_list() == ["Fighting008_x264"]
    assert set(flagged(real, "shouting")["caption"]) == {"MAN STAND UP", "MAN LEAVE"}
    assert flagged(real, "question").height == 5


def test_15_real(real: Collected) -> None:
    assert flagged(real, "long").height == 10
    assert real.report["sources"]["uca"]["max_words"] == 129
    assert real.report["sources"]["ucfcrime_ar"]["max_words"] == 46


def test_16_exact_repeats_are_texts_of_their_own(tmp_path: Path) -> None:
    write_uca(tmp_path / "uca", {"Abuse001_x264": [(0, 2, MAN), (0, 2, MAN), (3, 4, MAN)]})
    collected = collect_texts(tmp_path, never_embed)
    assert collected.texts["text_id"].n_unique() == 3
    assert all("repeated" in flags for flags in collected.texts["flags"])
    assert collected.report["repeats"]["uca"]["same_video_time_and_text"] == 1


def test_16_real(real: Collected) -> None:
    repeats = real.report["repeats"]["uca"]
    assert (repeats["texts"], repeats["rows"], repeats["surplus"], repeats["surplus_normalised"]) == (
        473,
        1363,
        890,
        934,
    )
    assert (repeats["across_videos"], repeats["across_splits"], repeats["across_classes"]) == (172, 64, 43)
    assert repeats["same_video_time_and_text"] == 7 and repeats["most_repeated"]["rows"] == 32


def test_17_repeated_ar_captions_are_kept(tmp_path: Path) -> None:
    texts = of_ar(tmp_path, *[(f"Abuse/Abuse00{n}_x264.mp4", "男子", MAN) for n in (1, 2, 3)])
    assert texts["text_id"].n_unique() == 3 and all("repeated" in flags for flags in texts["flags"])


def test_17_real(real: Collected) -> None:
    repeats = real.report["repeats"]["ucfcrime_ar"]
    assert (repeats["texts"], repeats["surplus"], repeats["across_splits"]) == (28, 38, 0)
    assert repeats["most_repeated"] == {"text": "People coming and going on the sidewalk.", "rows": 6}
    assert real.report["texts_in_several_sources"] == {"texts": 2, "rows": {"uca": 5, "ucfcrime_ar": 4}}


def test_18_the_videos_with_most_texts_are_named(tmp_path: Path) -> None:
    videos = {f"Abuse{n:03d}_x264": [(i, i + 1, f"Man {i} walks on in {n}.") for i in range(n)] for n in range(1, 13)}
    write_uca(tmp_path / "uca", videos)
    tail = collect_texts(tmp_path, never_embed).report["heavy_tail"]["uca"]
    assert list(tail["videos"].values()) == [12, 11, 10, 9, 8, 7, 6, 5, 4, 3]
    assert tail["texts"] == 75 and tail["share"] == round(75 / 78, 4)


def test_18_real(real: Collected) -> None:
    tail = real.report["heavy_tail"]["uca"]
    assert tail["texts"] == 4940
    assert list(tail["videos"].items())[:3] == [
        ("Normal_Videos308_x264", 1179),
        ("Normal_Videos307_x264", 906),
        ("Normal_Videos087_x264", 720),
    ]


def test_19_events_come_out_in_time_order(tmp_path: Path) -> None:
    events = [
        (5.0, 9.0, "He runs away again."),
        (0.0, 6.0, "He walks into the shop."),
        (2.0, 2.2, "He looks around him."),
    ]
    write_uca(tmp_path / "uca", {"Abuse001_x264": events})
    collected = collect_texts(tmp_path, never_embed)
    assert collected.texts["start_s"].to_list() == [0.0, 2.0, 5.0]
    assert collected.texts["flags"].to_list() == [[], ["instant"], []]
    times = collected.report["times"]["uca"]
    assert (times["videos_with_overlapping_events"], times["videos_out_of_time_order"]) == (1, 1)


def test_19_real(real: Collected) -> None:
    times = real.report["times"]["uca"]
    assert (times["videos_with_overlapping_events"], times["videos_out_of_time_order"]) == (972, 349)
    assert (times["shortest_s"], times["longest_s"]) == (0.1, 3599.3)
    assert flagged(real, "instant").height == 26


def test_22_colours_that_differ_between_languages(tmp_path: Path) -> None:
    write_ar(
        tmp_path / "ucfcrime_ar",
        [
            ("Abuse001_x264.mp4", "一名男子打一条黑色小狗。", "A man beats a white dog."),
            (
                "Abuse002_x264.mp4",
                "白天一名黑衣男子在收银台拿走现金。",
                "In the daytime a man in black takes cash at the till.",
            ),
            ("Abuse003_x264.mp4", "一辆银灰色轿车在红绿灯前。", "A silver car waits at the traffic lights."),
        ],
    )
    found = collect_texts(tmp_path, never_embed).report["colour_differences"]
    assert [(one["video"], one["kind"], one["english"], one["chinese"]) for one in found] == [
        ("Abuse001_x264", "conflict", ["white"], ["black"])
    ]


def test_22_real(real: Collected) -> None:
    conflicts = [one["video"] for one in real.report["colour_differences"] if one["kind"] == "conflict"]
    assert conflicts == ["Abuse028_x264", "Normal_Videos311_x264"]


def test_25_real(real: Collected) -> None:
    meta = flagged(real, "camera_meta")
    assert 63 <= meta.height <= 200
    assert meta.filter(pl.col("caption").str.contains("(?i)screen transition")).height == 2
    assert meta["caption"].str.contains(r"(?i)camera|screen|lens|shot|scene|picture|perspective|footage").all()
