"""Near-duplicates are set aside, further slots make them up, and what was decided stands."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svta_assets.categories import category
from svta_assets.schemas import DESCRIPTIONS, NOVELTY
from svta_assets.texts.expand import Expansion, expand, open_requests
from svta_assets.texts.novelty import Novelty
from svta_assets.texts.slots import MOST_REPEATS, Rules, pair_of
from svta_assets.texts.writers import Writers
from svta_models.media_store import open_store
from svta_resources.answers import AnswerLog
from tests.language.servers import scripted_chat

FALLING = category("falling")
THRESHOLD = 0.9


def embed(captions: Sequence[str]) -> np.ndarray:
    """Unit vectors: the number after "plot" names an axis, that after "tale" tilts it by a few degrees."""
    vectors = np.zeros((len(captions), 400), dtype=np.float32)
    for row, caption in zip(vectors, captions, strict=True):
        plot, tale = (
            int(found.group(1)) if (found := re.search(rf"{word} (\d+)", caption)) else 0 for word in ("plot", "tale")
        )
        row[plot], row[300 + tale % 100] = 1.0, 0.2
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def caption(plot: int, tale: int) -> str:
    return f"A woman falls in the street at dawn, plot {plot} and tale {tale}."


def run(folder: Path, count: int, said, **novelty) -> Expansion:
    """Expand with answers by slot: `said(slot)` is a caption."""
    chat, transport = scripted_chat(lambda payload, n: {"caption": said(payload["index"])})
    gone = novelty.pop("dropped", {})
    rules = Rules(Novelty("falling", THRESHOLD, embed, **novelty), gone)
    with AnswerLog(open_store(folder), "answers/describe/falling", "run") as log:
        expansion = expand(FALLING, count, Writers.of(chat), log, rules)
    expansion.__dict__["asked"] = len(transport.bodies)
    return expansion


def judged(*expansions: Expansion) -> pl.DataFrame:
    """The table `novelty` after these runs."""
    return pl.concat(
        [one.judged.with_columns(at=pl.lit(str(n))) for n, one in enumerate(expansions)] or [NOVELTY.empty()]
    )


def slots(expansion: Expansion) -> list[int]:
    return expansion.rows["slot"].to_list()


def test_a_near_duplicate_is_a_reject_with_what_it_repeats_and_another_slot_is_opened(tmp_path: Path):
    plots = {0: 0, 1: 1, 2: 1, 3: 3, 4: 0, 5: 5}
    made = run(tmp_path, 4, lambda slot: caption(plots[slot], slot))
    assert slots(made) == [0, 1, 3, 5] and made.__dict__["asked"] == 6
    assert made.rows["pair_id"].to_list() == [pair_of("falling", slot) for slot in (0, 1, 3, 5)]
    assert (made.near_duplicates, made.missing) == (2, 0)
    first = made.rejects.row(0, named=True)
    assert (first["key"], first["reason"]) == ("falling/2/attempt-1", "nearly repeats another description")
    assert caption(1, 2) in first["detail"] and caption(1, 1) in first["detail"] and "cosine 0.962" in first["detail"]
    of_slot = made.judged.filter(pl.col("slot") == 2).row(0, named=True)
    assert (of_slot["near_duplicate"], of_slot["nearest_pair"]) == (True, pair_of("falling", 1))
    assert of_slot["cosine"] == pytest.approx(0.9615, abs=1e-4) and of_slot["model"] == "toy"


def test_what_other_categories_have_published_counts_too(tmp_path: Path):
    other = {"pair_id": "o", "category": "fire", "caption": caption(2, 50), "origin": "llm"}
    made = run(tmp_path, 3, lambda slot: caption(slot, slot), others=lambda: DESCRIPTIONS.frame([other]))
    assert slots(made) == [0, 1, 3]
    assert "(fire, o; cosine" in made.rejects["detail"][0]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=12, max_size=12), st.integers(1, 4), st.data())
def test_topping_up(tmp_path_factory, plots: list[int], count: int, data):
    """`count` distinct ones or a ceiling that was reached; the lowest slots that are new; nothing asked twice."""
    folder = tmp_path_factory.mktemp("log")

    def said(slot: int) -> str:
        return caption(plots[slot] if slot < len(plots) else 6, slot)

    made = run(folder, count, said)
    new = [slot for slot in range(len(plots) + 1) if plots[slot : slot + 1] == [] or plots[slot] not in plots[:slot]]
    expected = [slot for slot in new if slot - new.index(slot) < MOST_REPEATS * count][:count]
    assert slots(made) == expected and made.missing == count - len(expected)
    if made.missing:
        assert made.near_duplicates == MOST_REPEATS * count
    else:
        assert made.__dict__["asked"] == slots(made)[-1] + 1, "no slot beyond the last one needed"
    captions = made.rows["caption"].to_list()
    cosines = embed(captions) @ embed(captions).T
    np.fill_diagonal(cosines, 0)
    assert cosines.max(initial=0.0) < THRESHOLD
    again = run(folder, count, said, judged=judged(made))
    assert again.rows.equals(made.rows) and again.rejects.equals(made.rejects)
    assert again.__dict__["asked"] == 0 and again.judged.is_empty()
    fewer = data.draw(st.integers(1, count))
    assert slots(run(folder, fewer, said))[: fewer - 1] == slots(made)[: fewer - 1]


def test_a_published_description_stands_whatever_others_write_later(tmp_path: Path):
    made = run(tmp_path, 3, lambda slot: caption(slot, slot))
    later = {"pair_id": "o", "category": "fire", "caption": caption(1, 50), "origin": "llm"}

    def others() -> pl.DataFrame:
        return DESCRIPTIONS.frame([later])

    assert slots(run(tmp_path, 3, None, others=others, judged=judged(made))) == [0, 1, 2]
    published = dict(made.rows.select("pair_id", "caption").iter_rows())
    assert slots(run(tmp_path, 3, None, others=others, published=published)) == [0, 1, 2], "homes of before the table"
    fresh = run(tmp_path / "anew", 3, lambda slot: caption(slot, slot), others=others)
    assert slots(fresh) == [0, 2, 3], "whoever comes later gives way"


def test_what_was_set_aside_stays_so_though_what_it_repeated_has_gone(tmp_path: Path):
    other = {"pair_id": "o", "category": "fire", "caption": caption(1, 50), "origin": "llm"}
    made = run(tmp_path, 3, lambda slot: caption(slot, slot), others=lambda: DESCRIPTIONS.frame([other]))
    assert slots(made) == [0, 2, 3]
    assert slots(run(tmp_path, 3, None, judged=judged(made))) == [0, 2, 3]


def test_a_settled_category_embeds_nothing(tmp_path: Path):
    made = run(tmp_path, 3, lambda slot: caption(slot // 2, slot))

    def never(captions: Sequence[str]) -> np.ndarray:
        raise AssertionError(f"embedded {captions}")

    chat, _ = scripted_chat(lambda payload, n: "unused")
    rules = Rules(Novelty("falling", THRESHOLD, never, judged=judged(made)))
    with AnswerLog(open_store(tmp_path), "answers/describe/falling", "run") as log:
        assert expand(FALLING, 3, Writers.of(chat), log, rules).rows.equals(made.rows)


def test_answers_are_embedded_together(tmp_path: Path):
    """One by one each becomes a file of its own among the kept vectors, and every later search opens them all."""
    asked: list[int] = []

    def counting(captions: Sequence[str]) -> np.ndarray:
        asked.append(len(captions))
        return embed(captions)

    chat, _ = scripted_chat(lambda payload, n: {"caption": caption(payload["index"], payload["index"])})
    rules = Rules(Novelty("falling", THRESHOLD, counting))
    with AnswerLog(open_store(tmp_path), "answers/describe/falling", "run") as log:
        expand(FALLING, 20, Writers.of(chat), log, rules)
    assert asked[0] == 20


def test_another_threshold_is_another_question(tmp_path: Path):
    made = run(tmp_path, 3, lambda slot: caption(slot // 2, slot))
    assert slots(made) == [0, 2, 4]
    looser = Rules(Novelty("falling", 0.99, embed, judged=judged(made)))
    chat, transport = scripted_chat(lambda payload, n: "unused")
    with AnswerLog(open_store(tmp_path), "answers/describe/falling", "run") as log:
        assert slots(expand(FALLING, 3, Writers.of(chat), log, looser)) == [0, 1, 2]
    assert not transport.bodies


def test_a_dropped_description_is_replaced_and_not_written_again(tmp_path: Path):
    made = run(tmp_path, 3, lambda slot: caption(slot, slot))
    gone = {(pair_of("falling", 1), caption(1, 1)): {"by": "ann", "reason": "no such thing"}}
    # slot 3 nearly says again what was dropped
    now = run(tmp_path, 3, lambda slot: caption({3: 1}.get(slot, slot), slot), judged=judged(made), dropped=gone)
    assert slots(now) == [0, 2, 4] and (now.dropped, now.near_duplicates, now.missing) == (1, 1, 0)
    assert now.__dict__["asked"] == 2
    rejects = {row["reason"]: row for row in now.rejects.to_dicts()}
    assert rejects["dropped by a reviewer"]["key"] == pair_of("falling", 1)
    assert rejects["dropped by a reviewer"]["detail"] == f"ann: no such thing: {caption(1, 1)}"
    back = run(tmp_path, 3, None, judged=judged(made, now))
    assert slots(back) == [0, 1, 2], "a verdict that is taken back brings it back"
    elsewhere = {(pair_of("falling", 1), "Another caption."): {"by": "ann", "reason": "no such thing"}}
    assert slots(run(tmp_path, 3, None, judged=judged(made, now), dropped=elsewhere)) == [0, 1, 2]


def test_a_plan_compares_nothing_and_counts_the_slots_that_are_open(tmp_path: Path):
    made = run(tmp_path, 2, lambda slot: caption(slot // 2, slot))
    assert slots(made) == [0, 2]
    chat, _ = scripted_chat(lambda payload, n: "unused")
    rules = Rules(Novelty("falling", THRESHOLD, None, judged=judged(made)))
    with AnswerLog(open_store(tmp_path), "answers/describe/falling", "run") as log:
        asked = open_requests(FALLING, 5, Writers.of(chat), log, rules)
    assert [request.key for _, request in asked] == ["3", "4", "5"]


def test_the_real_embedder_tells_another_colour_from_another_event():
    """The threshold of gates.yaml on real sentences: the same scene in other clothes repeats, another one does not."""
    from svta_assets.gates import gate_settings
    from svta_resources.embedder import get_embedder

    threshold = gate_settings("demo")["descriptions"]["near_duplicate_cosine"]
    first = "A young woman in a red coat falls down the stairs of a subway station in Lima at dusk."
    novelty = Novelty("falling", threshold, get_embedder().encode)
    for words, near in (("blue coat", True), ("red coat dances on the roof and", False)):
        other = first.replace("red coat", words)
        verdict = novelty.judge("p", 1, {"caption": other, "model": "toy"}, [("q", first)])
        assert verdict.near_duplicate is near and verdict.caption == first
