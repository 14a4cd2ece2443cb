"""The two partition definitions: generation categories and retrieval models."""

import dagster as dg

from svta_assets.categories import load_categories

MODELS = (
    "clip4clip-meanp",
    "clip4clip-seqlstm",
    "clip4clip-seqtransf",
    "clip4clip-tighttransf",
    "xclip-vit-b-32",
    "xclip-vit-b-16",
    "gram",
)

categories = dg.StaticPartitionsDefinition([category.key for category in load_categories()])
models = dg.StaticPartitionsDefinition(list(MODELS))
