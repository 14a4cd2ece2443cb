"""The preset `tiny`: Wan2.1's architecture at a few megabytes with random weights, in the layout of the real one.

It makes noise, not pictures; it is there so that tests, CI and a first try run the real pipeline without a GPU.
"""

import json
from pathlib import Path
from typing import Any

from svta_resources.video.wan.layout import WanLayout
from svta_resources.video.wan.presets import PRESETS, T5_FILE, TOKENIZER_FOLDER, VAE_FILE

# A head of 12 numbers is the smallest that Wan's split of the rotary embedding over time, height and width allows.
DIT: dict[str, Any] = {
    "has_image_input": False, "patch_size": [1, 2, 2], "in_dim": 16, "dim": 24, "ffn_dim": 48, "freq_dim": 256,
    "text_dim": 32, "out_dim": 16, "num_heads": 2, "num_layers": 2, "eps": 1e-6,
}  # fmt: skip
T5: dict[str, Any] = {"vocab": 384, "dim": 32, "dim_attn": 32, "dim_ffn": 64, "num_heads": 2, "num_layers": 2}
_VAE_CLASS = "svta_resources.video.wan.tiny_vae.TinyWanVae"
_VAE_CONVERTER = "diffsynth.utils.state_dict_converters.wan_video_vae.WanVideoVAEStateDictConverter"


def write_tiny(folder: Path, seed: int = 0) -> Path:
    """Write the weights of the preset `tiny` (about 4 MB) below `folder` and return it. Needs diffsynth."""
    import torch
    from diffsynth.models.wan_video_dit import WanModel
    from diffsynth.models.wan_video_text_encoder import WanTextEncoder
    from safetensors.torch import save_file

    from svta_resources.video.wan.tiny_vae import TinyWanVae

    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        dit, t5, vae = WanModel(**DIT), WanTextEncoder(**T5), TinyWanVae()
        torch.nn.init.normal_(dit.head.head.weight, std=0.05)  # zero as initialised: nothing would move
    state = {name: tensor.contiguous() for name, tensor in dit.state_dict().items()}
    names = sorted(state)
    shards = PRESETS["tiny"].dit_files
    for number, shard in enumerate(shards):
        save_file({name: state[name] for name in names[number :: len(shards)]}, folder / shard)
    torch.save(t5.state_dict(), folder / T5_FILE)
    torch.save(vae.model.state_dict(), folder / VAE_FILE)
    write_tokenizer(folder / TOKENIZER_FOLDER)
    return folder


def write_tokenizer(folder: Path) -> None:
    """A byte-level tokenizer without merges: every caption, Chinese too, becomes its bytes."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    folder.mkdir(parents=True, exist_ok=True)
    special = ["<pad>", "</s>", "<unk>"]
    vocab = {token: number for number, token in enumerate([*special, *sorted(pre_tokenizers.ByteLevel.alphabet())])}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", vocab["</s>"])])
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": "<pad>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "model_max_length": 512,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1))


def register_tiny(layout: WanLayout) -> None:
    """Tell diffsynth's loader what the tiny files are: it knows models by a hash of their tensors' names and shapes."""
    from diffsynth.configs import MODEL_CONFIGS
    from diffsynth.core.loader.file import hash_model_file

    entries = [
        (layout.dit, "wan_video_dit", "diffsynth.models.wan_video_dit.WanModel", DIT, None),
        (layout.t5, "wan_video_text_encoder", "diffsynth.models.wan_video_text_encoder.WanTextEncoder", T5, None),
        (layout.vae, "wan_video_vae", _VAE_CLASS, {}, _VAE_CONVERTER),
    ]
    known = {config["model_hash"] for config in MODEL_CONFIGS}
    for path, name, model_class, settings, converter in entries:
        model_hash = hash_model_file(path)
        if model_hash in known:
            continue
        entry = {"model_hash": model_hash, "model_name": name, "model_class": model_class, "extra_kwargs": settings}
        MODEL_CONFIGS.append(entry | ({"state_dict_converter": converter} if converter else {}))
