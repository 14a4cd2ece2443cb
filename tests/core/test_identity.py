"""Names are what things are: stable across machines and versions, distinct for distinct things."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svta_models.identity import canonical_json, clip_id, recipe_sha, take_seed, text_id

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_names_that_homes_already_hold_never_change() -> None:
    """Written down once: a change here would orphan every clip ever made."""
    assert text_id("uca", "Abuse001_x264#0") == "2514bb79525f3a64f2c3"
    assert clip_id("2514bb79525f3a64f2c3", 3) == "2514bb79525f3a64f2c3-3"
    assert recipe_sha({"take": 0, "caption": "A café burns."})[:12] == "56fc7d3b951a"
    assert [take_seed(42, take) for take in (0, 1, 2)] == [42, 776859331, 863027514]


@given(st.text(), st.text(), st.integers(0, 99), st.text(), st.text(), st.integers(0, 99))
def test_text_ids_differ_when_anything_differs(s1: str, k1: str, n1: int, s2: str, k2: str, n2: int) -> None:
    assert re.fullmatch(r"[0-9a-f]{20}", text_id(s1.replace("\x1f", ""), k1, n1))
    one, two = (
        (s1.replace("\x1f", ""), k1.replace("\x1f", ""), n1),
        (s2.replace("\x1f", ""), k2.replace("\x1f", ""), n2),
    )
    assert (text_id(*one) == text_id(*two)) == (one == two)


@given(st.dictionaries(st.text(), _JSON, max_size=5))
def test_a_recipe_hash_does_not_depend_on_the_order_of_settings(recipe: dict[str, object]) -> None:
    backwards = dict(reversed(recipe.items()))
    assert canonical_json(recipe) == canonical_json(backwards)
    assert recipe_sha(recipe) == recipe_sha(backwards)


@given(st.integers(0, 2**31 - 1))
def test_take_zero_keeps_the_base_seed_and_later_takes_differ(base: int) -> None:
    seeds = [take_seed(base, take) for take in range(20)]
    assert seeds[0] == base
    assert len(set(seeds)) == 20
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_a_recipe_with_a_value_that_equals_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        recipe_sha({"cfg": float("nan")})
