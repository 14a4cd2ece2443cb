"""Croissant metadata of a release (mlcommons.org/croissant/1.0): what its table of pairs holds, for machines.

The file stands beside `pairs.parquet`, the release's rows; a clip is found by its `uri` below the media root and
checked by its `sha256`.
"""

from typing import Any

from svta_assets.exports.card import Card
from svta_assets.exports.job import TEXTS
from svta_assets.exports.terms import term_lines

PAIRS = "pairs.parquet"
PAPER_URL = "https://arxiv.org/abs/2506.01466"
_MEANING = {
    "pair_id": "the text-video pair, for ever",
    "clip_id": "the clip that stands for the pair: pair_id-take",
    "uri": "the mp4, relative to the media root",
    "sha256": "of the mp4",
    "caption": "the text",
    "category": "generation category the clip was made under",
    "final_category": "category the pair belongs to",
    "kind": "normal or anomaly",
    "group": "larger group of the category",
    "generator": "what made the clip",
    "split": "train, val or test",
}
COLUMNS = ("pair_id", "clip_id", "uri", "sha256", "split", *TEXTS)
_CONTEXT: dict[str, Any] = {  # as the format's 1.0 specification gives it
    "@language": "en",
    "@vocab": "https://schema.org/",
    **{name: f"cr:{name}" for name in (
        "citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty", "fileObject", "fileSet",
        "format", "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet",
        "references", "regex", "repeated", "replace", "samplingRate", "separator", "source", "subField", "transform",
    )},
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
}  # fmt: skip


def croissant(card: Card, pairs_sha256: str, pairs_bytes: int, published: str, url: str = PAPER_URL) -> dict[str, Any]:
    """The JSON-LD of a release.

    Args:
        pairs_sha256, pairs_bytes: of `pairs.parquet` beside it. published: date of the release, ISO 8601.
        url: page of the dataset; the benchmark's paper where it has none.
    """
    job = card.job
    counts = ", ".join(f"{split} {len(rows):,}" for split, rows in job.splits.items())
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": card.name,
        "description": f"{job.rows.height:,} captions of anomalous and normal events, each with a clip ({counts}). "
        f"Release {job.release.hash}. {card.privacy.not_synthetic:,} clips are not known to be synthetic.",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "citeAs": "Yang et al., Towards Scalable Video Anomaly Retrieval: A Synthetic Video-Text Benchmark, "
        "arXiv 2506.01466 (the benchmark that this dataset follows)",
        "license": term_lines(job.rows["source"], job.rows["generator"]),
        "url": url,
        "version": f"1.0.0+{job.release.hash}",
        "datePublished": published,
        "keywords": ["video-text retrieval", "anomaly", "synthetic video"],
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": PAIRS,
                "name": PAIRS,
                "description": "one row a pair",
                "contentUrl": PAIRS,
                "contentSize": f"{pairs_bytes} B",
                "encodingFormat": "application/x-parquet",
                "sha256": pairs_sha256,
            }
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "pairs",
                "name": "pairs",
                "description": "captions with their clips",
                "key": {"@id": "pairs/pair_id"},
                "field": [_field(name) for name in COLUMNS],
            }
        ],
    }


def _field(name: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"pairs/{name}",
        "name": name,
        "description": _MEANING[name],
        "dataType": "sc:Text",
        "source": {"fileObject": {"@id": PAIRS}, "extract": {"column": name}},
    }
