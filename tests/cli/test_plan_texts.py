"""`svta plan --texts`: the questions that are still to be asked, and what they are estimated to cost."""

import json

import pytest

from svta_assets.categories import load_categories
from tests.cli.conftest import Svta
from tests.toy_home import DrillHome


def _totals(svta: Svta, *more: str) -> dict[str, dict[str, float]]:
    code, out, err = svta("plan", "--texts", "--json", *more)
    assert code == 0, err
    return {total["task"]: total for total in json.loads(out)["totals"]}


@pytest.fixture
def described(real: DrillHome) -> DrillHome:
    """Descriptions of `fighting` and `normal-00` are there, those of every other seed are not."""
    return real


def test_only_open_questions_are_counted(svta: Svta, described: DrillHome) -> None:
    seeds = [one.key for one in load_categories() if one.origin == "seed" and not one.retired]
    assert _totals(svta)["describe"]["requests"] > 0
    assert _totals(svta, "fighting")["describe"]["requests"] == 0, "fighting is described"
    other = next(key for key in seeds if key not in described.work.catalog.partitions("descriptions"))
    assert _totals(svta, other)["describe"]["requests"] == described.work.profile.descriptions_per_seed


def test_a_priced_model_shows_tokens_and_price_before_anything_is_asked(
    svta: Svta, described: DrillHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another model answers nothing yet, so that every question is open; no server is needed to plan."""
    for name, value in (
        ("SVTA_LLM_MODEL", "some-model"),
        ("OPENAI_BASE_URL", "http://127.0.0.1:9/v1"),
        ("SVTA_LLM_PRICE_IN", "1.0"),
        ("SVTA_LLM_PRICE_OUT", "10.0"),
    ):
        monkeypatch.setenv(name, value)
    total = _totals(svta, "fighting")["describe"]
    assert total["requests"] == described.work.profile.descriptions_per_seed
    assert total["prompt_tokens"] > 0
    assert total["price"] == pytest.approx((total["prompt_tokens"] + 10 * total["answer_tokens"]) / 1e6, abs=1e-6)
    code, out, _ = svta("plan", "--texts", "fighting")
    assert code == 0
    assert "some-model" in out
    assert "price" in out


def test_without_texts_the_next_step_is_named(svta: Svta, home: object) -> None:
    code, _, err = svta("plan", "--texts")
    assert code == 1
    assert "materialize raw_texts" in err
