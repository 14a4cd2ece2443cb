"""What a name and filters mean: pairs by generation category."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from svta_assets.categories import UnknownCategory
from svta_assets.regeneration.filters import BadFilter, Filters, parse_filters, parse_limit
from svta_assets.regeneration.selection import Chosen, Wish, choose
from svta_assets.workspace import Workspace
from svta_resources.errors import SvtaError
from tests.stages.toy_category import ToyCategory

FIRE = {f"f{n}": f"House {n} burns." for n in range(6)}
FALL = {f"g{n}": f"Man {n} falls." for n in range(4)}


@pytest.fixture
def toys(tmp_path: Path) -> dict[str, ToyCategory]:
    """Two categories of a home with a final category over both and a test pair in each; f0 and g0 were rejected."""
    made = {}
    for key, captions, bad in (("fire", FIRE, FIRE["f0"]), ("falling", FALL, FALL["g0"])):
        toy = made[key] = ToyCategory(tmp_path / "home", captions, category=key)
        toy.generator.still = [(bad, 42)]
        toy.run()
    work = made["fire"].work
    final = {"f1": "anomaly-01-mishap", "g1": "anomaly-01-mishap", "g2": "anomaly-01-mishap", "f2": "anomaly-02-blaze"}
    home = {pair: "fire" if pair[0] == "f" else "falling" for pair in final}
    rows = [{"pair_id": pair, "category": home[pair], "final_category": slug} for pair, slug in final.items()]
    work.catalog.publish("assignments", "all", rows)
    work.catalog.publish("splits", "all", [{"pair_id": p, "split": "test"} for p in ("f1", "g2")])
    return made


def _chosen(toys: dict[str, ToyCategory], *names: str, include_test: bool = True, **filters: Any) -> Chosen:
    return choose(toys["fire"].work, Wish(names, parse_filters(filters), include_test))


def test_a_generation_category_alone_means_all_of_it(toys: dict[str, ToyCategory]) -> None:
    assert _chosen(toys, "fire", "falling").pairs == {"fire": None, "falling": None}


@pytest.mark.parametrize("name", ["anomaly-01-mishap", "mishap", "Mishap"])
def test_a_final_category_means_its_pairs_wherever_they_lie(toys: dict[str, ToyCategory], name: str) -> None:
    assert _chosen(toys, name).pairs == {"falling": ["g1", "g2"], "fire": ["f1"]}


def test_a_generation_category_beside_a_final_one_is_whole(toys: dict[str, ToyCategory]) -> None:
    assert _chosen(toys, "mishap", "fire").pairs == {"falling": ["g1", "g2"], "fire": None}


def test_test_pairs_are_spared_where_asked_and_counted(toys: dict[str, ToyCategory]) -> None:
    found = _chosen(toys, "mishap", include_test=False)
    assert (found.pairs, found.spared) == ({"falling": ["g1"], "fire": []}, 2)
    assert (found.categories, found.idle) == (["falling"], ["fire"])
    assert _chosen(toys, "fire", include_test=False).pairs == {"fire": ["f0", "f2", "f3", "f4", "f5"]}


def test_rejected_means_pairs_without_an_accepted_clip(toys: dict[str, ToyCategory]) -> None:
    assert _chosen(toys, "fire", "falling", rejected=True).pairs == {"fire": ["f0"], "falling": ["g0"]}


def test_stale_means_clips_that_would_be_made_differently(toys: dict[str, ToyCategory]) -> None:
    assert _chosen(toys, "fire", stale=True).pairs == {"fire": []}
    toys["fire"].work.generator.style = "other"  # type: ignore[attr-defined]
    assert _chosen(toys, "fire", stale=True).pairs == {"fire": ["f1", "f2", "f3", "f4", "f5"]}


def test_a_score_splits_the_current_clips_at_its_limit(toys: dict[str, ToyCategory]) -> None:
    motion = dict(toys["fire"].clips.filter("current").select("pair_id", "motion").iter_rows())
    limit = sorted(motion.values())[2]
    low = sorted(pair for pair, value in motion.items() if value < limit)
    high = sorted(pair for pair, value in motion.items() if value > limit)
    assert len(low) == 2
    assert _chosen(toys, "fire", below={"motion": limit}).pairs == {"fire": low}
    assert _chosen(toys, "fire", above={"motion": limit}).pairs == {"fire": high}
    both = _chosen(toys, "fire", below={"motion": limit}, rejected=True).pairs
    assert both == {"fire": sorted([*low, "f0"])}, "conditions add up"


def test_ids_restrict_what_is_meant_and_need_no_category(toys: dict[str, ToyCategory]) -> None:
    assert _chosen(toys, only=["g1", "f3-0"]).pairs == {"falling": ["g1"], "fire": ["f3"]}
    assert _chosen(toys, "fire", only=["g1", "f3"]).pairs == {"fire": ["f3"]}
    assert _chosen(toys, "mishap", only=["g1", "f3"]).pairs == {"falling": ["g1"], "fire": []}
    assert _chosen(toys, "fire", only=["f0", "f1"], rejected=True).pairs == {"fire": ["f0"]}


@pytest.mark.parametrize(
    ("names", "filters", "kind", "said"),
    [
        (("figthing",), {}, UnknownCategory, "did you mean fighting"),
        (("mishaps",), {}, UnknownCategory, "mishap"),
        ((), {}, SvtaError, "nothing is named"),
        ((), {"only": ["zz"]}, SvtaError, "no pair zz"),
        (("falling",), {"only": ["f1"]}, SvtaError, "none of the 1 pairs lies in falling"),
        (("dancing",), {}, SvtaError, "dancing: no descriptions yet"),
        (("fire",), {"below": {"similarity": 0.2}}, BadFilter, "svta review similarity"),
    ],
)
def test_what_cannot_be_meant_is_said(
    toys: dict[str, ToyCategory], names: tuple[str, ...], filters: dict[str, Any], kind: type, said: str
) -> None:
    with pytest.raises(kind, match=said):
        _chosen(toys, *names, **filters)


def test_a_name_that_two_final_categories_share_means_neither(toys: dict[str, ToyCategory]) -> None:
    work: Workspace = toys["fire"].work
    rows = work.catalog.read("assignments").with_columns(
        pl.when(pl.col("pair_id") == "f2")
        .then(pl.lit("normal-01-mishap"))
        .otherwise("final_category")
        .alias("final_category")
    )
    work.catalog.publish("assignments", "all", rows)
    with pytest.raises(UnknownCategory):
        _chosen(toys, "mishap")
    assert _chosen(toys, "normal-01-mishap").pairs == {"fire": ["f2"]}


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        ({"rejcted": True}, "no filter 'rejcted'"),
        ({"rejected": "yes"}, "true or false"),
        ({"below": 3}, "gives a limit for a score"),
        ({"below": {"beauty": 3}}, "no score 'beauty'"),
        ({"above": {"motion": "high"}}, "is a number"),
        ({"only": "f1"}, "list of pair ids"),
        ({"only": [1]}, "list of pair ids"),
    ],
)
def test_a_malformed_filter_is_named(filters: dict[str, object], said: str) -> None:
    with pytest.raises(BadFilter, match=said):
        parse_filters(filters)


def test_filters_survive_being_written_down() -> None:
    given = Filters(True, True, {"motion": 1.5}, {"flicker": 9.0}, ("f1",))
    assert parse_filters(given.as_dict()) == given
    assert str(given) == "rejected, stale, motion below 1.5, flicker above 9, 1 ids"
    assert (str(Filters()), Filters().as_dict()) == ("all pairs", {})


def test_a_limit_is_read_as_people_type_it() -> None:
    assert parse_limit("motion=1.5") == ("motion", 1.5)
    for wrong in ("motion", "motion=", "motion=low", "beauty=1"):
        with pytest.raises(BadFilter):
            parse_limit(wrong)
