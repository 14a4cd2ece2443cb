"""Training learns what captions say, repeats itself exactly, and its checkpoints refuse to be half there."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from svta_models.augment import augment_frames, drop_words, mirrorable, pick_slots, to_clip_input
from svta_models.checkpoint import CheckpointError, list_checkpoints, load_checkpoint
from svta_models.errors import SvtaError
from svta_models.evaluation import evaluate, evaluate_similarity
from svta_models.media_store import open_store
from svta_models.recipe import Recipe
from svta_models.release import DamagedClip, Release, write_release
from svta_models.tokenizer import CaptionTokenizer
from svta_models.training import train
from svta_models.weights import WrongWeights
from tests.models.synthetic import make_release_rows

PREFIX = "checkpoints/clip4clip-meanp"
QUICK = Recipe(epochs=12, train_frames=2, batch_size=18, lr=6e-4, threads=1)
ONE_EPOCH = replace(QUICK, epochs=1)


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    store = open_store(tmp_path_factory.mktemp("home"))
    return Release(store, write_release(store, make_release_rows(store, per_scene=3)))


@pytest.fixture(scope="module")
def trained(release):
    reports = []
    result = train(release, release.store, PREFIX, QUICK, seed=42, on_epoch=reports.append)
    return result, reports


def test_training_learns_to_retrieve_unseen_clips(release, trained):
    result, reports = trained
    measured = evaluate(load_checkpoint(release.store, PREFIX, result.checkpoint_id), release.split("test"))
    assert measured.averaged_t2v["R@5"] > 60 > 3 * measured.chance["R@5"]
    assert measured.intervals["t2v"]["R@5"][0] > 2 * measured.chance["R@5"]
    assert measured.within["t2v"].r_at_1 > 3 * measured.within["t2v"].chance
    assert [report.epoch for report in reports] == list(range(1, 13))
    assert reports[-1].eta_s == 0 < reports[0].eta_s
    assert reports[-1].loss < reports[0].loss


def test_training_on_shuffled_captions_stays_at_chance(release):
    control = train(release, release.store, PREFIX, replace(QUICK, shuffle_captions=True), seed=42)
    measured = evaluate(load_checkpoint(release.store, PREFIX, control.checkpoint_id), release.split("test"))
    low, high = measured.intervals["t2v"]["R@5"]
    assert low <= measured.chance["R@5"] <= high


def test_the_kept_epoch_is_the_best_on_validation_and_the_later_of_equals(trained):
    result, _ = trained
    order = [(row["r_at_1"], row["r_at_10"], row["epoch"]) for row in result.curves]
    assert result.best_epoch == max(order)[2]


def test_the_test_split_is_never_opened_while_training(release):
    without_test = release.store
    hidden = release.frame.with_columns(
        uri=pl.when(pl.col("split") == "test").then(pl.lit("clips/gone.mp4")).otherwise(pl.col("uri"))
    )
    other = Release(without_test, write_release(without_test, hidden))
    assert train(other, without_test, PREFIX, ONE_EPOCH).best_epoch == 1
    with pytest.raises(DamagedClip, match=r"gone.mp4 is missing"):
        other.split("test").dataset()[0]


def test_equal_seeds_give_equal_weights_and_other_seeds_do_not(release):
    torch.manual_seed(5)
    threads = torch.get_num_threads()
    first = train(release, release.store, PREFIX, ONE_EPOCH, seed=7)
    torch.rand(3)  # what happens outside must not matter
    assert train(release, release.store, PREFIX, ONE_EPOCH, seed=7).checkpoint_id == first.checkpoint_id
    assert train(release, release.store, PREFIX, ONE_EPOCH, seed=8).checkpoint_id != first.checkpoint_id
    assert torch.get_num_threads() == threads
    assert first.checkpoint_id in list_checkpoints(release.store, PREFIX)


def test_a_checkpoint_says_what_it_was_trained_on(release, trained):
    checkpoint = load_checkpoint(release.store, PREFIX, trained[0].checkpoint_id)
    assert checkpoint.release == release.hash
    assert Recipe.from_mapping(checkpoint.recipe) == QUICK
    assert checkpoint.config["seed"] == 42
    assert len(checkpoint.config["curves"]) == 12


@pytest.mark.parametrize("method", ["clip4clip-tightTransf", "xclip"])
def test_a_model_with_a_head_trains_and_comes_back_from_its_checkpoint(release, method):
    recipe = replace(ONE_EPOCH, train_frames=12, batch_size=27)
    trained = train(release, release.store, f"checkpoints/{method}", recipe, seed=3, method=method)
    checkpoint = load_checkpoint(release.store, f"checkpoints/{method}", trained.checkpoint_id)
    assert checkpoint.config["method"] == method.lower() == checkpoint.model.method.lower()
    assert checkpoint.model.head.cross_layers == 2
    measured = evaluate(checkpoint, release.split("test"))
    assert np.isfinite(measured.similarity).all()
    assert len(np.unique(measured.similarity)) > len(measured.pair_ids)


def test_x_clip_is_not_trained_on_fewer_frames_than_its_weights_have(release):
    with pytest.raises(SvtaError, match="max_frames 12 slots: set train_frames to it"):
        train(release, release.store, "checkpoints/xclip", ONE_EPOCH, method="xclip")


def test_a_release_without_validation_pairs_is_refused(release):
    rows = release.frame.filter(pl.col("split") == "train")
    alone = Release(release.store, write_release(release.store, rows))
    with pytest.raises(SvtaError, match="0 validation pairs"):
        train(alone, release.store, PREFIX, ONE_EPOCH)


def test_broken_checkpoints_are_named(release, trained, tmp_path):
    checkpoint_id = trained[0].checkpoint_id
    folder = f"{PREFIX}/{checkpoint_id}"
    weights, config = (release.store.get(f"{folder}/{name}") for name in ("model.safetensors", "config.json"))
    store = open_store(tmp_path)
    with pytest.raises(CheckpointError, match=r"config.json is missing.*materialize `model_checkpoints`"):
        load_checkpoint(store, PREFIX, checkpoint_id)
    store.put(f"{folder}/config.json", config)
    with pytest.raises(CheckpointError, match=r"model.safetensors is missing"):
        load_checkpoint(store, PREFIX, checkpoint_id)
    store.put(f"{folder}/model.safetensors", weights[: len(weights) // 2])
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        load_checkpoint(store, PREFIX, checkpoint_id)
    store.put(f"{folder}/model.safetensors", weights[:-4] + b"\x00\x00\x00\x01")
    with pytest.raises(CheckpointError, match="sha256"):
        load_checkpoint(store, PREFIX, checkpoint_id)
    store.put(f"{folder}/config.json", config.replace(b'"seed":42', b'"seed":43'))
    with pytest.raises(CheckpointError, match="changed or moved"):
        load_checkpoint(store, PREFIX, checkpoint_id)


def test_weights_of_another_model_are_refused_by_name(release, trained, tmp_path):
    from safetensors.torch import load, save

    from svta_models.identity import canonical_json
    from svta_models.media_store import sha256_hex

    folder = f"{PREFIX}/{trained[0].checkpoint_id}"
    state = load(release.store.get(f"{folder}/model.safetensors"))
    state["clip.visual.other"] = state.pop("clip.visual.proj")
    config = json.loads(release.store.get(f"{folder}/config.json"))
    config["weights_sha256"] = sha256_hex(save(state))
    text = canonical_json(config).encode()
    store, wrong_id = open_store(tmp_path), sha256_hex(text)[:16]
    store.put(f"{PREFIX}/{wrong_id}/config.json", text)
    store.put(f"{PREFIX}/{wrong_id}/model.safetensors", save(state))
    with pytest.raises(WrongWeights, match=r"1 missing \(clip.visual.proj\); 1 unexpected \(clip.visual.other\)"):
        load_checkpoint(store, PREFIX, wrong_id)


def test_query_ranks_lead_to_the_misses(release, trained):
    measured = evaluate(load_checkpoint(release.store, PREFIX, trained[0].checkpoint_id), release.split("test"))
    table = measured.query_ranks
    assert table.height == 2 * len(measured.pair_ids) == 54
    text_to_video = table.filter(pl.col("direction") == "t2v")
    recall = 100 * (text_to_video["rank"] <= 5).mean()
    assert recall == pytest.approx(measured.averaged_t2v["R@5"])
    assert (table["pair_id"] != table["best_wrong_pair_id"]).all()
    hits = table.filter(pl.col("rank") == 1)
    assert (hits["score"] > hits["best_wrong_score"]).all()


def test_a_similarity_from_elsewhere_is_evaluated_alike():
    measured = evaluate_similarity(np.eye(3, dtype=np.float32), ["a", "b", "c"], ["x", "x", "y"])
    assert measured.metrics_t2v["R@1"] == measured.metrics_v2t["R@1"] == 100
    assert measured.within["t2v"].chance == pytest.approx(200 / 3)
    with pytest.raises(SvtaError, match=r"\(2, 2\), the split has 3 pairs"):
        evaluate_similarity(np.eye(2), ["a", "b", "c"], ["x", "x", "y"])
    alone = evaluate_similarity(np.ones((1, 1)), ["a"], ["x"])
    assert alone.query_ranks["best_wrong_pair_id"].to_list() == [None, None]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "epochs is 0"),
        ({"train_frames": 13}, "train_frames 13 exceeds max_frames 12"),
        ({"batch_size": 1}, "no negatives"),
        ({"learning_rate": 1}, "unknown training setting learning_rate"),
        ({"preset": "huge"}, "no model preset 'huge'"),
    ],
)
def test_settings_without_meaning_are_refused_before_any_work(settings, message):
    with pytest.raises(SvtaError, match=message):
        Recipe.from_mapping(settings)


def test_the_tokenizer_keeps_clips_conventions():
    captions = ["A man in red runs through the park.", "The MAN stops; a woman runs."]
    tokenizer = CaptionTokenizer.train(captions, vocab=200)
    ids, mask = tokenizer.encode([*captions, "word " * 60, "日本語"], max_words=16)
    assert ids.max() == tokenizer.end == tokenizer.size - 1
    assert (ids[:, 0] == tokenizer.start).all()
    assert ids[2, 15] == tokenizer.end  # cut, the end token kept
    for row, real in zip(ids, mask, strict=True):
        assert row.argmax() == real.sum() - 1
        assert (row[real == 0] == 0).all()
    again, _ = CaptionTokenizer.from_json(tokenizer.to_json()).encode(captions, max_words=16)
    assert torch.equal(again, ids[:2])
    assert torch.equal(tokenizer.encode(["a MAN"], 8)[0], tokenizer.encode(["A man"], 8)[0])
    assert CaptionTokenizer.train(captions[::-1], vocab=200).to_json() == tokenizer.to_json()


def test_clips_whose_caption_names_a_side_are_never_mirrored():
    assert mirrorable("A man brightens the room.")
    assert not mirrorable("A car turns LEFT.")
    frames = torch.arange(4 * 2 * 3 * 5 * 6, dtype=torch.uint8).view(4, 2, 3, 5, 6)
    random = torch.Generator().manual_seed(0)
    mirror = torch.tensor([True, False, True, False])
    results = [augment_frames(frames, mirror, 0, random) for _ in range(12)]
    assert all(torch.equal(result[~mirror], frames[~mirror]) for result in results)
    seen = {torch.equal(result[0], frames[0]) for result in results}
    assert seen == {True, False}
    assert all(torch.equal(r[0], frames[0]) or torch.equal(r[0], frames[0].flip(-1)) for r in results)


def test_a_shift_moves_all_frames_of_a_clip_alike():
    frames = torch.zeros(1, 3, 3, 20, 20, dtype=torch.uint8)
    frames[..., 10, 10] = 200
    moved = augment_frames(frames, torch.tensor([False]), 4, torch.Generator().manual_seed(1))
    places = moved[0, :, 0].flatten(1).argmax(dim=1)
    assert len(set(places.tolist())) == 1
    assert abs(places[0].item() // 20 - 10) <= 4
    assert abs(places[0].item() % 20 - 10) <= 4


def test_chosen_slots_are_real_frames_in_order():
    mask = (torch.arange(12) < torch.tensor([[12], [5], [1]])).long()
    random = torch.Generator().manual_seed(0)
    for _ in range(50):
        slots = pick_slots(mask, 4, random)
        assert (slots.diff(dim=1) >= 0).all()
        assert (slots < mask.sum(dim=1, keepdim=True)).all()
        assert len(set(slots[0].tolist())) == 4


def test_dropped_words_leave_start_end_and_padding():
    ids = torch.tensor([[50, 7, 8, 9, 51, 0, 0]])
    dropped = drop_words(ids, 1.0, torch.Generator().manual_seed(0))
    assert dropped.tolist() == [[50, 1, 1, 1, 51, 0, 0]]


def test_padded_slots_are_zero_in_normalised_space():
    pixels = torch.zeros(1, 2, 3, 4, 4, dtype=torch.uint8)
    result = to_clip_input(pixels, torch.tensor([[1, 0]]))
    assert result[0, 1].abs().max() == 0
    assert result[0, 0].abs().min() > 1
