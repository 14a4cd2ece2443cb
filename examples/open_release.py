"""Read a release in five lines, with plain PyTorch and no Dagster: `python examples/open_release.py .svta/demo`."""

import sys

from svta_models import open_release

train = open_release(sys.argv[1] if len(sys.argv) > 1 else ".svta/demo", release="latest", split="train")
print(len(train), "pairs of release", train.hash)
print(train.frame.head())  # polars: pair_id, clip_id, uri, sha256, caption, category, final_category, ...
item = train.dataset(max_frames=12, size=224)[0]  # torch.utils.data.Dataset
print("first caption:", item["caption"], "frames:", tuple(item["frames"].shape))
