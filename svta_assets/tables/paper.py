"""The SVTA paper's retrieval tables (arXiv 2506.01466), and the order and names that ours take from them."""

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

METHODS = {
    "clip4clip-meanp": "CLIP4Clip-MeanP",
    "clip4clip-seqlstm": "CLIP4Clip-seqLSTM",
    "clip4clip-seqtransf": "CLIP4Clip-seqTransf",
    "clip4clip-tighttransf": "CLIP4Clip-tightTransf",
    "xclip-vit-b-32": "X-CLIP (ViT-B/32)",
    "xclip-vit-b-16": "X-CLIP (ViT-B/16)",
    "gram": "GRAM",
}
FIGURES = {"r1": "R@1", "r5": "R@5", "r10": "R@10", "mdr": "MdR", "mnr": "MnR"}
DIRECTIONS = {"t2v": "text to video", "v2t": "video to text"}
SYNTHETIC = "svta"


@dataclass(frozen=True)
class PaperTable:
    """One of the paper's retrieval tables: which benchmark it shows, and what the paper's figures rest on."""

    name: str
    title: str
    benchmark: str
    pairs: int  # gallery size in the paper

    @property
    def zero_shot(self) -> bool:
        """Whether the benchmark's videos are real ones that no model was trained on."""
        return self.benchmark != SYNTHETIC

    def paper(self, model: str, direction: str) -> dict[str, float] | None:
        """The paper's figures (R@K in percent); None for a model of one's own."""
        if model not in METHODS:
            return None
        rows = {row["method"]: row for row in _published()[self.name]}
        figures: dict[str, float] = rows[METHODS[model]][direction]
        return figures


PAPER_TABLES = (
    PaperTable("table2", "Table 2: retrieval on the SVTA test split", SYNTHETIC, 8309),
    PaperTable("table3", "Table 3: zero-shot on UCFCrime-AR", "ucfcrime_ar", 290),
    PaperTable("table4", "Table 4: zero-shot on OOPS!", "oops", 3468),
)


def method_name(model: str) -> str:
    """A model's name in the tables: the paper's, or its own."""
    return METHODS.get(model, model)


@lru_cache(maxsize=1)
def _published() -> dict[str, Any]:
    tables: dict[str, Any] = json.loads((files("svta_assets.tables") / "paper_tables.json").read_text())
    return tables
