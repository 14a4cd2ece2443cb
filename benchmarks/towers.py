"""CLIP's towers as they are here beside towers that compute every token: `python benchmarks/towers.py`.

Only the class token of a frame and the end token of a caption are read, so the last block computes no others, and what
follows the longest caption of a batch is left out. One thread, processor seconds of a forward and backward pass, the
two ways in turn; the smallest of several counts. Both must agree, or it stops.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from svta_models.clip import Clip, at_end_token
from svta_models.presets import preset

CASES = (("tiny", 72, 24, 20), ("vit-b-32", 12, 4, 3), ("vit-b-16", 6, 2, 3))  # frames, captions, times
WORDS, LONGEST = 32, 20  # slots a caption has, and words of the longest one
Pass = Callable[[Clip, Tensor, Tensor], tuple[Tensor, Tensor]]


def main() -> None:
    """Print a line per shape."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"{'shape':10} {'frames':>7} {'captions':>9} {'every token, s':>15} {'ours, s':>9} {'ratio':>6}")
    for name, frames, captions, times in CASES:
        config = preset(name)
        clip = Clip(config)
        pixels = torch.randn(frames, 3, config.image, config.image)
        ids = _captions(captions, config.vocab)
        for every, ours in zip(every_token(clip, ids, pixels), what_is_read(clip, ids, pixels), strict=True):
            torch.testing.assert_close(every, ours, rtol=1e-3, atol=1e-3)
        slow, fast = float("inf"), float("inf")
        for _ in range(times):
            slow = min(slow, _seconds(every_token, clip, ids, pixels))
            fast = min(fast, _seconds(what_is_read, clip, ids, pixels))
        print(f"{name:10} {frames:7} {captions:9} {slow:15.3f} {fast:9.3f} {slow / fast:6.2f}", flush=True)


def what_is_read(clip: Clip, ids_BL: Tensor, pixels_FCHW: Tensor) -> tuple[Tensor, Tensor]:
    """Features of captions and frames."""
    return clip.encode_text(ids_BL), clip.encode_image(pixels_FCHW)


def every_token(clip: Clip, ids_BL: Tensor, pixels_FCHW: Tensor) -> tuple[Tensor, Tensor]:
    """The same, as published: all tokens go through all blocks."""
    visual = clip.visual
    patches_FPW = visual.conv1(pixels_FCHW).flatten(2).transpose(1, 2)
    class_F1W = visual.class_embedding.expand(len(pixels_FCHW), 1, -1)
    x_FPW = torch.cat([class_F1W, patches_FPW], dim=1) + visual.positional_embedding
    frames_FD = visual.ln_post(visual.transformer(visual.ln_pre(x_FPW))[:, 0]) @ visual.proj
    return at_end_token(clip.encode_text_tokens(ids_BL), ids_BL), frames_FD


def _captions(count: int, vocabulary: int) -> Tensor:
    """Ids (count, WORDS) with the end token, which has the largest id, at different places."""
    ids_BL = torch.randint(2, vocabulary - 1, (count, WORDS))
    for row, end in enumerate(torch.linspace(LONGEST // 2, LONGEST - 1, count).long().tolist()):
        ids_BL[row, end], ids_BL[row, end + 1 :] = vocabulary - 1, 0
    return ids_BL


def _seconds(towers: Pass, clip: Clip, ids_BL: Tensor, pixels_FCHW: Tensor) -> float:
    began = time.process_time()
    texts_BD, frames_FD = towers(clip, ids_BL, pixels_FCHW)
    (texts_BD.square().sum() + frames_FD.square().sum()).backward()  # type: ignore[no-untyped-call]
    clip.zero_grad()
    return time.process_time() - began


if __name__ == "__main__":
    main()
