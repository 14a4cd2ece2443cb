"""Search ranks every clip by the first stage and the first ones by the model's own similarity."""

from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from starlette.testclient import TestClient

from svta_assets.videos.plan import Mode
from svta_assets.videos.similarity import open_checkpoint
from svta_assets.workspace import Workspace
from svta_cli.app.search import index as index_module
from svta_cli.app.search.clips import Clips
from svta_cli.app.search.engine import Job, SearchEngine
from svta_cli.app.search.features import FeatureStore
from svta_cli.app.search.index import Index, encode_missing
from svta_cli.app.search.stages import stages_of
from svta_models.encoders import encoder_of
from svta_models.gram.encoder import GramEncoder
from svta_models.release import Release, resolve
from tests.app.conftest import CAPTIONS, NASTY, client_of, write_labels_and_release
from tests.app.html_pages import assert_harmless
from tests.app.tiny_checkpoints import METHODS, add_checkpoint
from tests.stages.toy_category import ToyCategory

torch.set_num_threads(1)
SENTENCE = "a house burns"
LONG_ENOUGH_S = 120.0


def _ready(engine: SearchEngine, work: Workspace, checkpoint: str) -> Index:
    found = engine.index(checkpoint, resolve(work.store), LONG_ENOUGH_S)
    assert not isinstance(found, Job), found.error
    return found


def _true_scores(work: Workspace, checkpoint: str) -> dict[str, float]:
    """What the model itself says of the sentence and every clip, encoded one by one."""
    opened = open_checkpoint(work.store, checkpoint)
    encoder = encoder_of(opened)
    clips = Clips(Release(work.store, resolve(work.store)).split("all"))
    texts, scores = encoder.texts([SENTENCE]), {}
    for row in clips.rows.iter_rows(named=True):
        frames, mask = clips.frames(row["number"], encoder.choice)
        if isinstance(encoder, GramEncoder):
            condition = encoder.condition(frames[None], mask[None])
            scores[row["clip_id"]] = float(encoder.match(*encoder.tokens([SENTENCE]), condition))
        else:
            scores[row["clip_id"]] = float(encoder.score(texts, encoder.clips(frames[None], mask[None])))
    return scores


@pytest.mark.parametrize("model", METHODS)
def test_the_order_is_that_of_the_models_own_similarity(released: ToyCategory, model: str) -> None:
    work = released.work
    checkpoint = add_checkpoint(work, model)
    found = _ready(SearchEngine(work, work.home.path / "cache"), work, checkpoint).search(SENTENCE)
    true = _true_scores(work, checkpoint)
    assert {row["clip_id"] for row in found.rows} == set(true)
    np.testing.assert_allclose([row["score"] for row in found.rows], sorted(true.values(), reverse=True), rtol=1e-4)
    for row in found.rows:
        assert row["score"] == pytest.approx(true[row["clip_id"]], rel=1e-3, abs=1e-5)
    assert found.clips == len(CAPTIONS)
    one_stage = model in ("clip4clip-meanp", "clip4clip-seqlstm", "clip4clip-seqtransf")
    assert found.reranked == (0 if one_stage else len(CAPTIONS))


@pytest.mark.parametrize("model", ["clip4clip-tighttransf", "xclip-vit-b-32", "gram"])
def test_only_the_first_ones_are_read_again_and_shown(
    released: ToyCategory, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    work = released.work
    checkpoint = add_checkpoint(work, model)
    ready = _ready(SearchEngine(work, work.home.path / "cache"), work, checkpoint)
    with torch.inference_mode():
        first = ready.stages.rank(ready.stages.encoder.texts([SENTENCE]), ready._pooled)
    best = {ready._rows["clip_id"][int(place)] for place in first.topk(3).indices}
    monkeypatch.setattr(index_module, "RERANK", 3)
    found = ready.search(SENTENCE)
    assert found.reranked == 3
    assert {row["clip_id"] for row in found.rows} == best
    true = _true_scores(work, checkpoint)
    assert [row["clip_id"] for row in found.rows] == sorted(best, key=lambda clip: -true[clip])


def test_features_are_made_once_and_only_for_what_is_new(
    released: ToyCategory, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, cache = released.work, released.work.home.path / "cache"
    checkpoint = add_checkpoint(work, "clip4clip-meanp")
    before = _ready(SearchEngine(work, cache), work, checkpoint).search(SENTENCE)
    released.generator.style = "other"
    released.run(Mode.NEW_TAKE, ["p0"])
    write_labels_and_release(released)

    encoded: list[int] = []
    add = FeatureStore.add
    monkeypatch.setattr(
        FeatureStore, "add", lambda store, shas, *rest: (encoded.append(len(shas)), add(store, shas, *rest))
    )
    after = _ready(SearchEngine(work, cache), work, checkpoint).search(SENTENCE)
    assert encoded == [1]
    changed = {row["clip_id"] for row in after.rows} - {row["clip_id"] for row in before.rows}
    assert changed == {"p0-1"}
    same = {row["clip_id"]: row["score"] for row in before.rows}
    assert all(row["score"] == same[row["clip_id"]] for row in after.rows if row["clip_id"] in same)


def test_a_broken_clip_is_left_out_and_said(released: ToyCategory, clip_file: Path) -> None:
    clip_file.write_bytes(b"no video")
    checkpoint = add_checkpoint(released.work, "xclip-vit-b-32")
    ready = _ready(SearchEngine(released.work, released.work.home.path / "cache"), released.work, checkpoint)
    assert ready.left_out == 1
    assert "p0-0" not in {row["clip_id"] for row in ready.search(SENTENCE).rows}


def test_a_build_that_was_killed_goes_on(released: ToyCategory, monkeypatch: pytest.MonkeyPatch) -> None:
    work = released.work
    checkpoint = add_checkpoint(work, "clip4clip-meanp")
    monkeypatch.setattr(index_module, "SEGMENT", 4)
    opened = open_checkpoint(work.store, checkpoint)
    stages, clips = (
        stages_of(encoder_of(opened), opened.model),
        Clips(Release(work.store, resolve(work.store)).split("all")),
    )

    def killed_after_a_segment(done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    folder = work.home.path / "features"
    with pytest.raises(KeyboardInterrupt):
        encode_missing(stages, FeatureStore(folder), clips, killed_after_a_segment)
    (folder / ".0123.pooled.part").write_bytes(b"half a file")
    store, told = FeatureStore(folder), list[tuple[int, int]]()
    assert len(store.known()) == 4
    encode_missing(stages, store, clips, lambda done, total: told.append((done, total)))
    assert told[0] == (4, len(CAPTIONS))
    assert told[-1] == (len(CAPTIONS), len(CAPTIONS))
    assert Index(stages, store, clips).search(SENTENCE).clips == len(CAPTIONS)


def test_features_come_back_in_the_order_asked(tmp_path: Path) -> None:
    store, random = FeatureStore(tmp_path), torch.Generator().manual_seed(0)
    kept = {f"{n:064x}": torch.rand(2, 5, generator=random) for n in range(9)}
    for start in range(0, 9, 4):
        shas = list(kept)[start : start + 4]
        rows = torch.stack([kept[sha] for sha in shas])
        store.add(shas, (rows[:, 0],), (rows, rows[:, 1]))
    again = FeatureStore(tmp_path)
    assert again.known() == set(kept)
    order = [list(kept)[n] for n in (8, 0, 5, 3)]
    expected = torch.stack([kept[sha] for sha in order])
    torch.testing.assert_close(again.pooled(order)[0], expected[:, 0], rtol=0, atol=0)
    whole, second = again.rest(order)
    torch.testing.assert_close(whole, expected, rtol=0, atol=0)
    torch.testing.assert_close(second, expected[:, 1], rtol=0, atol=0)


def test_a_checkpoint_that_is_gone_is_an_error_and_tried_again_later(
    released: ToyCategory, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = released.work
    checkpoint = add_checkpoint(work, "clip4clip-meanp")
    weights = cast(Path, work.store.local_path(f"checkpoints/{checkpoint}/model.safetensors"))
    data = weights.read_bytes()
    weights.unlink()
    engine, release = SearchEngine(work, work.home.path / "cache"), resolve(work.store)
    failed = engine.index(checkpoint, release, LONG_ENOUGH_S)
    assert isinstance(failed, Job)
    assert "model.safetensors" in failed.error
    assert engine.index(checkpoint, release) is failed
    weights.write_bytes(data)
    monkeypatch.setattr("svta_cli.app.search.engine.AGAIN_S", -1.0)
    _ready(engine, work, checkpoint)


# -- the page ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def searched(shown: ToyCategory, tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    """A tab on a home with two models whose features are there."""
    import shutil

    root = tmp_path_factory.mktemp("searched") / "home"
    shutil.copytree(shown.work.home.path, root)
    toy = ToyCategory(root, CAPTIONS)
    names = [add_checkpoint(toy.work, model) for model in ("clip4clip-meanp", "xclip-vit-b-32")]
    tab = client_of(toy.work)
    for name in names:
        _ready(tab.app.state.site.search, toy.work, name)  # type: ignore[attr-defined]
    tab.names = names  # type: ignore[attr-defined]
    return tab


def test_the_page_says_what_ranked_and_what_re_ranked(searched: TestClient) -> None:
    meanp, xclip = (f"/search?q=house&checkpoint={name}" for name in searched.names)  # type: ignore[attr-defined]
    page = assert_harmless(searched.get(meanp).text)
    assert f"{len(CAPTIONS)} clips ranked in" in page.text
    assert "re-ranked" not in page.text
    page = assert_harmless(searched.get(xclip).text)
    assert f"the first {len(CAPTIONS)} re-ranked by X-CLIP" in page.text
    videos = page.all("video", class_="hover")
    assert len(videos) == len(CAPTIONS)
    assert all(video["preload"] == "none" and "muted" in video for video in videos)
    for pair in ("script", "quote", "emoji", "chinese"):
        assert NASTY[pair] in page.text


def test_any_sentence_can_be_asked(searched: TestClient) -> None:
    for sentence in (
        *NASTY.values(),
        "🔥",
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "\x00",
        "%s",
    ):
        answer = searched.get("/search", params={"q": sentence[:2000]})
        assert answer.status_code == 200
        assert_harmless(answer.text)
    assert searched.get("/search", params={"q": "x" * 2001}).status_code == 400


@pytest.mark.parametrize(
    "asked", ["checkpoint=../../x", "checkpoint=clip4clip-meanp/0", "release=latest", "release=..%2f"]
)
def test_only_known_checkpoints_and_releases_are_opened(searched: TestClient, asked: str) -> None:
    assert searched.get(f"/search?q=a&{asked}").status_code == 404
    assert searched.get(f"/search/progress?q=a&{asked}").status_code == 404


def test_without_a_checkpoint_the_page_says_what_to_do(reader: TestClient) -> None:
    assert "model_checkpoints" in assert_harmless(reader.get("/search").text).text
    assert reader.get("/search/progress").status_code == 404


def test_while_features_are_made_the_page_shows_how_far(released: ToyCategory, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = add_checkpoint(released.work, "clip4clip-meanp")
    tab = client_of(released.work)
    job = Job(done=3, total=14)
    monkeypatch.setattr(SearchEngine, "index", lambda *_: job)
    page = assert_harmless(tab.get(f"/search?q=house&checkpoint={checkpoint}").text)
    assert "3 of 14 clips" in page.text
    assert page.all("script", src="/static/search.js")
    said = tab.get(page.all("section", id="building")[0]["data-progress"]).json()
    assert said == {"done": 3, "total": 14, "error": "", "ready": False}
    job.error = "weights are gone"
    page = assert_harmless(tab.get(f"/search?q=house&checkpoint={checkpoint}").text)
    assert "weights are gone" in page.text
    assert not page.all("script", src="/static/search.js")  # it would reload for ever
