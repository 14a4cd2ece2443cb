"""What `benchmarks/generation.py` prints, and writes into docs/performance.md on a GPU."""

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from pictures import psnr, ssim

STEPS_PROJECTED = (50, 27)  # all computed; computed under TeaCache 0.08 as interpolated from its published speeds
PEAK_TFLOPS = {"H200": 989, "H100": 989, "A100": 312, "L40S": 362, "RTX 4090": 165}  # dense bfloat16, data sheets
ROOT = Path(__file__).resolve().parents[1]
REPORT = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- generation {part}: begin -->", "<!-- generation {part}: end -->"
CLOSE_DB, CLOSE_RATIO, BUSY_SHARE, IDLE_SHARE = 40.0, 1.8, 0.95, 0.03


def report(found: dict[str, dict[str, Any]], clips: dict[str, np.ndarray]) -> str:
    """A row for each case, and what follows from them."""
    rows = [
        "| case | attention | s a step | text s | decode s | encode s | wall s a clip | peak GB | frames |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, facts in found.items():
        if "error" in facts:
            rows.append(f"| {name} | failed: {facts['error']} |" + " |" * 7)
            continue
        cells = [facts["denoise_s"] / facts["steps"], facts["text_s"], facts["decode_s"], facts["encode_s"]]
        cells += [facts["wall_s"] / len(clips[name]), facts["memory_gb"]]
        numbers = " | ".join(f"{cell:.3f}" for cell in cells)
        rows.append(f"| {name} | {facts['attention']} | {numbers} | {_frames_said(name, clips)} |")
    return "\n".join([_machine(found), "", *rows, "", *_conclusions(found, clips)])


def _frames_said(name: str, clips: dict[str, np.ndarray]) -> str:
    base = "stock" if name == "identical" else "identical"
    if name == "stock" or base not in clips:
        return "reference"
    if (clips[name] == clips[base]).all():
        return f"equal to {base}"
    return f"{psnr(clips[base], clips[name]):.1f} dB to {base}"


def _conclusions(found: dict[str, dict[str, Any]], clips: dict[str, np.ndarray]) -> list[str]:
    said = []
    fine = {name: facts for name, facts in found.items() if "error" not in facts}
    for name, facts in fine.items():
        said += [f"- {name}: {_projected(name, facts, steps)}" for steps in STEPS_PROJECTED if facts["step_tflop"]]
        if "busy" in facts:
            said.append(
                f"- {name}: kernels run {facts['busy']:.1%} of the time (aim {BUSY_SHARE:.0%}), "
                f"idle between clips {facts['idle']:.2%} (aim under {IDLE_SHARE:.0%})"
            )
    if {"stock", "identical"} <= set(clips):
        equal = bool((clips["stock"] == clips["identical"]).all())
        said.append(f"- identical: frames {'equal' if equal else 'NOT EQUAL'} to stock's, bit for bit")
    for name in ("identical", "close"):
        if name in fine and "stock" in fine:
            said.append(f"- {name}: {fine['stock']['wall_s'] / fine[name]['wall_s']:.2f} times as fast as stock")
    if {"identical", "close"} <= set(clips):
        said.append(f"- close: {psnr(clips['identical'], clips['close']):.1f} dB to identical (aim {CLOSE_DB:g} dB)")
        said.append(f"  and aims at {CLOSE_RATIO} times stock's speed")
    return said


def _projected(name: str, facts: dict[str, Any], steps: int) -> str:
    """Seconds a clip at so many computed steps; ours hides the encoding, stock waits for it."""
    clip = facts["text_s"] + facts["decode_s"] + steps * facts["denoise_s"] / facts["steps"]
    clip += facts["encode_s"] if name == "stock" else 0.0
    rate = facts["step_tflop"] * facts["steps"] / facts["denoise_s"]
    peak = next((peak for card, peak in PEAK_TFLOPS.items() if card in _card()), None)
    share = f", {rate / peak:.0%} of the card's peak" if peak else ""
    return f"{clip:.1f} s a clip at {steps} computed steps ({rate:.0f} TFLOP/s{share})"


def options_table(found: dict[str, dict[str, Any]], clips: dict[str, np.ndarray]) -> str:
    """Speed and nearness to the reference of what one may opt in to."""
    rows = ["| setting | s a clip | times as fast | PSNR dB | SSIM |", "|---|---|---|---|---|"]
    base = found["identical"]
    for name, facts in found.items():
        if "error" in facts:
            rows.append(f"| {name} | failed: {facts['error']} | | | |")
            continue
        wall = facts["wall_s"] / len(clips[name])
        near = [f"{psnr(clips['identical'], clips[name]):.1f}"]
        near.append(f"{np.mean([ssim(a, b) for a, b in zip(clips['identical'], clips[name])]):.4f}")  # noqa: B905
        rows.append(f"| {name} | {wall:.1f} | {base['wall_s'] / facts['wall_s']:.2f} | {' | '.join(near)} |")
    return "\n".join([_machine(found), "", *rows])


def _card() -> str:
    import torch

    return str(torch.cuda.get_device_name()) if torch.cuda.is_available() else f"CPU ({platform.machine()})"


def _machine(found: dict[str, dict[str, Any]]) -> str:
    packages = ("torch", "diffsynth", "flash_attn_3", "torchao")
    versions = ", ".join(f"{name} {_version(name)}" for name in packages if _version(name))
    tokens_seen = next((facts["tokens"] for facts in found.values() if "tokens" in facts), "no")
    return f"{_card()}, Python {platform.python_version()}, {versions}; {tokens_seen} tokens a clip."


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def write_report(text: str, part: str) -> None:
    """Replace what the last run on a GPU wrote."""
    begin, end = BEGIN.format(part=part), END.format(part=part)
    page = REPORT.read_text(encoding="utf-8")
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    REPORT.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
    print(f"written into {REPORT.relative_to(ROOT)}", file=sys.stderr)
