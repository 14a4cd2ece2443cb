"""Embeddings from a real server over real sockets: batches, order, faults, and what no vector may be."""

import pickle
import time
from collections.abc import Iterator

import numpy as np
import pytest

from svta_resources.chat_retry import Backoff
from svta_resources.embedder import Embedder, EmbedderError, open_embedder
from svta_resources.embeddings import endpoint
from svta_resources.embeddings.endpoint import EndpointModel
from svta_resources.embeddings.minilm import MiniLm
from svta_resources.llm_settings import Traffic
from tests.language.embeddings_server import Running, direction, embeddings_server

TEXTS = [f"text {n}" for n in range(300)]


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with embeddings_server() as server:
        yield server


@pytest.fixture
def server(running: Running) -> Running:
    running.script("ok")
    return running


def model_at(url: str, dimensions: int | None = None, retries: int = 3) -> EndpointModel:
    return EndpointModel("toy", url, "secret-key", dimensions, Traffic(concurrency=4, retries=retries), Backoff(0, 0))


def expected(texts: list[str], width: int = 6) -> np.ndarray:
    vectors = np.array([direction(text, width) for text in texts])
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_texts_go_in_batches_and_come_back_as_unit_vectors_in_order(server):
    embedder = Embedder(model_at(server.url))
    vectors = embedder.encode([*TEXTS, TEXTS[0], "", " "])
    seen = server.seen()
    assert vectors.dtype == np.float32 and vectors.shape == (303, 6)
    np.testing.assert_allclose(vectors[:300], expected(TEXTS), atol=1e-6)
    np.testing.assert_array_equal(vectors[300], vectors[0])
    np.testing.assert_array_equal(vectors[301], vectors[302])
    assert sorted(len(body["input"]) for body in seen["bodies"]) == [46, 128, 128]
    assert all("" not in body["input"] and body["model"] == "toy" for body in seen["bodies"])
    assert set(seen["keys"]) == {"Bearer secret-key"}


def test_long_texts_make_smaller_batches(server, monkeypatch):
    monkeypatch.setattr(endpoint, "BATCH_CHARACTERS", 100)
    model_at(server.url).embed(["a" * 60, "b" * 60, "c" * 200, "d", "e"])
    assert sorted(len(body["input"]) for body in server.seen()["bodies"]) == [1, 1, 1, 2]


def test_order_is_that_of_the_index_not_of_arrival(server):
    server.script("reversed")
    np.testing.assert_allclose(model_at(server.url).embed(TEXTS), expected(TEXTS), atol=1e-6)


@pytest.mark.parametrize("fault", ["500", "503", "drop", "few", "same-index", "ragged", "words"])
def test_a_fault_that_passes_is_asked_again(server, fault):
    server.script(fault, "ok")
    np.testing.assert_allclose(model_at(server.url).embed(TEXTS[:5]), expected(TEXTS[:5]), atol=1e-6)
    assert len(server.seen()["bodies"]) == 2


def test_retry_after_is_kept_to(server):
    server.script("429:0.5", "ok")
    began = time.monotonic()
    model_at(server.url).embed(["a"])
    assert time.monotonic() - began >= 0.5


@pytest.mark.parametrize(
    ("step", "complaint"),
    [
        ("nan", "no finite vector with a direction for 'text 4' .1 of 5"),
        ("zero", "no finite vector with a direction"),
        ("few", "4 embeddings"),
        ("words", "no list of embeddings"),
        ("401", "set SVTA_EMBEDDINGS_API_KEY"),
        ("404", "set SVTA_EMBEDDINGS_MODEL"),
        ("429", "SVTA_EMBEDDINGS_RPM"),
        ("429:3600", "a pause of 3600 s"),
        ("500", "run again"),
        ("drop", "start the server, or set SVTA_EMBEDDINGS_BASE_URL"),
    ],
)
def test_what_stays_wrong_is_an_error_that_names_the_setting_and_never_the_key(server, step, complaint):
    server.script(step)
    with pytest.raises(EmbedderError, match=complaint) as caught:
        Embedder(model_at(server.url, retries=1)).encode(TEXTS[:5])
    assert "secret-key" not in str(caught.value)


def test_another_width_than_asked_for_is_refused(server):
    server.script("ok", "narrow")
    model = model_at(server.url, dimensions=4)
    np.testing.assert_allclose(model.embed(["a"]), expected(["a"], 4), atol=1e-6)
    with pytest.raises(EmbedderError, match=r"3 numbers where SVTA_EMBEDDINGS_DIMENSIONS asks for 4"):
        model.embed(["b"])


def test_a_server_that_changes_its_width_is_refused(server):
    server.script("ok", "narrow")
    embedder = Embedder(model_at(server.url))
    embedder.encode(["a"])
    with pytest.raises(EmbedderError, match="5 numbers where earlier ones had 6"):
        embedder.encode(["a", "b"])


def test_nobody_there_is_said_with_the_setting():
    with pytest.raises(EmbedderError, match="SVTA_EMBEDDINGS_BASE_URL"):
        model_at("http://127.0.0.1:9/v1", retries=0).embed(["a"])


def test_settings_choose_the_model():
    assert isinstance(open_embedder(environ={}).model, MiniLm)
    assert isinstance(open_embedder(environ={"OPENAI_API_KEY": "k"}).model, MiniLm)
    environ = {"SVTA_EMBEDDINGS_MODEL": "qwen", "SVTA_EMBEDDINGS_BASE_URL": "http://host:1/v1/"}
    embedder = open_embedder(environ=environ)
    assert embedder is open_embedder(environ=environ)
    assert embedder.identity() == {"model": "qwen", "base_url": "http://host:1/v1", "dimensions": None}
    more = environ | {
        "SVTA_EMBEDDINGS_DIMENSIONS": "256", "SVTA_EMBEDDINGS_API_KEY": "mine", "OPENAI_API_KEY": "theirs",
        "SVTA_EMBEDDINGS_RPM": "60", "SVTA_EMBEDDINGS_CONCURRENCY": "2",
    }  # fmt: skip
    model = open_embedder(environ=more).model
    assert isinstance(model, EndpointModel)
    assert (model.dimension, model.api_key, model.traffic.requests_per_minute, model.traffic.concurrency) == (
        256, "mine", 60, 2,
    )  # fmt: skip
    assert "mine" not in repr(model) and pickle.loads(pickle.dumps(model)).identity() == model.identity()


@pytest.mark.parametrize(
    ("environ", "complaint"),
    [
        ({"SVTA_EMBEDDINGS_BASE_URL": "http://host/v1"}, "set SVTA_EMBEDDINGS_MODEL"),
        ({"SVTA_EMBEDDINGS_MODEL": "m"}, "SVTA_EMBEDDINGS_API_KEY or OPENAI_API_KEY"),
        ({"SVTA_EMBEDDINGS_MODEL": "m", "SVTA_EMBEDDINGS_BASE_URL": "gpu-host:8000"}, "is no address"),
        (
            {"SVTA_EMBEDDINGS_MODEL": "m", "OPENAI_API_KEY": "k", "SVTA_EMBEDDINGS_DIMENSIONS": "many"},
            "SVTA_EMBEDDINGS_DIMENSIONS='many' is not a number",
        ),
    ],
)
def test_half_a_setting_is_an_error(environ, complaint):
    with pytest.raises(EmbedderError, match=complaint):
        open_embedder(environ=environ)
