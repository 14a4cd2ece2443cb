"""A home with a small release, an untrained checkpoint and a dozen real long videos: all that an evaluation needs."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import torch

from svta_assets.workspace import Workspace, prepare_workspace
from svta_models.checkpoint import save_checkpoint
from svta_models.identity import canonical_json
from svta_models.presets import preset_values
from svta_models.published import build_model
from svta_models.recipe import Recipe
from svta_models.release import Release, write_release
from svta_models.tokenizer import CaptionTokenizer
from svta_resources.profiles import PROFILES, Home
from tests.models.long_videos import RATE_29_97, RATE_30, write_long_video
from tests.models.synthetic import make_release_rows
from tests.texts.text_sources import write_ar

MODEL = "clip4clip-meanp"
# Video, caption and frames; two captions are equal, as in the real test set.
VIDEOS = {
    "Abuse028_x264": ("A woman hits a white dog.", 400),
    "Arrest001_x264": ("Two policemen hold a man down.", 330),
    "Arson009_x264": ("A man pours petrol over a car.", 301),
    "Assault010_x264": ("A man kicks another one.", 299),
    "Burglary021_x264": ("A thief climbs through the window.", 360),
    "Explosion025_x264": ("A gas bottle explodes in a kitchen.", 450),
    "Fighting018_x264": ("Two men fight in front of a bar.", 390),
    "RoadAccidents012_x264": ("A van hits a motorcycle.", 300),
    "Vandalism007_x264": ("A boy scratches a parked car.", 320),
    "Normal_Videos_003_x264": ("People walk along the pavement.", 310),
    "Normal_Videos_048_x264": ("People walk along the pavement.", 600),
    "Normal_Videos_924_x264": ("A clerk stands behind the counter.", 18_000),  # ten minutes
}


def make_home(root: Path, recipe: Recipe | None = None) -> Workspace:
    """A demo home with a release of synthetic clips (test split 9 of 27 pairs) and a checkpoint trained on nothing."""
    work = prepare_workspace(Home(PROFILES["demo"], root, str(root)))
    write_release(work.store, make_release_rows(work.store, per_scene=2, scenes=18))
    add_checkpoint(work, "1", recipe)
    return work


def add_checkpoint(work: Workspace, at: str, recipe: Recipe | None = None, seed: int = 0) -> str:
    """An untrained checkpoint of the newest release: random weights retrieve by chance, which is all that is needed."""
    release = Release(work.store, newest_release(work))
    recipe = recipe or Recipe(epochs=1)
    tokenizer = CaptionTokenizer.train(release.split("train").frame["caption"].to_list(), 300)
    small = {"vision_width": 64, "vision_layers": 1, "text_width": 64, "text_layers": 1, "embed_dim": 64}
    shape = preset_values("tiny") | small | {"vocab": tokenizer.size, "max_frames": recipe.max_frames}
    torch.manual_seed(seed)
    model = build_model("clip4clip-meanP", shape)
    facts = {"recipe": recipe.to_dict(), "release": release.hash, "seed": seed, "best_epoch": 1, "curves": []}
    checkpoint = save_checkpoint(work.store, f"checkpoints/{MODEL}", model, tokenizer, facts)
    row = {
        "checkpoint_id": checkpoint,
        "model": MODEL,
        "release": release.hash,
        "recipe": canonical_json(replace(recipe).to_dict()),
        "made_at": at,
    }
    rows = pl.concat([work.catalog.read("checkpoints", MODEL), work.catalog.tables["checkpoints"].frame([row])])
    work.catalog.publish("checkpoints", MODEL, rows)
    return checkpoint


def newest_release(work: Workspace) -> str:
    """Hash of the latest release."""
    from svta_models.release import resolve

    return resolve(work.store)


def make_benchmark(root: Path, leave_out: tuple[str, ...] = ()) -> Path:
    """A sources folder with UCFCrime-AR's test sheet and benchmarks.yaml, and the videos in UCF-Crime's folders."""
    rows = [(f"{name.rstrip('0123456789_x')}/{name}.mp4\n", "", caption) for name, (caption, _) in VIDEOS.items()]
    write_ar(root / "ucfcrime_ar", rows, split="test", sheet="Sheet1")
    for place, (name, (_, frames)) in enumerate(VIDEOS.items()):
        folder = "Testing_Normal_Videos_Anomaly" if name.startswith("Normal") else "Anomaly"
        if name not in leave_out:
            rate = RATE_29_97 if place % 3 == 0 else RATE_30
            write_long_video(root / "videos" / folder / f"{name}.mp4", frames, rate, shift=1000 * place, bf="0")
    write_settings(root)
    return root


def write_settings(root: Path, **changed: object) -> None:
    """Write benchmarks.yaml for the folder of `make_benchmark`."""
    import yaml

    settings = {"videos": "videos", "pairs": len(VIDEOS), **changed}
    (root / "benchmarks.yaml").write_text(yaml.safe_dump({"ucfcrime_ar": settings}))
