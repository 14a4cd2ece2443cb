"""Speed of retrieval evaluation against a plain published loop: `python benchmarks/retrieval.py [name ...]`.

Everything on one thread, in CPU seconds, with features of ViT-B/32's size (512) and 12 frames. The plain loop is
written here from what the published evaluation does: cached features, blocks of 16 captions by 16 clips, the temporal
module inside the block, a full sort of every row, one seek per frame. Where the plain form would take minutes it is
timed on its first caption blocks and multiplied: every block costs the same. Both forms must agree, or it stops.
Names: meanP seqTransf xclip tightTransf metrics frames.
"""

import io
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from svta_models.clip4clip import Clip4ClipTight
from svta_models.frames import decode_video, preprocess, resize_frames
from svta_models.metrics import retrieval_metrics
from svta_models.presets import preset_values
from svta_models.published import build_model
from svta_models.retrieval import LooseModel, RetrievalModel, unit
from svta_models.scoring import score_blocks
from svta_models.xclip import TEMPERATURE, XClip
from svta_resources.video.encode import encode_mp4

BLOCK = 16
WIDTH, FRAMES, WORDS = 512, 12, 32
Result = TypeVar("Result")


def main() -> None:
    """Print a line per comparison."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    chosen = sys.argv[1:] or list(COMPARISONS)
    print(f"{'comparison':34} {'plain CPU s':>12} {'ours CPU s':>11} {'ratio':>7}  wanted")
    with torch.no_grad():
        for name in chosen:
            title, wanted, compare = COMPARISONS[name]
            plain, ours = compare()
            print(f"{title:34} {plain:12.3f} {ours:11.3f} {plain / ours:7.1f}  {wanted}", flush=True)


# -- similarity: features as the towers would give them ----------------------------------------------------------------


def _model(method: str) -> RetrievalModel:
    """The real head on towers that are cut to what the head is initialised from: they do not run here."""
    small = {"vision_layers": 1, "text_layers": 4, "vocab": 100, "max_words": WORDS, "max_frames": FRAMES}
    return build_model(method, preset_values("vit-b-32") | small).eval()


def _loose(method: str, count: int, text_blocks: int, rounds: int = 3) -> tuple[float, float]:
    model = _model(method)
    assert isinstance(model, LooseModel)
    text_ND, words_NLD = torch.randn(count, WIDTH), torch.randn(count, WORDS, WIDTH)
    frames_NTD, mask_NT = torch.randn(count, FRAMES, WIDTH), torch.ones(count, FRAMES, dtype=torch.long)
    mask_NT[::3, FRAMES // 2 :] = 0

    def plain() -> np.ndarray:
        rows = []
        for top in range(0, min(count, text_blocks * BLOCK), BLOCK):
            row = []
            for left in range(0, count, BLOCK):
                texts = text_ND[top : top + BLOCK], words_NLD[top : top + BLOCK]
                clips = frames_NTD[left : left + BLOCK], mask_NT[left : left + BLOCK]
                row.append(_plain_block(model, *texts, *clips).numpy())
            rows.append(np.concatenate(row, axis=1))
        return np.concatenate(rows, axis=0)

    def ours() -> np.ndarray:
        pooled = [
            model.pool(model.temporal(frames_NTD[i : i + 64], mask_NT[i : i + 64]), mask_NT[i : i + 64])
            for i in range(0, count, 64)
        ]
        if isinstance(model, XClip):
            texts, clips = (unit(text_ND), unit(words_NLD)), (torch.cat(pooled), unit(frames_NTD))
            return score_blocks(model, texts, clips).numpy()
        return score_blocks(model, (text_ND,), (torch.cat(pooled),)).numpy()

    plain_s, expected = _timed(plain, rounds)
    ours_s, got = _timed(ours, rounds)
    np.testing.assert_allclose(got[: len(expected)], expected, atol=1e-3)
    return plain_s * (count / len(expected)), ours_s


def _plain_block(model: LooseModel, text: Tensor, words: Tensor, frames: Tensor, mask: Tensor) -> Tensor:
    clips = model.pool(model.temporal(frames, mask), mask)
    scale = model.clip.logit_scale.exp()
    if not isinstance(model, XClip):
        return scale * unit(text) @ clips.T
    text, words, frames = unit(text), unit(words), unit(frames)
    coarse = text @ model.global_mat_weight @ clips.T
    by_word = _plain_level(torch.einsum("tlc,vc->tvl", words, clips), model.word_logit_weight)
    by_frame = _plain_level(torch.einsum("tc,vfc->tvf", text, frames), model.frame_logit_weight)
    grid = torch.einsum("tlc,vfc->tvlf", words @ model.local_mat_weight, frames)
    frame_then = _plain_level(_plain_level(grid.transpose(2, 3), model.word_mat_weight), model.frame_mat_weight2)
    word_then = _plain_level(_plain_level(grid, model.frame_mat_weight), model.word_mat_weight2)
    return scale * (coarse + by_word + by_frame + (frame_then + word_then) / 2) / 4


def _plain_level(scores: Tensor, weight: Tensor) -> Tensor:
    return ((torch.softmax(scores / TEMPERATURE, dim=-1) @ weight) * scores).sum(dim=-1)


def _tight(count: int = 100) -> tuple[float, float]:
    """Random weights make the captions' share of the score tiny, so both forms must agree closely."""
    model = _model("clip4clip-tightTransf")
    assert isinstance(model, Clip4ClipTight)
    text_ND, frames_NTD = torch.randn(count, WIDTH), torch.randn(count, FRAMES, WIDTH)
    mask_NT = torch.ones(count, FRAMES, dtype=torch.long)

    def plain() -> np.ndarray:
        result = np.empty((count, count), dtype=np.float32)
        for top in range(0, count, BLOCK):
            for left in range(0, count, BLOCK):
                rows, columns = slice(top, top + BLOCK), slice(left, left + BLOCK)
                pooled = model.cross.pooler(model.cross.pairs(text_ND[rows], frames_NTD[columns], mask_NT[columns]))
                result[rows, columns] = model.similarity_dense(pooled).view(len(text_ND[rows]), -1)
        return result

    plain_s, expected = _timed(plain, 1)
    ours_s, got = _timed(lambda: score_blocks(model, (text_ND,), (frames_NTD, mask_NT)).numpy(), 1)
    np.testing.assert_allclose(got, expected, atol=1e-5)
    return plain_s, ours_s


# -- metrics and frames ------------------------------------------------------------------------------------------------


def _metrics(count: int = 8309) -> tuple[float, float]:
    similarity = np.random.default_rng(0).standard_normal((count, count)).astype(np.float32)
    similarity[np.diag_indices(count)] += 2

    def plain() -> dict[str, float]:
        found: dict[str, float] = {}
        for name, matrix in (("t2v", similarity), ("v2t", similarity.T)):
            ordered = np.sort(-matrix, axis=1)
            ranks = np.where(ordered - -np.diag(matrix)[:, None] == 0)[1]
            found |= {f"{name} R@{k}": 100 * float((ranks < k).mean()) for k in (1, 5, 10)}
            found[f"{name} MdR"] = float(np.median(ranks)) + 1
        return found

    def ours() -> dict[str, float]:
        both = {"t2v": retrieval_metrics(similarity), "v2t": retrieval_metrics(similarity.T)}
        return {f"{name} {key}": both[name][key] for name in both for key in ("R@1", "R@5", "R@10", "MdR")}

    plain_s, expected = _timed(plain, 1)
    ours_s, got = _timed(ours, 2)
    assert {key: round(value, 6) for key, value in expected.items()} == {k: round(v, 6) for k, v in got.items()}
    return plain_s, ours_s


def _frames(total: int = 33, height: int = 480, width: int = 832) -> tuple[float, float]:
    noise = torch.rand(1, 3, height // 16, width // 16, generator=torch.Generator().manual_seed(0))
    picture = (F.interpolate(noise, (height, width), mode="bicubic").clamp(0, 1) * 255).byte()
    drawn = torch.cat([picture.roll(4 * number, dims=3) for number in range(total)])  # moves as a camera pans
    mp4 = encode_mp4(drawn.permute(0, 2, 3, 1).contiguous().numpy(), 15)
    plain_s, expected = _timed(lambda: preprocess(np.stack([_seek(mp4, i) for i in range(total)]), 224), 1)
    exact_s, exact = _timed(lambda: preprocess(decode_video(mp4), 224), 3)
    np.testing.assert_array_equal(exact, expected)
    ours_s, _ = _timed(lambda: preprocess(decode_video(mp4), 224, how="fast"), 5)
    rates = {"plain": plain_s, "one pass, same bits": exact_s, "one pass, resized at once": ours_s}
    print(f"  frames per CPU second: {', '.join(f'{name} {total / seconds:.0f}' for name, seconds in rates.items())}")
    pictures = decode_video(mp4)
    published, fast = resize_frames(pictures, 224), resize_frames(pictures, 224, how="fast")
    off = np.abs(published.astype(np.int16) - fast)
    print(f"  resized at once: {100 * (off > 0).mean():.2f}% of the pixels differ, by at most {off.max()} of 255")
    assert off.max() <= 1
    return plain_s, ours_s


def _seek(mp4: bytes, index: int) -> np.ndarray:
    """One frame as the published reader fetches it: seek to the key frame before it, decode up to it."""
    import av

    with av.open(io.BytesIO(mp4)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        assert stream.time_base is not None
        assert stream.average_rate is not None
        wanted = round(index / stream.average_rate / stream.time_base)
        container.seek(wanted, stream=stream, backward=True)
        for frame in container.decode(stream):
            if frame.pts is not None and frame.pts >= wanted:
                return np.asarray(frame.to_ndarray(format="rgb24"))
    raise ValueError(f"no frame {index}")


def _timed(run: Callable[[], Result], rounds: int) -> tuple[float, Result]:
    """The least CPU seconds of `rounds` runs, and what the last one gave."""
    best = float("inf")
    for _ in range(rounds):
        started = time.process_time()
        result = run()
        best = min(best, time.process_time() - started)
    return best, result


COMPARISONS: dict[str, tuple[str, str, Callable[[], tuple[float, float]]]] = {
    "meanP": ("meanP similarity, N = 1000", ">= 5", lambda: _loose("clip4clip-meanP", 1000, 63)),
    "seqTransf": ("seqTransf similarity, N = 512", ">= 20", lambda: _loose("clip4clip-seqTransf", 512, 1, 2)),
    "xclip": ("X-CLIP similarity, N = 500", ">= 5", lambda: _loose("xclip", 500, 2, 2)),
    "tightTransf": ("tightTransf similarity, N = 100", ">= 1.25", _tight),
    "metrics": ("metrics, 8,309 x 8,309, both ways", ">= 10", _metrics),
    "frames": ("frames of an 832 x 480 clip", ">= 10", _frames),
}

if __name__ == "__main__":
    main()
