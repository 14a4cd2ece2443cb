"""The counts that make the collection the SVTA paper's: 25,442 texts here, 41,315 with OOPS! and the expansions."""

import json
import time
from pathlib import Path

import polars as pl
from text_sources import never_embed, words_embedding, write_json, write_uca

from svta_assets.categories import load_categories
from svta_assets.schemas import TEXTS
from svta_assets.texts.collect import Collected, collect_texts

UCA = {
    "Abuse": 722, "Arrest": 616, "Arson": 267, "Assault": 270, "Burglary": 1066, "Explosion": 378, "Fighting": 676,
    "RoadAccidents": 619, "Robbery": 1134, "Shooting": 471, "Shoplifting": 767, "Stealing": 944, "Vandalism": 417,
    "Normal": 15195,
}  # fmt: skip
AR = {
    "Abuse": 50, "Arrest": 50, "Arson": 50, "Assault": 50, "Burglary": 100, "Explosion": 50, "Fighting": 50,
    "RoadAccidents": 150, "Robbery": 150, "Shooting": 50, "Shoplifting": 50, "Stealing": 100, "Vandalism": 50,
    "Normal": 950,
}  # fmt: skip
OOPS_TEXTS = 14_723
DESCRIPTIONS_PER_SEED = 50


def test_real_totals_are_exact(real: Collected) -> None:
    assert real.report["totals"] == {"texts": 25_442, "normal": 16_145, "anomalous": 9_297}
    assert real.texts.height == 25_442 and int(real.texts["is_anomaly"].sum()) == 9_297
    assert real.texts["text_id"].n_unique() == 25_442
    assert real.rejects.is_empty()


def test_real_counts_per_class(real: Collected) -> None:
    assert real.report["sources"]["uca"]["classes"] == UCA
    assert real.report["sources"]["ucfcrime_ar"]["classes"] == AR
    assert real.report["sources"]["uca"]["splits"] == {"test": 4331, "train": 15677, "val": 3534}
    assert real.report["sources"]["uca"]["videos"] == 1854


def test_real_texts_lie_in_their_class_or_an_even_normal_shard(real: Collected) -> None:
    counts = real.report["categories"]
    for one in load_categories():
        if one.ucf_class:
            assert counts[one.key] == UCA[one.ucf_class] + AR[one.ucf_class]
    shards = [count for key, count in counts.items() if key.startswith("normal-")]
    assert len(shards) == 16 and sum(shards) == 16_145
    assert min(shards) > 0.85 * 16_145 / 16 and max(shards) < 1.15 * 16_145 / 16


def test_real_sources_take_less_than_ten_seconds(real_dir: Path) -> None:
    started = time.perf_counter()
    collect_texts(real_dir, never_embed)
    assert time.perf_counter() - started < 10


def test_with_oops_the_totals_are_the_papers(real_dir: Path, tmp_path: Path) -> None:
    for name in ("uca", "ucfcrime_ar"):
        (tmp_path / name).symlink_to(real_dir / name)
    write_json(tmp_path / "oops" / "train.json", made_up_oops(OOPS_TEXTS))
    collected = collect_texts(tmp_path, words_embedding)
    expansions = DESCRIPTIONS_PER_SEED * sum(one.origin == "seed" for one in load_categories())
    totals = collected.report["totals"]
    assert expansions == 1_150
    assert totals["normal"] == 16_145
    assert totals["anomalous"] + expansions == 25_170
    assert totals["texts"] + expansions == 41_315
    oops = collected.texts.filter(pl.col("source") == "oops")
    assert oops.height == OOPS_TEXTS and oops["is_anomaly"].all()
    assert oops["category"].str.starts_with("unintentional-").all() and oops["category"].n_unique() > 10


def made_up_oops(count: int) -> dict[str, list[dict[str, object]]]:
    """`count` annotations, two a video, in the published form, and as many "don't know" ones as there are spellings."""
    things = ("ladder", "bicycle", "skateboard", "swing", "trampoline", "dog", "boat", "glass", "ball", "car", "cake")
    deeds = ("falls off the", "drops the", "is hit by the", "crashes into the", "slips beside the", "breaks the")
    sentences = [f"Person {n} {deeds[n % 6]} {things[n % 11]}" for n in range(count)]
    videos: dict[str, list[dict[str, object]]] = {}
    for n, sentence in enumerate([*sentences, "I don't know", "I DON\u2019T KNOW", "dont know what"]):
        annotation = {"goal": "to do it", "wentwrong": sentence, "kgoalsvos": [], "kwentwrongsvos": []}
        videos.setdefault(f"Fails of the week{n // 2}", []).append(annotation)
    return videos


def test_label_follows_the_source_video_not_the_sentence(tmp_path: Path) -> None:
    calm, violent = "The white car was driving in the middle of the road", "A man beats another man"
    write_uca(tmp_path / "uca", {"RoadAccidents001_x264": [(0, 2, calm)], "Normal_Videos001_x264": [(0, 2, violent)]})
    texts = collect_texts(tmp_path, never_embed).texts
    assert dict(texts.select("caption", "is_anomaly").rows()) == {calm: True, violent: False}


def test_texts_fit_the_table(tmp_path: Path) -> None:
    write_uca(tmp_path / "uca", {"Abuse001_x264": [(0, 2, "A man shouts.")]})
    texts = collect_texts(tmp_path, never_embed).texts
    assert dict(texts.schema) == dict(TEXTS.schema)
    assert texts.drop("text_id", "source_key").to_dicts() == [
        {
            "source": "uca", "source_video": "Abuse001_x264", "source_split": "train", "caption": "A man shouts.",
            "caption_zh": None, "is_anomaly": True, "source_category": "Abuse", "category": "abuse", "start_s": 0.0,
            "end_s": 2.0, "flags": ["short"],
        }
    ]  # fmt: skip


def test_report_is_plain_json(real: Collected) -> None:
    assert json.loads(json.dumps(real.report)) == real.report
