"""All 22 UBnormal and 13 UCF-Crime anomaly classes are followed to the category of their pairs."""

import polars as pl

from svta_assets.categories import category, load_categories
from svta_assets.clusters.coverage import benchmark_classes, coverage_table, place_classes


def test_the_listed_classes_are_generation_categories_of_anomalies() -> None:
    classes = benchmark_classes()
    assert {name: len({one["class"] for one in listed}) for name, listed in classes.items()} == {
        "UBnormal": 22,
        "UCF-Crime": 13,
    }
    assert all(category(one["key"]).is_anomaly for listed in classes.values() for one in listed)
    assert {one.ucf_class for one in load_categories() if one.ucf_class} == {
        one["class"] for one in classes["UCF-Crime"]
    }
    seeds = {one.name for one in load_categories() if one.origin == "seed"}
    assert {one["class"] for one in classes["UBnormal"]} == seeds - {"throw"}


def test_a_class_leads_to_the_category_of_most_of_its_pairs() -> None:
    rows = [
        ("a", "fire", True, "anomaly-01-fire", "anomaly"),
        ("b", "fire", True, "anomaly-01-fire", "anomaly"),
        ("c", "fire", True, "anomaly-02-smoke", "anomaly"),
        ("d", "arson", True, "normal-03-burn", "normal"),
        ("e", "robbery", False, "normal-01-walk", "normal"),
    ]
    frame = pl.DataFrame(rows, schema=["pair_id", "category", "is_anomaly", "final_category", "kind"], orient="row")
    places = place_classes(frame, frame.select("pair_id", "category", "final_category", "kind"))
    by_name = {(one.benchmark, one.name): one for one in places}
    assert len(places) == 35
    fire = by_name["UBnormal", "fire"]
    assert (fire.how, fire.final_category, round(fire.share, 2)) == ("pairs", "anomaly-01-fire", 0.67)
    assert by_name["UCF-Crime", "Arson"].how == "normal"
    assert by_name["UCF-Crime", "Robbery"].how == "normal", "labelled, but nothing of it is anomalous"
    assert by_name["UCF-Crime", "Abuse"].how == "no texts"
    assert "| UBnormal | fire | anomaly-01-fire | 67% |" in coverage_table(places)
