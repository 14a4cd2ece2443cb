"""Bring your own model: one file, found by path or name, checked before it is used."""

import re
import runpy
import sys
from pathlib import Path

import pytest
import torch

from svta_models.errors import SvtaError
from svta_models.evaluation import evaluate_gallery
from svta_models.gallery import ReleaseGallery
from svta_models.media_store import open_store
from svta_models.own_model import OwnEncoder, find_own_model, open_own_model, own_models
from svta_models.release import Release, write_release
from svta_resources.profiles import project_root
from tests.models.synthetic import make_release_rows

EXAMPLE = project_root() / "examples" / "own_model.py"
GOOD = """
import torch
name = "mine"
size, max_frames = 8, 2
class Mine:
    def encode_text(self, captions): return torch.eye(len(captions))
    def encode_frames(self, frames, mask): return torch.zeros(len(frames), 3), torch.ones(len(frames))
    def similarity(self, texts, clips): return torch.ones(len(texts[0]), len(clips[0]))
def load(device): return Mine()
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a release of small clips."""
    folder = tmp_path_factory.mktemp("home")
    store = open_store(folder)
    write_release(store, make_release_rows(store, per_scene=2, scenes=36))
    return folder


def _file(folder: Path, text: str, name: str = "mine.py") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_the_example_model_finds_colours_it_was_never_trained_on(home: Path) -> None:
    split = Release(open_store(home), _hash(home)).split("test")
    found = evaluate_gallery(OwnEncoder(open_own_model(str(EXAMPLE))), ReleaseGallery(split))
    assert found.averaged_t2v["R@10"] > 1.3 * found.chance["R@10"]
    assert found.pair_ids == split.frame["pair_id"].to_list()


def _hash(home: Path) -> str:
    from svta_models.release import resolve

    return resolve(open_store(home))


def test_features_may_be_several_tensors_with_a_similarity_of_ones_own(tmp_path: Path, home: Path) -> None:
    split = Release(open_store(home), _hash(home)).split("val")
    found = evaluate_gallery(OwnEncoder(open_own_model(str(_file(tmp_path, GOOD)))), ReleaseGallery(split))
    assert (found.similarity == 1).all()
    assert found.averaged_t2v["MdR"] == (len(split) + 1) / 2, "equal scores are a tie, not a find"


def test_a_model_is_found_by_file_module_registered_name_and_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _file(tmp_path, GOOD, "svta_test_own.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find_own_model(str(path), {}).name == find_own_model("svta_test_own", {}).name == "mine"
    environ = {"SVTA_MODELS": str(path)}
    assert find_own_model("mine", environ).id == find_own_model(str(path), {}).id
    with pytest.raises(SvtaError, match=r"no model 'another'.*known: mine"):
        find_own_model("another", environ)
    with pytest.raises(SvtaError, match=r"no model 'another'.*none is listed in SVTA_MODELS"):
        find_own_model("another", {})
    info = tmp_path / "svta_test_own-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: svta-test-own\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[svta.models]\nmine = svta_test_own\n")
    assert set(own_models({})) == {"mine"}
    with pytest.raises(SvtaError, match=r"two registered models are called 'mine'"):
        own_models(environ)
    sys.modules.pop("svta_test_own", None)


def test_a_changed_file_is_another_model(tmp_path: Path) -> None:
    path = _file(tmp_path, GOOD)
    before = open_own_model(str(path)).id
    path.write_text(GOOD.replace("ones(", "zeros("))
    assert open_own_model(str(path)).id != before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace('"mine"', '"My Model"'), "`name` is 'My Model'"),
        (GOOD.replace("def load", "def lod"), "has no function load"),
        ("import nothing_of_this_name", "cannot be imported (ModuleNotFoundError"),
        (GOOD.replace("encode_frames", "frames"), "has no encode_frames"),
        (GOOD + "\nfit = 'stretch'", "fit is 'stretch'"),
        (GOOD.replace("torch.eye(len(captions))", "torch.eye(1)"), "encode_text gave (1, 1) for"),
        (GOOD.replace("torch.eye(len(captions))", "None"), "encode_text gave NoneType for"),
        (GOOD.replace("torch.ones(len(texts[0]), len(clips[0]))", "torch.ones(2)"), "similarity gave (2,), not"),
    ],
)
def test_a_file_that_is_no_model_is_told_what_is_missing(tmp_path: Path, home: Path, text: str, message: str) -> None:
    path = _file(tmp_path, text)
    gallery = ReleaseGallery(Release(open_store(home), _hash(home)).split("test"))
    with pytest.raises(SvtaError) as raised:
        evaluate_gallery(OwnEncoder(open_own_model(str(path))), gallery)
    assert message in str(raised.value)
    with pytest.raises(SvtaError, match=r"absent.py does not exist"):
        open_own_model(str(tmp_path / "absent.py"))


def test_the_vectors_of_a_model_are_compared_by_cosine(tmp_path: Path) -> None:
    text = GOOD.split("    def similarity", maxsplit=1)[0] + "def load(device): return Mine()\n"
    encoder = OwnEncoder(open_own_model(str(_file(tmp_path, text))))
    score = encoder.score((torch.tensor([[3.0, 4.0]]),), (torch.tensor([[30.0, 40.0], [-4.0, 3.0]]),))
    assert score.tolist() == [pytest.approx([1.0, 0.0], abs=1e-6)]


def test_the_baseline_example_trains_and_beats_chance(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bring_your_own_model.py", str(home)])
    runpy.run_path(str(project_root() / "examples" / "bring_your_own_model.py"), run_name="__main__")
    found = re.search(r"R@10 ([\d.]+)% .*chance ([\d.]+)%", capsys.readouterr().out)
    assert found and float(found[1]) > float(found[2])


def test_the_five_line_example_runs(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["open_release.py", str(home)])
    runpy.run_path(str(project_root() / "examples" / "open_release.py"), run_name="__main__")
    said = capsys.readouterr().out
    assert f"{36} pairs of release" in said
    assert "frames: (12, 3, 224, 224)" in said
