"""Vectors on disk: another process asks the model for nothing, several write at once, damage costs a computation."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svta_resources.embedder import Embedder, EmbedderError, open_embedder
from svta_resources.embeddings import disk
from svta_resources.embeddings.disk import DiskVectors
from svta_resources.embeddings.model import Identity, Vectors
from tests.language.embeddings_server import embeddings_server

ROOT = Path(__file__).resolve().parents[2]
READER = """
import sys
from pathlib import Path
from svta_resources.embedder import open_embedder
settings = {"SVTA_EMBEDDINGS_MODEL": "toy", "SVTA_EMBEDDINGS_BASE_URL": sys.argv[1]}
print(open_embedder(Path(sys.argv[2]), settings).encode([f"text {n}" for n in range(30)]).tolist())
"""
WRITER = """
import sys
from pathlib import Path
from svta_resources.embedder import Embedder
from tests.language.test_embeddings_disk import Model
texts = [f"text {n}" for n in range(int(sys.argv[2]), int(sys.argv[2]) + 200)]
embedder = Embedder(Model(), Path(sys.argv[1]))
print(flush=True)
sys.stdin.readline()  # both begin at once
for start in range(0, len(texts), 5):
    embedder.encode(texts[start : start + 5])
"""


class Model:
    """Counts what it is asked; a vector points along the axis that the text's length chooses."""

    def __init__(self, dimension: int | None = 5, name: str = "counting") -> None:
        self.dimension, self.name = dimension, name
        self.asked: list[str] = []

    def identity(self) -> Identity:
        return {"model": self.name}

    def embed(self, texts: list[str]) -> Vectors:
        self.asked += texts
        return np.eye(self.dimension or 5, dtype=np.float32)[[len(text) % (self.dimension or 5) for text in texts]]


def test_a_new_process_asks_the_server_for_nothing_it_has_paid_for(tmp_path: Path):
    texts = [f"text {n}" for n in range(30)]
    with embeddings_server() as server:
        settings = {"SVTA_EMBEDDINGS_MODEL": "toy", "SVTA_EMBEDDINGS_BASE_URL": server.url}
        paid = open_embedder(tmp_path, settings).encode(texts)
        assert sorted(server.texts()) == sorted(texts)
        command = [sys.executable, "-c", READER, server.url, str(tmp_path)]
        said = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
        np.testing.assert_array_equal(np.array(json.loads(said), dtype=np.float32), paid)
        assert len(server.texts()) == len(texts)


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path):
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(first)], **pipes) for first in (0, 100)
    ]
    for writer in writers:
        assert writer.stdout.readline()
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    texts, reader = [f"text {n}" for n in range(300)], Model()
    np.testing.assert_array_equal(Embedder(reader, tmp_path).encode(texts), Model().embed(texts))
    assert reader.asked == []


def test_models_do_not_share_vectors(tmp_path: Path):
    one, two = Model(), Model(name="another")
    for model in (one, two, Model()):
        Embedder(model, tmp_path).encode(["a", "bb"])
    assert one.asked == two.asked == ["a", "bb"]
    again = Model()
    np.testing.assert_array_equal(Embedder(again, tmp_path).encode(["bb", "a"]), Model().embed(["bb", "a"]))
    assert again.asked == []


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(st.text(max_size=6), max_size=8), max_size=6))
def test_any_calls_in_any_order_give_the_models_vectors(tmp_path_factory, calls):
    folder = tmp_path_factory.mktemp("vectors")
    asked: list[str] = []
    for texts in calls:
        model = Model()
        vectors = Embedder(model, folder).encode(texts)
        asked += model.asked
        np.testing.assert_array_equal(vectors, Model().embed(texts).reshape(len(texts), 5))
    assert len(asked) == len(set(asked)), "each text is computed once"


def test_many_small_segments_become_one_and_keep_every_vector(tmp_path: Path):
    writer = DiskVectors(tmp_path)
    texts = [f"text {n}" for n in range(disk.MOST_SMALL + 8)]
    for text in texts:
        writer.put([text], Model().embed([text]))
    assert len(list(tmp_path.iterdir())) == len(texts)
    reader = DiskVectors(tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    for one in (reader, writer):  # the writer had the old segments open
        found = one.get([*texts, "never seen"])
        assert list(found) == list(dict.fromkeys(found)) and found.keys() == set(texts)
        assert all((vector == Model().embed([text])[0]).all() for text, vector in found.items())


def test_large_segments_are_never_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(disk, "SMALL", 3)
    monkeypatch.setattr(disk, "MOST_SMALL", 2)
    writer = DiskVectors(tmp_path)
    for texts in (["a", "b", "c"], ["d"], ["e"], ["f"]):
        writer.put(texts, Model().embed(texts))
    large = max(tmp_path.iterdir(), key=lambda path: path.stat().st_size)
    assert DiskVectors(tmp_path).get("abcdef").keys() == set("abcdef")
    assert large in tmp_path.iterdir() and len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("damage", ["cut", "emptied", "zeroed", "overwritten"])
def test_damage_costs_a_computation_and_never_a_wrong_vector(tmp_path: Path, damage: str):
    texts = [f"text {n}" for n in range(50)]
    right = Embedder(Model(), tmp_path).encode(texts)
    (segment,) = tmp_path.rglob(f"*{disk.SUFFIX}")
    raw = segment.read_bytes()
    broken = {
        "cut": raw[:-100],
        "emptied": b"",
        "zeroed": raw[:-400] + bytes(400),
        "overwritten": b"not a segment at all" * 20,
    }
    segment.write_bytes(broken[damage])
    model = Model()
    np.testing.assert_array_equal(Embedder(model, tmp_path).encode(texts), right)
    assert model.asked
    last = Model()
    np.testing.assert_array_equal(Embedder(last, tmp_path).encode(texts), right)
    assert last.asked == []


def test_what_is_computed_reaches_the_disk_slice_by_slice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("svta_resources.embedder.SLICE", 4)

    class Failing(Model):
        def embed(self, texts: list[str]) -> Vectors:
            if "text 9" in texts:
                raise EmbedderError("the server went away")
            return super().embed(texts)

    texts = [f"text {n}" for n in range(10)]
    with pytest.raises(EmbedderError, match="went away"):
        Embedder(Failing(), tmp_path).encode(texts)
    again = Model()
    Embedder(again, tmp_path).encode(texts)
    assert again.asked == ["text 8", "text 9"]


def test_a_folder_that_cannot_be_written_only_costs_time(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    (tmp_path / "file").write_text("in the way")
    model = Model()
    embedder = Embedder(model, tmp_path / "file")
    assert embedder.encode(["a"]).shape == (1, 5)
    embedder.encode(["bb"])
    assert caplog.text.count("cannot be kept") == 1


def test_a_width_that_changed_since_is_refused_with_the_folder(tmp_path: Path):
    Embedder(Model(dimension=5), tmp_path).encode(["a"])
    changed = Model(dimension=4)
    with pytest.raises(EmbedderError, match=r"4 and 5 numbers.*delete"):
        Embedder(changed, tmp_path).encode(["a", "bb"])


def test_no_text_is_written_in_clear(tmp_path: Path):
    Embedder(Model(), tmp_path).encode(["a caption of somebody"])
    assert all(b"caption" not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
