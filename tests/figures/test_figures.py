"""Figures say what the data say, stay small and readable at full scale, and are safe whatever the texts hold."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from svta_assets.clusters.taxonomy import FinalCategory
from svta_assets.figures.captions import figure4
from svta_assets.figures.categories import CategoryCount, figure3
from svta_assets.figures.curves import training_curves
from svta_assets.figures.files import MOST_IN_METADATA, figure_markdown
from svta_assets.figures.flow import Stream, flow
from svta_assets.figures.page import NothingToDraw, ticks
from svta_assets.figures.palette import CARD, DARK, INK, KIND_COLOURS, MUTED
from svta_assets.figures.recall import CategoryRecall, recall_by_category
from svta_assets.figures.retrieval import Answer, Ranked, figure5
from svta_assets.figures.taxonomy import MOST_RIBBONS, taxonomy_diff
from svta_assets.figures.words import word_counts

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '<script>alert("x")</script> ../../x 😀 一个男人 \x00\x0b $x$ ' + "long " * 2000
NAMES = [f"{verb} {thing}" for verb in "crash fall fight steal break throw burn".split() for thing in "abcdefghijklmn"]
COUNTS = [
    CategoryCount(name, "normal" if place < 30 else "anomaly", 3000 // (place % 34 + 1))
    for place, name in enumerate(NAMES)
]
CURVES = [{"epoch": n, "loss": 3 / n, "r_at_1": 2.0 * n, "r_at_10": 4.0 * n} for n in range(1, 21)]
TAXONOMY = [
    FinalCategory(
        f"{one.kind}-{n:02d}-x", n, one.name, one.kind, "g", one.kind, tuple(f"{one.name} {i}" for i in range(9))
    )
    for n, one in enumerate(COUNTS, start=1)
]
SHUFFLED = [replace(one, names=tuple(f"{NAMES[(n + i) % 98]} {i}" for i in range(9))) for n, one in enumerate(TAXONOMY)]


def _streams(names: list[str]) -> list[Stream]:
    return [
        Stream(source, "normal" if n < 30 else "anomaly", f"group {n % 3}", name, 10 * (n + 1))
        for n, name in enumerate(names)
        for source in ("uca", "oops", "llm")
    ]


def _answers(text: str) -> list[Ranked]:
    return [Ranked(text, text, 2, tuple(Answer(n, n == 2, text, None) for n in range(1, 6)))]


# each draws 98 categories (or as much as there can be) whose texts are what it is given
FIGURES: dict[str, Callable[[str], str]] = {
    "figure3": lambda text: figure3([*COUNTS[1:], CategoryCount(text, "normal", 5)], text),
    "figure4": lambda text: figure4([text, *NAMES], ["normal", *[None] * 98], text),
    "figure5": lambda text: figure5(_answers(text) * 4, text, text),
    "curves": lambda text: training_curves(CURVES, 20, text),
    "recall": lambda text: recall_by_category([CategoryRecall(text, 9, 10.0, None)] * 98, text, text),
    "flow": lambda text: flow(_streams([*NAMES[1:], text]), text),
    "taxonomy": lambda text: taxonomy_diff(
        TAXONOMY, [replace(TAXONOMY[0], slug=text, name=text), *TAXONOMY[1:]], (text, "b")
    ),
}


def texts_of(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize("name", FIGURES)
def test_hostile_texts_are_text_and_long_ones_are_cut(name: str) -> None:
    svg = FIGURES[name](HOSTILE)
    root = ElementTree.fromstring(svg)  # well-formed, although the text holds what XML forbids
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        "svg", "title", "style", "rect", "text", "path", "circle", "image",
    }  # fmt: skip
    assert "<script" not in svg
    assert "<script>" in " ".join(texts_of(svg)), "what the text says is shown"
    assert max(map(len, texts_of(svg))) <= 250
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"]


@pytest.mark.parametrize("name", FIGURES)
def test_figures_of_98_categories_fit_into_an_event_and_stay_on_their_card(name: str) -> None:
    svg = FIGURES[name]("a person walks")
    markdown = figure_markdown(svg, name, path=__file__)  # type: ignore[arg-type]
    assert markdown.startswith(f"![{name}](data:image/svg+xml;base64,")
    assert len(markdown) <= MOST_IN_METADATA
    root = ElementTree.fromstring(svg)
    height, width = float(root.attrib["height"]), float(root.attrib["width"])
    for text in root.iter(f"{SVG}text"):
        assert 0 <= float(text.attrib["y"]) <= height
        assert 0 <= float(text.attrib["x"]) <= width
        assert float(text.attrib.get("font-size", 10)) >= 9


@pytest.mark.parametrize("name", FIGURES)
def test_equal_data_give_equal_bytes(name: str) -> None:
    assert FIGURES[name]("a person walks") == FIGURES[name]("a person walks")


def test_labels_of_98_categories_never_meet() -> None:
    svg = flow(_streams(NAMES), "a release")
    rows = [(float(t.attrib["x"]), float(t.attrib["y"])) for t in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    last = sorted(y for x, y in rows if x > 800)
    assert len(last) == 98
    assert min(b - a for a, b in pairwise(last)) >= 11.9


def test_figure_3_shows_every_category_with_its_pairs_beside_the_papers() -> None:
    said = texts_of(figure3(COUNTS, "release 1"))
    assert {one.name for one in COUNTS} <= set(said)
    assert sum(words.replace(",", "").isdigit() for words in said) == 98
    normal = sum(one.pairs for one in COUNTS if one.kind == "normal")
    assert any(words.startswith(f"normal {normal:,} (") for words in said)
    assert "paper: anomaly 25,170 (60.9%)" in said


def test_words_are_counted_without_stop_words_and_by_kind() -> None:
    captions = ["The man isn't running; the MAN falls.", "A man’s dog and 12 cats.", ""]
    counts = word_counts(captions, ["anomaly", "normal", "normal"], 10)
    assert counts["man"] == {"anomaly": 2}
    assert next(iter(counts)) == "man"
    assert not {"the", "and", "12", "is"} & set(counts)
    assert counts["dog"] == {"normal": 1}
    assert word_counts([""], ["normal"], 5) == {}


def test_one_caption_of_10000_words_does_not_stretch_the_lengths() -> None:
    captions = [f"a b {'c ' * (n % 7)}" for n in range(500)] + ["word " * 10_000]
    said = texts_of(figure4(captions, ["normal"] * 501, "x"))
    assert "1 longer, up to 10,000 words" in said
    assert "5,000" not in said


def test_curves_mark_the_epoch_that_was_kept() -> None:
    curves = [dict(row) for row in CURVES]
    assert "epoch 7: R@1 14.0" in texts_of(training_curves(curves, 7, "m"))
    with pytest.raises(NothingToDraw, match="was not trained here"):
        training_curves([], 1, "m")


def test_recall_draws_both_directions_and_leaves_out_what_is_not_known() -> None:
    svg = recall_by_category([CategoryRecall("a", 4, 25.0, None), CategoryRecall("b", 2, 100.0, 50.0)], "m", "svta")
    root = ElementTree.fromstring(svg)
    assert len(list(root.iter(f"{SVG}circle"))) == 3  # the legend's and two categories'
    assert {"(4)", "(2)"} <= set(texts_of(svg))


def test_right_and_wrong_are_told_apart_without_colour() -> None:
    svg = figure5(_answers("a man walks"), "m", "test split")
    assert [words for words in texts_of(svg) if words.endswith(("right", "wrong"))] == [
        "1. wrong", "2. right", "3. wrong", "4. wrong", "5. wrong",
    ]  # fmt: skip
    borders = [one for one in ElementTree.fromstring(svg).iter(f"{SVG}rect") if one.attrib.get("fill") == "none"]
    assert [("stroke-dasharray" in one.attrib) for one in borders] == [True, False, True, True, True]


def test_a_taxonomy_diff_draws_what_changed_and_counts_what_it_cannot_show() -> None:
    merged = [replace(TAXONOMY[40], names=TAXONOMY[40].names + TAXONOMY[41].names)]
    after = [*TAXONOMY[:40], *merged, *TAXONOMY[42:]]
    said = texts_of(taxonomy_diff(TAXONOMY, after, ("a", "b")))
    assert "1 merged; 96 categories as before." in said
    assert f"{TAXONOMY[41].slug}: merged" in said
    assert TAXONOMY[5].slug not in said
    assert any(
        f"The largest {MOST_RIBBONS} of" in words for words in texts_of(taxonomy_diff(TAXONOMY, SHUFFLED, ("a", "b")))
    )
    with pytest.raises(NothingToDraw, match="do not differ"):
        taxonomy_diff(TAXONOMY, TAXONOMY, ("a", "b"))


def test_a_figure_too_large_for_an_event_leads_to_its_file() -> None:
    assert figure_markdown("x" * MOST_IN_METADATA, "t", path=__file__).endswith(f"`{__file__}`")  # type: ignore[arg-type]


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_colours_reach_the_contrast_of_wcag_on_both_cards() -> None:
    for ink in (INK, MUTED):
        assert _contrast(ink, CARD) >= 4.5
        assert _contrast(DARK[ink], DARK[CARD]) >= 4.5
    for colour in KIND_COLOURS.values():
        assert min(_contrast(colour, CARD), _contrast(colour, DARK[CARD])) >= 3


@pytest.mark.parametrize("ends", [(0, 1), (0, 0.03), (0.5, 48.5), (0, 41315), (3, 3)], ids=str)
def test_ticks_are_few_and_within(ends: tuple[float, float]) -> None:
    found = ticks(*ends)
    assert 1 <= len(found) <= 9
    assert all(ends[0] <= value <= ends[1] for value in found)
