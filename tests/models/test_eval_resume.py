"""An evaluation that was killed goes on where it was, and holds blocks, not everything."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from svta_models.evaluation import evaluate_gallery, work_name
from svta_models.feature_blocks import BLOCK, FeatureBlocks, HeldSide
from svta_models.frames import DecodeError
from svta_models.gallery import FrameChoice, data_sha
from svta_models.scoring import score_sides

PAIRS = 5 * BLOCK + 7


class Gallery:
    """Clips of one colour; `broken` ones cannot be read."""

    def __init__(self, pairs: int = PAIRS, broken: tuple[int, ...] = ()) -> None:
        self.pair_ids = [f"p{number:04d}" for number in range(pairs)]
        self.captions = [f"caption {number}" for number in range(pairs)]
        self.categories = [f"c{number % 3}" for number in range(pairs)]
        self.clip_keys = [f"k{number}" for number in range(pairs)]
        self.broken = broken

    def frames(self, number: int, choice: FrameChoice) -> tuple[Tensor, Tensor]:
        if number in self.broken:
            raise DecodeError(f"clip {number} is broken")
        colour = torch.tensor([number % 7, number % 11, number % 13], dtype=torch.uint8)
        return colour[None, :, None, None].expand(1, 3, 2, 2).contiguous(), torch.ones(1, dtype=torch.long)


class ColourModel:
    """Features are the colours; counts what it encodes. Dies at clip `fail_at`, sleeps `pause` a block."""

    id, choice, cells_per_pair = "colours", FrameChoice(1, 2), 1
    device = torch.device("cpu")

    def __init__(self, fail_at: int | None = None, pause: float = 0.0) -> None:
        self.fail_at, self.pause, self.encoded, self.texts_encoded = fail_at, pause, 0, 0

    def text_keys(self, captions):
        return list(captions)

    def texts(self, captions):
        self.texts_encoded += len(captions)
        numbers = [int(caption.split()[1]) for caption in captions]
        return (torch.tensor([[n % 7, n % 11, n % 13] for n in numbers], dtype=torch.float32),)

    def clips(self, frames_BTCHW, mask_BT):
        if self.fail_at is not None and self.encoded >= self.fail_at:
            raise MemoryError("the machine went down")
        self.encoded += len(frames_BTCHW)
        time.sleep(self.pause)
        return (frames_BTCHW.float().mean(dim=(1, 3, 4)),)

    def score(self, texts, clips):
        return -torch.cdist(texts[0], clips[0])


def test_what_was_encoded_before_a_failure_is_not_encoded_again(tmp_path: Path) -> None:
    with pytest.raises(MemoryError):
        evaluate_gallery(ColourModel(fail_at=3 * BLOCK), Gallery(), work=tmp_path)
    again = ColourModel()
    resumed = evaluate_gallery(again, Gallery(), work=tmp_path)
    assert again.encoded == PAIRS - 3 * BLOCK
    undisturbed = evaluate_gallery(ColourModel(), Gallery())
    np.testing.assert_array_equal(resumed.similarity, undisturbed.similarity)
    assert resumed.query_ranks.equals(undisturbed.query_ranks)
    third = ColourModel()
    evaluate_gallery(third, Gallery(), work=tmp_path)
    assert (third.encoded, third.texts_encoded) == (0, 0), "features wait until somebody removes them"


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from svta_models.evaluation import evaluate_gallery
from tests.models.test_eval_resume import ColourModel, Gallery
evaluate_gallery(ColourModel(pause=0.3), Gallery(), work=Path({work!r}))
"""


def test_an_evaluation_killed_by_the_system_goes_on(tmp_path: Path) -> None:
    code = KILLED.format(root=str(Path(__file__).parents[2]), work=str(tmp_path))
    process = subprocess.Popen([sys.executable, "-c", code])
    folder = tmp_path / work_name("colours", data_sha(Gallery()))
    waited_until = time.monotonic() + 200
    while len(list(folder.glob("clips-*.safetensors"))) < 2 and time.monotonic() < waited_until:
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    whole = len(list(folder.glob("clips-*.safetensors")))
    assert 2 <= whole < PAIRS / BLOCK
    model = ColourModel()
    resumed = evaluate_gallery(model, Gallery(), work=tmp_path)
    assert model.encoded == PAIRS - whole * BLOCK
    np.testing.assert_array_equal(resumed.similarity, evaluate_gallery(ColourModel(), Gallery()).similarity)


def test_features_belong_to_a_model_and_to_the_data(tmp_path: Path) -> None:
    evaluate_gallery(ColourModel(), Gallery(), work=tmp_path)
    other_model, other_data = ColourModel(), Gallery()
    other_model.id = "other"
    evaluate_gallery(other_model, Gallery(), work=tmp_path)
    assert other_model.encoded == PAIRS
    other_data.clip_keys[3] = "another file"
    changed = ColourModel()
    evaluate_gallery(changed, other_data, work=tmp_path)
    assert changed.encoded == PAIRS


def test_a_broken_clip_left_out_leaves_the_other_pairs_aligned(tmp_path: Path) -> None:
    broken = (0, BLOCK + 1, PAIRS - 1)
    found = evaluate_gallery(ColourModel(), Gallery(broken=broken), work=tmp_path, leave_out_broken=True)
    whole = evaluate_gallery(ColourModel(), Gallery())
    kept = [number for number in range(PAIRS) if number not in broken]
    assert found.pair_ids == [f"p{number:04d}" for number in kept]
    np.testing.assert_array_equal(found.similarity, whole.similarity[np.ix_(kept, kept)])
    assert set(found.broken) == set(broken)
    resumed = evaluate_gallery(ColourModel(), Gallery(broken=broken), work=tmp_path, leave_out_broken=True)
    assert set(resumed.broken) == set(broken), "known although nothing was read again"


def test_equal_clips_and_equal_captions_are_encoded_once_and_tie_exactly() -> None:
    gallery = Gallery(2 * BLOCK)
    gallery.clip_keys[BLOCK + 1] = gallery.clip_keys[1]
    gallery.captions[BLOCK + 5] = gallery.captions[5]
    model = ColourModel()
    found = evaluate_gallery(model, gallery)
    assert (model.encoded, model.texts_encoded) == (2 * BLOCK - 1, 2 * BLOCK - 1)
    np.testing.assert_array_equal(found.similarity[:, BLOCK + 1], found.similarity[:, 1])
    np.testing.assert_array_equal(found.similarity[BLOCK + 5], found.similarity[5])


@pytest.mark.parametrize("pairs", [16, 100, 10**6])
def test_sides_on_disk_score_like_sides_in_memory(tmp_path: Path, pairs: int) -> None:
    torch.manual_seed(0)
    texts_ND, clips_MD = torch.randn(50, 4), torch.randn(70, 4)
    for name, side in (("texts", texts_ND), ("clips", clips_MD)):
        blocks = FeatureBlocks(tmp_path, name)
        assert [len(block) for block in blocks.missing(len(side))][-1] == len(side) % BLOCK
        for block in blocks.missing(len(side)):
            blocks.write(block.start, block, (side[block.start : block.stop],))
        assert blocks.missing(len(side)) == []
    stored = [FeatureBlocks(tmp_path, name).side(count) for name, count in (("texts", 50), ("clips", 70))]

    def score(texts, clips):
        assert len(texts[0]) * len(clips[0]) <= pairs
        return (texts[0][:, None] * clips[0][None]).sum(dim=-1)

    held = score_sides(score, HeldSide((texts_ND,)), HeldSide((clips_MD,)), pairs)
    np.testing.assert_array_equal(score_sides(score, *stored, pairs), held)
    np.testing.assert_allclose(held, (texts_ND @ clips_MD.T).numpy(), atol=1e-5)
