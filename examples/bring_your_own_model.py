"""Bring your own retrieval model: read a release with plain PyTorch, train anything, get the same figures.

    python examples/bring_your_own_model.py .svta/demo

Needs a home that holds a release (`make demo` writes one). The model here is a deliberately simple baseline, a linear
map from the mean colours of a clip to a bag of words: replace it with yours and keep the rest.
"""

import re
import sys

import torch
from torch import Tensor

from svta_models import open_release
from svta_models.evaluation import evaluate_similarity
from svta_models.release import ReleaseSplit

GRID = 8  # mean colours on an 8 x 8 grid


def words(caption: str) -> list[str]:
    """Lower-case words of a caption."""
    return re.findall(r"[a-z]+", caption.lower())


def bag_of_words(captions: list[str], vocabulary: dict[str, int]) -> Tensor:
    """Captions to unit word-count vectors (N captions, V words); unseen words are ignored."""
    counts_NV = torch.zeros(len(captions), len(vocabulary))
    for row, caption in enumerate(captions):
        for word in words(caption):
            if word in vocabulary:
                counts_NV[row, vocabulary[word]] += 1
    return torch.nn.functional.normalize(counts_NV, dim=1)


def load(split: ReleaseSplit) -> tuple[list[str], Tensor]:
    """Captions, and clips as mean and spread of colours over time (N clips, 2 * 3 * GRID * GRID)."""
    captions, features = [], []
    dataset = split.dataset(max_frames=12, size=64, fit="squash")
    for item in map(dataset.__getitem__, range(len(dataset))):
        frames_TCHW = item["frames"][item["mask"] == 1].float() / 255
        pooled = torch.nn.functional.adaptive_avg_pool2d(frames_TCHW, GRID).flatten(1)
        features.append(torch.cat([pooled.mean(dim=0), pooled.std(dim=0, correction=0)]))
        captions.append(item["caption"])
    return captions, torch.stack(features)


def main(home: str) -> None:
    """Fit on `train`, score `test`, print recall with its interval and chance."""
    train = open_release(home, release="latest", split="train")
    test = open_release(home, release=train.hash, split="test")

    captions, clips_NF = load(train)
    vocabulary = {word: number for number, word in enumerate(sorted({w for c in captions for w in words(c)}))}
    centre, scale = clips_NF.mean(dim=0), clips_NF.std(dim=0) + 0.05
    inputs_NF = (clips_NF - centre) / scale
    # Ridge regression in closed form, regularised strongly because features outnumber clips.
    kernel_NN = inputs_NF @ inputs_NF.T + 300 * torch.eye(len(inputs_NF))
    targets_NV = bag_of_words(captions, vocabulary)
    mean_V = targets_NV.mean(dim=0)
    weights_FV = inputs_NF.T @ torch.linalg.solve(kernel_NN, targets_NV - mean_V)

    test_captions, test_clips_NF = load(test)
    predicted_NV = (test_clips_NF - centre) / scale @ weights_FV
    similarity = (bag_of_words(test_captions, vocabulary) - mean_V) @ predicted_NV.T

    result = evaluate_similarity(
        similarity.numpy(), test.frame["pair_id"].to_list(), test.frame["final_category"].to_list()
    )
    low, high = result.intervals["t2v"]["R@10"]
    print(f"release {test.hash}: {len(test)} test pairs")
    print(f"text-to-video R@10 {result.averaged_t2v['R@10']:.1f}% (95% {low:.1f} to {high:.1f}), ", end="")
    print(f"chance {result.chance['R@10']:.1f}%; median rank {result.averaged_t2v['MdR']:.1f} of {len(test)}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else ".svta/demo")
