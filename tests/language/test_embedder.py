"""The embedder: the right weights, the reference's numbers, nobody else's threads."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from svta_resources.embedder import Embedder, EmbedderError, get_embedder, package_folder
from svta_resources.embeddings.minilm import MiniLm

CAPTIONS = [
    "A man slips.",
    "A woman in a red coat walks along the street in the morning.",
    "",
    "Ünïcode “quotes”, 中文 and numbers 360.",
    "word " * 400,  # longer than the model reads
    "In the evening, an elderly woman in a purple jacket starts a fight in an office.",
]


def test_light_path_gives_the_reference_numbers():
    light = Embedder().encode(CAPTIONS)
    reference = Embedder(MiniLm(backend="sentence-transformers")).encode(CAPTIONS)
    assert light.shape == (6, 384) and light.dtype == np.float32
    np.testing.assert_allclose(light, reference, atol=1e-5)


def test_vectors_are_unit_and_in_the_given_order():
    vectors = get_embedder().encode(["dog", "cat", "dog"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)
    np.testing.assert_array_equal(vectors[0], vectors[2])
    np.testing.assert_allclose(vectors[1], Embedder().encode(["cat"])[0], atol=1e-6)
    assert get_embedder().encode([]).shape == (0, 384)


def test_a_text_is_computed_once_per_process(monkeypatch):
    embedder = Embedder()
    first = embedder.encode(["a man runs"])
    monkeypatch.setattr(embedder.model, "embed", lambda texts: pytest.fail(f"computed again: {texts}"))
    np.testing.assert_array_equal(embedder.encode(["a man runs"]), first)


def test_old_texts_leave_a_full_cache(monkeypatch):
    monkeypatch.setattr("svta_resources.embedder.CACHE_TEXTS", 2)
    embedder = Embedder()
    vectors = embedder.encode(["one", "two", "three"])
    assert len(embedder._cache) == 2
    np.testing.assert_allclose(embedder.encode(["one", "two", "three"]), vectors, atol=1e-6)


def test_other_weights_are_refused_by_name(tmp_path: Path):
    for file in package_folder().iterdir():
        if file.is_file() and file.name != "model.safetensors":
            os.symlink(file, tmp_path / file.name)
    with pytest.raises(EmbedderError, match=r"cannot read .*model\.safetensors"):
        Embedder(MiniLm(tmp_path)).encode(["x"])
    original = (package_folder() / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(original[:-4] + b"\0\0\0\1")
    with pytest.raises(
        EmbedderError, match=r"model\.safetensors is not sentence-transformers/all-MiniLM-L6-v2.*53aa5117.*make env"
    ):
        Embedder(MiniLm(tmp_path)).encode(["x"])


def test_another_tokenizer_is_refused_too(tmp_path: Path):
    for file in package_folder().iterdir():
        if file.is_file() and file.name != "tokenizer.json":
            os.symlink(file, tmp_path / file.name)
    (tmp_path / "tokenizer.json").write_text((package_folder() / "tokenizer.json").read_text() + " ")
    with pytest.raises(EmbedderError, match=r"tokenizer\.json is not .*sha256"):
        Embedder(MiniLm(tmp_path)).encode(["x"])


def test_thread_count_of_the_process_is_left_as_it_was():
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        Embedder().encode(["a"])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_identity_says_what_decides_the_numbers_and_travels():
    embedder = pickle.loads(pickle.dumps(get_embedder()))
    assert embedder.identity() == get_embedder().identity()
    assert embedder.identity()["weights_sha256"].startswith("53aa5117")
