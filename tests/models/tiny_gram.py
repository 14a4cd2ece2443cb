"""GRAM at toy size: a published run's folder written to disk, and clips that sound."""

import io
import json
import re
from pathlib import Path

import av
import numpy as np
import polars as pl
import torch

from svta_models.gram.config import gram_preset_values
from svta_models.media_store import MediaStore, sha256_hex
from svta_models.published import build_model
from svta_models.recipe import AnyRecipe, read_recipe
from tests.models.synthetic import COLOURS, GROUNDS, SHAPES, make_release_rows

QUICK = {"preset": "tiny", "epochs": 2, "batch_size": 8, "ranks": 2}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", ".", "a", "one", "the", "drift", "##s", "over", "ground"]
WORDS += [*COLOURS, *GROUNDS, *SHAPES]


def write_tiny_gram(folder: Path, **config: object) -> Path:
    """`ckpt/model_step_7.pt` (with DataParallel's prefix), `log/hps.json` and `vocab.txt`, as SVTA_GRAM_DIR holds."""
    values = gram_preset_values("tiny")
    values["config"] |= config
    values["bert_cfg"] |= {"vocab_size": len(WORDS)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = build_model("gram", values).published_state()
    for name in ("ckpt", "log"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    torch.save({f"module.{name}": tensor for name, tensor in state.items()}, folder / "ckpt" / "model_step_7.pt")
    said = {"model_cfg": {"contra_dim": values["config"]["contra_dim"], "itm_ratio": 0.1, "itm_rerank_num": 4}}
    (folder / "log" / "hps.json").write_text(json.dumps(said))
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    return folder


def quick_gram(name: str, **changed: object) -> AnyRecipe:
    """A recipe of GRAM at toy size; `scratch` keeps its own batch."""
    quick = {**QUICK} if name != "scratch" else {"epochs": 2, "batch_size": 8, "max_frames": 3, "train_frames": 2}
    return read_recipe({"name": name, **quick, **changed}, "gram")


def with_track(clip: bytes, hertz: float, seconds: float = 0.9, rate: int = 16_000, layout: str = "mono") -> bytes:
    """The same mp4 with an AAC track of one tone beside its pictures, which are copied as they are."""
    target = io.BytesIO()
    with av.open(io.BytesIO(clip), "r") as source, av.open(target, "w", format="mp4") as container:
        pictures = source.streams.video[0]
        video = container.add_stream_from_template(pictures)
        audio = container.add_stream("aac", rate=rate, layout=layout)
        for packet in source.demux(pictures):
            if packet.dts is not None:
                packet.stream = video
                container.mux(packet)
        tone = np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate).astype(np.float32) / 4
        planes = np.repeat(tone[None], 1 if layout == "mono" else 2, axis=0)
        for start in range(0, planes.shape[1], 1024):
            part = np.ascontiguousarray(planes[:, start : start + 1024])
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout=layout)
            frame.sample_rate, frame.pts = rate, start
            container.mux(audio.encode(frame))
        container.mux(audio.encode())
    return target.getvalue()


def sounding_rows(store: MediaStore, per_scene: int = 3, scenes: int = 12, silent: int = 4) -> pl.DataFrame:
    """Release rows whose clips have tracks of many kinds; every `silent`-th clip has none."""
    rows = make_release_rows(store, per_scene=per_scene, scenes=scenes).to_dicts()
    kinds = [(8_000, "mono"), (44_100, "stereo"), (48_000, "mono"), (16_000, "stereo")]
    for number, row in enumerate(rows):
        if number % silent:
            rate, layout = kinds[number % len(kinds)]
            pitch = 200.0 + 300 * len(re.findall("[aeiou]", row["caption"]))
            data = with_track(store.get(row["uri"]), pitch, rate=rate, layout=layout)
            store.put(row["uri"], data)
            row["sha256"] = sha256_hex(data)
    return pl.DataFrame(rows, schema_overrides={"group": pl.String})
