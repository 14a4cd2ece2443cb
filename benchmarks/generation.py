"""Wan clips: diffsynth as it comes against ours, same weights and device: `python benchmarks/generation.py`.

Runs from a plain checkout: Python 3.10 or newer and diffsynth with any PyTorch it accepts; nothing else of this
project's dependencies is needed. On the CPU it runs the tiny checkpoint; on a GPU the 14B shapes at random weights made
there, or real ones from `--weights`. Each case is a process of its own and prints what it measured:

    stock      diffsynth's pipeline in a loop, FP8 storage as the paper's engine had it, then its mp4 writer
    identical  ours with the same attention: frames must be equal bit for bit
    close      ours with the fastest attention, compiled; encoding overlaps in `identical` too

With random weights the number of steps that TeaCache skips says nothing, so the denoising time is measured without it,
per computed step, and projected to 50 steps and to 27. With a GPU the table is also written into docs/performance.md.
`--options` measures what one may opt in to (w8a8, fewer steps, larger thresholds) against `identical`; that needs
`--weights`.
"""

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import numpy as np  # noqa: E402
from generation_report import options_table, report, write_report  # noqa: E402
from random_wan import DITS, RandomWan, forward_flops  # noqa: E402

from svta_resources.video.overlap import Overlap  # noqa: E402
from svta_resources.video.wan.engine import EngineOptions  # noqa: E402
from svta_resources.video.wan.generator import WanGenerator  # noqa: E402
from svta_resources.video.wan.memory import tokens  # noqa: E402
from svta_resources.video.wan.presets import PRESETS  # noqa: E402
from svta_resources.video.wan.settings import WanSettings  # noqa: E402

SEED = 42
CAPTIONS = (
    "Two men argue in a parking lot; one pushes the other against a car.",
    "A woman trips over a suitcase in a station hall and falls.",
    "A white van runs a red light and hits a motorcycle at a crossing.",
)


@dataclass(frozen=True)
class Case:
    """One way to make the clips. `chosen` are Wan settings; they come before the command line's."""

    name: str
    attention: str = "stock"
    compile: bool = False
    ours: bool = True
    chosen: tuple[tuple[str, Any], ...] = ()


CASES = (
    Case("stock", ours=False, chosen=(("fp8", "storage"),)),
    Case("identical", chosen=(("fp8", "rounded"),)),
    Case("close", "auto", True, chosen=(("fp8", "rounded"),)),
)
OPTIONS = (
    Case("w8a8", chosen=(("fp8", "w8a8"),)),
    Case("40 steps", chosen=(("steps", 40),)),
    Case("30 steps", chosen=(("steps", 30),)),
    Case("threshold 0.12", chosen=(("tea_cache_threshold", 0.12),)),
    Case("threshold 0.20", chosen=(("tea_cache_threshold", 0.20),)),
)


def main() -> None:
    """Run every case in a process of its own, compare their frames, and report."""
    arguments = _arguments()
    if arguments.case:
        _child(arguments)
        return
    cases = [case for case in CASES if not (case.compile and arguments.no_compile)]
    if arguments.options:
        if not arguments.weights:
            sys.exit("--options compares pictures, which random weights do not make: give --weights")
        cases = [CASES[1], *OPTIONS]
    with tempfile.TemporaryDirectory() as scratch:
        found = {case.name: _run(case, arguments, Path(scratch)) for case in cases}
        clips = {name: np.load(Path(scratch) / f"{name}.npy") for name in found if "error" not in found[name]}
    text = options_table(found, clips) if arguments.options else report(found, clips)
    print(text)
    if any(facts.get("device") == "cuda" for facts in found.values()):
        write_report(text, "options" if arguments.options else "cases")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", choices=sorted(PRESETS), help="default: 14B on a GPU, tiny on the CPU")
    parser.add_argument("--weights", help="folder of real weights; default: random ones")
    parser.add_argument("--clips", type=int, default=3)
    parser.add_argument("--steps", type=int, help="default: 12 at random weights, the preset's at real ones")
    parser.add_argument("--size", type=int, nargs=3, metavar=("FRAMES", "HEIGHT", "WIDTH"))
    parser.add_argument("--no-compile", action="store_true", help="leave the case `close` out")
    parser.add_argument("--options", action="store_true", help="measure what one may opt in to")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--frames-to", help=argparse.SUPPRESS)
    return parser.parse_args()


def _run(case: Case, arguments: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """Start the process of a case; its last line of output is what it measured."""
    command = [sys.executable, __file__, *sys.argv[1:], "--case", case.name]
    command += ["--frames-to", str(scratch / f"{case.name}.npy")]
    print(f"{case.name} ...", file=sys.stderr, flush=True)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **_threads()})
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or ["no message"])[-1]}
    facts: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return facts


def _threads() -> dict[str, str]:
    """One thread on the CPU: on a shared machine PyTorch's threads wait for each other."""
    return {} if _on_gpu() else {"OMP_NUM_THREADS": "1"}


def _on_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())


# -- one case, in its own process ------------------------------------------------------------------------------------


def _child(arguments: argparse.Namespace) -> None:
    import torch

    case = next(case for case in (*CASES, *OPTIONS) if case.name == arguments.case)
    if not _on_gpu():
        torch.cpu.empty_cache = lambda: None  # diffsynth asks every device for it
    with tempfile.TemporaryDirectory() as folder:
        generator = _generator(case, arguments, Path(folder))
        began = time.perf_counter()
        generator.load()
        _one_step(generator)  # kernels are chosen, blocks compiled
        load_s = time.perf_counter() - began
        made = _measured(lambda: (_ours if case.ours else _stock)(generator, arguments.clips))
    np.save(arguments.frames_to, np.stack(made.pop("frames")))
    forwards = 1 if generator.settings.cfg == 1.0 else 2
    dit = DITS.get(generator.preset.name)
    facts = {
        "device": "cuda" if _on_gpu() else "cpu",
        "load_s": load_s,
        "steps": generator.settings.steps,
        "tokens": tokens(generator.settings),
        "step_tflop": forwards * forward_flops(dit, tokens(generator.settings)) / 1e12 if dit else None,
        "attention": generator.provenance()["attention"],
        "memory_gb": _memory_gb(),
    }
    print(json.dumps({**facts, **made}))


def _generator(case: Case, arguments: argparse.Namespace, folder: Path) -> WanGenerator:
    from svta_resources.video.wan.tiny import write_tiny

    device = "cuda" if _on_gpu() else "cpu"
    preset = arguments.preset or ("wan2.1-t2v-14b" if device == "cuda" else "tiny")
    chosen = dict(case.chosen)
    if arguments.size:
        chosen.update(zip(("frames", "height", "width"), arguments.size))  # noqa: B905 - three of each
    if not arguments.weights:
        chosen["tea_cache_threshold"] = None
    if steps := arguments.steps or (None if arguments.weights else 12):
        chosen.setdefault("steps", steps)  # where the case does not choose its own
    states = None
    weights = arguments.weights
    if preset == "tiny":
        weights = weights or str(write_tiny(folder / "tiny"))
    elif not weights:
        states = RandomWan(PRESETS[preset], folder / "random", device)
        weights = str(states.folder)
    return WanGenerator(preset, weights, EngineOptions(case.attention, case.compile), states, **chosen)


def _one_step(generator: WanGenerator) -> None:
    """A clip of the fewest steps, not measured."""
    settings = generator.settings
    generator.settings = WanSettings(**{**settings.to_dict(), "steps": 2, "tea_cache_threshold": None})
    generator.generate("warm up", 0)
    generator.settings = settings


def _stock(generator: WanGenerator, clips: int) -> dict[str, Any]:
    """diffsynth's own call and its own writer, one clip after the other, on a pipeline that nothing was done to."""
    from diffsynth.utils.data import save_video

    pipe = _untouched(generator)
    stages: dict[str, list[float]] = {"text_s": [], "denoise_s": [], "decode_s": [], "encode_s": []}
    frames = []
    began = time.perf_counter()
    for caption in CAPTIONS[:clips]:
        with _range("clip"), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            start = time.perf_counter()
            pictures = pipe(**{**generator._call(caption, SEED), "output_type": "quantized"})
            done = time.perf_counter()
            with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
                save_video(pictures, file.name, generator.settings.fps, quality=generator.settings.quality)
            end = time.perf_counter()
        watch = generator._watch
        seconds = (watch.began - start, watch.ended - watch.began, done - watch.ended, end - done)
        for name, value in zip(stages, seconds):  # noqa: B905
            stages[name].append(value)
        frames.append(np.stack([np.asarray(picture) for picture in pictures]))
    return {"wall_s": time.perf_counter() - began, "frames": frames, **_means(stages)}


def _untouched(generator: WanGenerator) -> Any:
    """The pipeline as diffsynth loads it: no remembered embeddings, tables where it keeps them."""
    pipe = generator._loaded().pipe
    pipe.text_encoder.forward = pipe.text_encoder.forward._encode
    pipe.dit.freqs = tuple(table.cpu() for table in pipe.dit.freqs)
    pipe.model_fn = pipe.model_fn._model_fn
    return pipe


class _Work:
    """Two stages, as a worker of the pool has them."""

    def __init__(self, generator: WanGenerator, encode: Any) -> None:
        self._generator, self._encode = generator, encode
        self.stages: dict[str, list[float]] = {"text_s": [], "denoise_s": [], "decode_s": [], "encode_s": []}

    def begin(self, caption: str) -> Any:
        with _range("clip"):
            frames = self._generator.begin(caption, SEED)
        happened = self._generator.provenance()
        for name in ("text", "denoise", "decode"):
            self.stages[f"{name}_s"].append(happened[f"{name}_seconds"])
        return frames

    def finish(self, caption: str, begun: Any) -> np.ndarray:
        del caption
        began = time.perf_counter()
        frames: np.ndarray = begun()
        self._encode(frames, self._generator.settings.fps, self._generator.settings.quality)
        self.stages["encode_s"].append(time.perf_counter() - began)
        return frames


def _ours(generator: WanGenerator, clips: int) -> dict[str, Any]:
    """The worker's loop: a clip is encoded while the next one is made."""
    work, frames, errors = _Work(generator, _encoder()), [], []

    def answer(caption: str, result: Any, error: Any) -> None:
        errors.append(error) if error else frames.append(result)

    began = time.perf_counter()
    overlap = Overlap(work, answer)
    for caption in CAPTIONS[:clips]:
        overlap.take(caption)
    overlap.drain()
    if errors:
        raise errors[0]
    return {"wall_s": time.perf_counter() - began, "frames": frames, **_means(work.stages)}


def _encoder() -> Any:
    """The project's encoder, or diffsynth's where PyAV is not installed."""
    try:
        import av  # noqa: F401
    except ImportError:
        return _write_with_imageio
    from svta_resources.video.encode import encode_mp4

    return encode_mp4


def _write_with_imageio(frames: np.ndarray, fps: float, quality: float) -> None:
    import imageio

    with (
        tempfile.NamedTemporaryFile(suffix=".mp4") as file,
        imageio.get_writer(file.name, fps=fps, quality=quality) as to,
    ):
        for frame in frames:
            to.append_data(frame)


def _means(stages: dict[str, list[float]]) -> dict[str, float]:
    return {name: sum(values) / len(values) for name, values in stages.items()}


def _memory_gb() -> float:
    import resource

    import torch

    if _on_gpu():
        return float(torch.cuda.max_memory_allocated() / 1e9)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def _range(name: str) -> Any:
    import torch

    return torch.profiler.record_function(name)


def _measured(run: Any) -> dict[str, Any]:
    """Run under the profiler on a GPU, to see how busy it was."""
    if not _on_gpu():
        result: dict[str, Any] = run()
        return result
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiled:
        result = run()
    kernels, clips = [], []
    for event in profiled.events():
        span = (event.time_range.start, event.time_range.end)
        if str(event.device_type).endswith("CUDA"):
            kernels.append(span)
        elif event.name == "clip":
            clips.append(span[0])
    return {**result, **busy(kernels, clips)}


def busy(kernels: list[tuple[float, float]], clips: list[float]) -> dict[str, float]:
    """Share of the time that kernels ran, and share that the device idled between clips.

    Args:
        kernels: (begin, end) of every kernel, in any unit.
        clips: when each clip began, in the same unit.
    """
    joined: list[list[float]] = []
    for begin, end in sorted(kernels):
        if joined and begin <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], end)
        else:
            joined.append([begin, end])
    if not joined:
        return {}
    wall = joined[-1][1] - joined[0][0]
    idle = 0.0
    for start in sorted(clips)[1:]:
        before = max((end for begin, end in joined if begin < start), default=start)
        after = min((begin for begin, _ in joined if begin >= start), default=before)
        idle += max(0.0, after - before)
    return {"busy": sum(end - begin for begin, end in joined) / wall, "idle": idle / wall}


if __name__ == "__main__":
    main()
