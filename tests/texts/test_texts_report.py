"""What people read about the sources."""

from pathlib import Path

from text_sources import never_embed, write_ar, write_uca

from svta_assets.texts.collect import Collected, collect_texts
from svta_assets.texts.report_markdown import report_markdown

CALM = "The white car was driving in the middle of the road"


def small(tmp_path: Path) -> Collected:
    write_uca(
        tmp_path / "uca",
        {
            "RoadAccidents001_x264": [(0, 2, CALM), (3, 4, "A red car hits a man."), (5, 6, CALM)],
            "Normal_Videos001_x264": [(0, 2, "A man walks over the street.")],
        },
    )
    write_ar(tmp_path / "ucfcrime_ar", [("RoadAccidents002_x264.mp4", "一辆红车撞人。", "A blue | car hits a man.")])
    return collect_texts(tmp_path, never_embed)


def test_markdown_shows_counts_and_what_to_look_at(tmp_path: Path) -> None:
    shown = report_markdown(small(tmp_path).report)
    assert "**5 texts**: 1 normal, 4 anomalous" in shown
    assert "| road-accidents | 4 |" in shown and "| uca | 4 | 2 | 1 | 3 |" in shown
    assert "| RoadAccidents002_x264 | conflict | blue | red | A blue \\| car hits a man. |" in shown
    assert "UCA's test split is missing" in shown


def test_markdown_of_the_packaged_sentences_has_no_empty_sections() -> None:
    shown = report_markdown(collect_texts(None, never_embed).report)
    headings = [line for line in shown.splitlines() if line.startswith("### ")]
    assert headings == ["### Sources", "### Generation categories"]


def test_markdown_of_the_real_sources(real: Collected) -> None:
    shown = report_markdown(real.report)
    assert "**25,442 texts**: 16,145 normal, 9,297 anomalous" in shown
    assert len(shown) < 20_000, "it is shown in a web page"
