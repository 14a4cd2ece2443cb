"""Operations of taxonomy.yaml do what they say, keep every label name in one category, and are found again by a diff."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from svta_assets.clusters.diff import compare
from svta_assets.clusters.operations import OperationError, apply_operations, check_operations
from svta_assets.clusters.taxonomy import FinalCategory, slug_of
from svta_resources.profiles import project_root

SOCIAL, ENVIRONMENT = "social norm violations", "environmental anomalies"
MOTION, CONTEXT = "fundamental motion patterns", "contextually consistent actions"


def _category(kind: str, number: int, name: str, *names: str, group: str) -> FinalCategory:
    return FinalCategory(slug_of(kind, number, name), number, name, kind, group, kind, (name, *names))


BASE = [
    _category("normal", 1, "walk", "stroll", group=MOTION),
    _category("normal", 2, "shop", group=CONTEXT),
    _category("anomaly", 1, "fall", "slip", "trip", group=SOCIAL),
    _category("anomaly", 2, "burn", "catch fire", "smoke", group=ENVIRONMENT),
    _category("anomaly", 3, "tumble", group=SOCIAL),
]


def _members(categories: list[FinalCategory]) -> dict[str, str]:
    return {name: one.slug for one in categories for name in one.names}


def _facts(categories: list[FinalCategory]) -> set[tuple[str, str, tuple[str, ...]]]:
    return {(one.slug, one.group, tuple(sorted(one.names))) for one in categories}


def _after(*operations: dict[str, Any]) -> tuple[dict[str, str], str]:
    """Members afterwards and the diff as text."""
    found = apply_operations(BASE, list(operations))
    return _members(found), compare(BASE, found).markdown()


def test_merge_puts_all_names_into_the_first_and_may_rename_it() -> None:
    members, text = _after({"merge": ["anomaly-01-fall", "anomaly-03-tumble"], "into": "falling"})
    assert {members[name] for name in ("fall", "slip", "trip", "tumble")} == {"anomaly-01-falling"}
    assert "- `anomaly-03-tumble` into `anomaly-01-falling`" in text
    assert "- `anomaly-01-fall` to `anomaly-01-falling`" in text


def test_rename_keeps_number_and_members() -> None:
    members, text = _after({"rename": "anomaly-02", "to": "arson"})
    assert {members[name] for name in ("burn", "catch fire", "smoke")} == {"anomaly-02-arson"}
    assert text == "**Renamed** (1)\n\n- `anomaly-02-burn` to `anomaly-02-arson`"


def test_split_takes_names_off_under_the_next_number() -> None:
    members, text = _after({"split": "burn", "names": ["smoke"], "name": "smoke"})
    assert (members["smoke"], members["burn"]) == ("anomaly-04-smoke", "anomaly-02-burn")
    assert text == "**Split** (1)\n\n- `anomaly-04-smoke` off `anomaly-02-burn`"


def test_move_carries_single_names() -> None:
    members, text = _after({"move": ["slip"], "to": "anomaly-03-tumble"})
    assert members["slip"] == "anomaly-03-tumble"
    assert text == "**Moved label names** (1)\n\n- slip: `anomaly-01-fall` to `anomaly-03-tumble`"


def test_kind_renumbers_the_category_among_the_other_kind() -> None:
    found = apply_operations(BASE, [{"kind": "anomaly-01-fall", "to": "normal"}, {"group": "normal-03", "to": CONTEXT}])
    one = next(item for item in found if "slip" in item.names)
    assert (one.slug, one.kind, one.labelled_kind, one.group) == ("normal-03-fall", "normal", "anomaly", CONTEXT)
    assert compare(BASE, found).changed_kind == [("normal-03-fall", "anomaly", "normal")]


def test_group_is_one_of_its_kind() -> None:
    _, text = _after({"group": "anomaly-01-fall", "to": "biomechanical anomalies"})
    assert text == f"**Other group** (1)\n\n- `anomaly-01-fall`: {SOCIAL} to biomechanical anomalies"


def test_later_operations_see_what_earlier_ones_made() -> None:
    members, _ = _after(
        {"split": "anomaly-02-burn", "names": ["smoke"], "name": "smoke"},
        {"move": ["catch fire"], "to": "anomaly-04-smoke"},
        {"rename": "anomaly-04-smoke", "to": "fire and smoke"},
    )
    assert members["catch fire"] == members["smoke"] == "anomaly-04-fire-and-smoke"


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        ({"merge": ["anomaly-01-fall"]}, "two categories or more"),
        ({"merge": ["anomaly-01-fall", "normal-01-walk"]}, "change the kind first"),
        ({"merge": ["anomaly-01-fall", "fall"]}, "listed twice"),
        ({"rename": "anomaly-01-fal", "to": "x"}, "nearest: anomaly-01-fall"),
        ({"rename": "anomaly-01-fall"}, "rename takes rename, to; got rename"),
        ({"rename": "anomaly-01-fall", "to": "x", "by": "me"}, "got by, rename, to"),
        ({"rename": "anomaly-01-fall", "to": 3}, "must be a word"),
        ({"split": "burn", "names": ["fall"], "name": "x"}, "anomaly-02-burn has no label name 'fall'"),
        ({"split": "burn", "names": ["burn", "smoke", "catch fire"], "name": "x"}, "rename it instead"),
        ({"move": ["walk"], "to": "anomaly-01-fall"}, "no category has the label name 'walk' among the anomaly names"),
        ({"move": ["tumble"], "to": "anomaly-01-fall"}, "last name of anomaly-03-tumble: merge"),
        ({"move": [], "to": "anomaly-01-fall"}, "must be a list of label names"),
        ({"kind": "burn", "to": "odd"}, "kind is normal or anomaly"),
        ({"group": "burn", "to": MOTION}, "anomaly categories are in the groups biomechanical anomalies"),
        ({"delete": "burn"}, "unknown operation; known: merge, rename, split, move, kind, group"),
    ],
)
def test_a_wrong_operation_is_named_with_what_to_do(operation: dict[str, Any], said: str) -> None:
    with pytest.raises(OperationError, match=r"\w") as raised:
        apply_operations(BASE, [{"rename": "shop", "to": "buy"}, operation])
    assert said in str(raised.value)
    assert "operation 2" in str(raised.value)


@pytest.mark.parametrize("loaded", [None, [], {"operations": []}, {"taxonomy": "a", "operations": ["merge"]}])
def test_a_file_of_another_shape_is_refused(loaded: Any) -> None:
    with pytest.raises(OperationError):
        check_operations(loaded)


@st.composite
def _operations(draw: st.DrawFn) -> list[dict[str, Any]]:
    slug = st.sampled_from([f"{one.kind}-{one.number:02d}" for one in BASE])
    name = st.sampled_from([name for one in BASE for name in one.names])
    one = st.one_of(
        st.builds(lambda a, b: {"merge": [a, b]}, slug, slug),
        st.builds(lambda a: {"rename": a, "to": "new"}, slug),
        st.builds(lambda a, b: {"split": a, "names": [b], "name": "off"}, slug, name),
        st.builds(lambda a, b: {"move": [b], "to": a}, slug, name),
        st.builds(lambda a, b: {"kind": a, "to": b}, slug, st.sampled_from(["normal", "anomaly"])),
    )
    return draw(st.lists(one, min_size=1, max_size=6))


@given(_operations())
def test_no_name_is_lost_or_in_two_categories_and_a_diff_sees_every_change(operations: list[dict[str, Any]]) -> None:
    found = BASE
    for operation in operations:
        try:
            found = apply_operations(found, [operation])
        except OperationError:
            continue
    names = sorted(name for one in found for name in one.names)
    assert names == sorted(name for one in BASE for name in one.names)
    assert len({one.slug for one in found}) == len(found)
    assert all(one.names for one in found)
    assert compare(BASE, found).needs_approval == (_facts(found) != _facts(BASE))


def test_names_that_come_and_go_need_no_approval_but_categories_do() -> None:
    grown = [*BASE[:-1], _category("anomaly", 3, "tumble", "roll", group=SOCIAL)]
    assert not compare(BASE, grown).needs_approval
    assert compare(BASE, grown).added == [("roll", "anomaly-03-tumble")]
    assert compare(grown, BASE).removed == [("roll", "anomaly-03-tumble")]
    assert compare(BASE, BASE).is_empty
    assert compare(BASE, BASE[:-1]).disappeared == ["anomaly-03-tumble"]
    assert compare(BASE[:-1], BASE).appeared == ["anomaly-03-tumble"]
    assert compare(BASE, BASE[:-1]).needs_approval


def test_the_examples_at_the_top_of_an_exported_file_are_operations(tmp_path: Path) -> None:
    from svta_assets.clusters.review import _HEAD

    examples = [line[1:].strip() for line in _HEAD.format(
        file="f", anomaly="", normal="", version="v"
    ).splitlines() if line.startswith("#   - ")]  # fmt: skip
    loaded = yaml.safe_load("\n".join(examples))
    assert len(loaded) == 6
    check_operations({"taxonomy": "v", "operations": loaded})


def test_the_documented_file_is_read() -> None:
    text = (project_root() / "docs" / "categories.md").read_text()
    block = text.split("```yaml\n")[1].split("```")[0]
    version, operations = check_operations(yaml.safe_load(block))
    assert version
    assert {next(iter(one)) for one in operations} == {"merge", "rename", "split", "move", "kind", "group"}
