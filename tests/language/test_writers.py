"""Several models: who writes a slot, and what a file of models must hold."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svta_assets.texts.writers import Writer, Writers, drawn
from svta_resources.chat_errors import ChatError
from svta_resources.llm import ChatModel
from svta_resources.llm_models import labelling_model, listed_models
from svta_resources.llm_settings import Prices
from svta_resources.profiles import project_root

FILE = """
models:
  - name: Qwen/Qwen3-32B
    base_url: http://gpu-a:8000/v1
    share: 2
    price_in: 0.3
    price_out: 1.2
    requests_per_minute: 600
  - name: deepseek-reasoner
    base_url: https://api.deepseek.com/v1
    api_key_env: DEEPSEEK_KEY
    max_tokens: 8192
    temperature: 0.6
    tokens_per_minute: 1.0e+5
    concurrency: 8
    timeout_s: 600
    labels: true
"""

shares = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=4), st.floats(0.1, 10, allow_nan=False), min_size=1, max_size=5
)
keys = [f"falling/{slot}" for slot in range(60)]


@given(shares, st.text("ghij", min_size=1, max_size=4), st.floats(0.1, 10, allow_nan=False))
def test_a_model_that_joins_takes_slots_only_for_itself(before: dict[str, float], name: str, share: float):
    now = {**before, name: share}
    for key in keys:
        was, is_now = drawn(key, list(before.items())), drawn(key, list(now.items()))
        assert is_now in (was, name)


@given(shares, st.data())
def test_the_order_of_the_file_and_the_unit_of_shares_do_not_matter(given_shares: dict[str, float], data):
    order = data.draw(st.permutations(list(given_shares.items())))
    doubled = [(name, 2.0 * share) for name, share in order]
    assert [drawn(key, order) for key in keys] == [drawn(key, list(given_shares.items())) for key in keys]
    assert [drawn(key, doubled) for key in keys] == [drawn(key, order) for key in keys]


def test_each_model_writes_its_share():
    listed = [("a", 1.0), ("b", 2.0), ("c", 5.0)]
    counts = Counter(drawn(f"{category}/{slot}", listed) for category in range(80) for slot in range(50))
    assert {name: round(counts[name] / 4000, 2) for name, _ in listed} == pytest.approx(
        {"a": 0.125, "b": 0.25, "c": 0.625}, abs=0.02
    )


def test_a_larger_share_only_adds_slots():
    def slots(share: float) -> set[str]:
        return {key for key in keys if drawn(key, [("a", share), ("b", 1.0)]) == "a"}

    assert slots(0.5) < slots(1.0) < slots(3.0)


def test_writers_answer_with_the_model_of_the_slot():
    chats = [ChatModel(name, "http://x/v1", "key", prices=Prices(1.0, 2.0)) for name in ("a", "b")]
    writers = Writers([Writer(chats[0]), Writer(chats[1])])
    assert {writers.of_slot("falling", slot) for slot in range(50)} == set(chats)
    assert writers.prices() == {"a": Prices(1.0, 2.0), "b": Prices(1.0, 2.0)}
    assert Writers.of(chats[1]).of_slot("falling", 7) is chats[1]


def write(folder: Path, text: str) -> dict[str, str]:
    file = folder / "models.yaml"
    file.write_text(text)
    return {"SVTA_LLM_MODELS": str(file), "DEEPSEEK_KEY": "sk-secret"}


def test_a_file_gives_each_model_settings_of_its_own(tmp_path: Path):
    environ = {**write(tmp_path, FILE), "SVTA_LLM_MAX_TOKENS": "2048", "SVTA_LLM_RPM": "5"}
    qwen, deepseek = listed_models(environ)
    assert (qwen.chat.model, qwen.chat.base_url, qwen.share) == ("Qwen/Qwen3-32B", "http://gpu-a:8000/v1", 2.0)
    assert (qwen.chat.settings.max_tokens, qwen.chat.prices) == (2048, Prices(0.3, 1.2))
    assert qwen.chat.traffic.requests_per_minute == 600, "SVTA_LLM_RPM speaks of one server"
    assert (deepseek.chat.api_key, deepseek.chat.provider) == ("sk-secret", "api.deepseek.com")
    assert (deepseek.chat.settings.temperature, deepseek.chat.settings.max_tokens) == (0.6, 8192)
    traffic = deepseek.chat.traffic
    assert (traffic.concurrency, traffic.tokens_per_minute, traffic.timeout_s) == (8, 1e5, 600.0)
    assert traffic.requests_per_minute is None
    assert labelling_model([qwen, deepseek]) is deepseek.chat and labelling_model([qwen]) is qwen.chat
    assert "sk-secret" not in repr((qwen, deepseek))


def test_without_the_setting_there_is_no_list():
    assert listed_models({}) == () == listed_models({"SVTA_LLM_MODELS": " ", "SVTA_LLM_MODEL": "m"})


ONE = "models:\n  - {name: m, base_url: 'http://x/v1'%s}\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("models: [", "no YAML"),
        ("", "one list, `models:`"),
        ("models: []", "at least one model"),
        ("models: [{name: m}]\nother: 1", "one list, `models:`"),
        ("models: [7]", "model 1: the entry"),
        ("models: [{base_url: 'http://x/v1'}]", "model 1: name: Field required"),
        (ONE % ", modle: 3", r"model 1 \(m\): modle: .*known fields: name, base_url"),
        (ONE % ", share: 0", r"model 1 \(m\): share: .*greater than 0"),
        (ONE % ", share: -1", "share"),
        (ONE % ", share: .nan", "share"),
        (ONE % ", share: many", "share"),
        (ONE % ", temperature: -1", "temperature"),
        (ONE % ", max_tokens: 0", "max_tokens"),
        (ONE % ", requests_per_minute: 0", "requests_per_minute"),
        (ONE % ", price_in: 1", "both price_in and price_out"),
        (ONE % ", api_key_env: MY_KEY", "key of m is read from MY_KEY, which is not set"),
        ("models: [{name: m}]", "read from OPENAI_API_KEY"),
        ("models: [{name: m, base_url: x}, {name: m, base_url: y}]", "m is listed twice"),
        ("models: [{name: m, base_url: x, labels: true}, {name: n, base_url: y, labels: true}]", "stands at m, n"),
        ("models: [{name: embedded-rules, base_url: 'http://embedded/v1', max_tokens: 5}]", "takes no max_tokens"),
    ],
)
def test_a_bad_file_is_refused_with_the_place(tmp_path: Path, text: str, words: str):
    environ = write(tmp_path, text)
    with pytest.raises(ChatError, match=words) as caught:
        listed_models(environ)
    assert "models.yaml" in str(caught.value)


def test_a_key_written_into_the_file_is_not_repeated_in_the_error(tmp_path: Path):
    with pytest.raises(ChatError, match="api_key_env") as caught:
        listed_models(write(tmp_path, ONE % ", api_key_env: sk-proj-12345"))
    assert "12345" not in str(caught.value)


def test_a_missing_file_and_two_settings_at_once_are_refused(tmp_path: Path):
    with pytest.raises(ChatError, match="SVTA_LLM_MODELS=.*none.yaml cannot be read"):
        listed_models({"SVTA_LLM_MODELS": str(tmp_path / "none.yaml")})
    with pytest.raises(ChatError, match="both set"):
        listed_models({**write(tmp_path, FILE), "SVTA_LLM_MODEL": "m"})


def test_the_embedded_rules_can_be_one_of_the_models(tmp_path: Path):
    text = "models:\n  - {name: embedded-rules, base_url: 'http://embedded/v1'}\n"
    (one,) = listed_models(write(tmp_path, text))
    assert one.chat.provider == "embedded-rules" and one.chat.transport is not None


def test_the_documented_example_is_a_file_that_works(tmp_path: Path):
    text = (project_root() / "docs" / "operations.md").read_text()
    example = text.split("### Several models")[1].split("```yaml\n")[1].split("```")[0]
    environ = {**write(tmp_path, example), "DEEPSEEK_API_KEY": "sk-secret"}
    qwen, deepseek = listed_models(environ)
    assert (qwen.share, deepseek.share, labelling_model([qwen, deepseek])) == (2.0, 1.0, qwen.chat)
