"""Weights: published names, starting values from CLIP, files of every published form, and refusal by name."""

import re

import pytest
import torch

from svta_models import load_published
from svta_models.clip import Clip
from svta_models.errors import SvtaError
from svta_models.initialisation import head_sources
from svta_models.presets import ClipConfig, preset, preset_values
from svta_models.published import METHODS, build_model, from_clip, open_published
from svta_models.weights import WrongWeights, clip_config_of, read_state
from tests.models.golden import METHODS as GOLDENS
from tests.models.golden import golden

ALL = pytest.mark.parametrize("name", GOLDENS)


def clip_of(state, prefix="clip."):
    return {prefix + name[5:]: tensor for name, tensor in state.items() if name.startswith("clip.")}


@ALL
def test_published_names_make_an_exact_round_trip(name):
    state = golden(name).state
    back = golden(name).model().published_state()
    assert set(back) == set(state)
    assert all(torch.equal(back[key], state[key]) for key in state)


@ALL
def test_a_method_is_known_in_any_case_and_prefixes_and_constants_are_dropped(name):
    stored = golden(name)
    published = {f"module.{key}": tensor for key, tensor in stored.state.items()}
    published["module.clip.input_resolution"] = torch.tensor(48)
    model = load_published(stored.method.lower(), published, stored.config)
    assert torch.equal(model.published_state()["clip.visual.proj"], stored.state["clip.visual.proj"])
    assert not model.training


@ALL
def test_what_clip_does_not_give_starts_where_the_published_code_starts_it(name):
    stored = golden(name)
    recorded = stored.facts["initialisation"]
    torch.manual_seed(0)
    model = load_published(stored.method, clip_of(stored.state), stored.config)
    assert head_sources(model) == {key: facts["source"] for key, facts in recorded.items()}
    state = model.published_state()
    for key, facts in recorded.items():
        tensor = state[key]
        assert list(tensor.shape) == facts["shape"]
        if facts["source"] == "identity":
            assert torch.equal(tensor, torch.eye(len(tensor)))
        elif facts["source"] == "fresh":
            assert_drawn_alike(tensor, facts)
        else:
            assert torch.equal(tensor, stored.state[facts["source"]])


def assert_drawn_alike(tensor, facts):
    """Mean and deviation within four standard errors (constants: exactly)."""
    if "value" in facts:
        assert tensor.item() == facts["value"]
    elif facts["std"] == 0:
        assert tensor.unique().tolist() == [facts["mean"]]
    else:
        spread = facts["std"] / tensor.numel() ** 0.5
        assert tensor.mean().item() == pytest.approx(facts["mean"], abs=4 * 2**0.5 * spread)
        assert tensor.std().item() == pytest.approx(facts["std"], abs=4 * spread)


def test_clip_alone_is_known_by_bare_names_too():
    stored = golden("clip4clip_seqTransf")
    torch.manual_seed(0)
    model = load_published(stored.method, clip_of(stored.state, prefix=""), stored.config)
    with torch.no_grad():
        features = model.encode_text(stored.batch[0])
        expected = stored.model().encode_text(stored.batch[0])
    assert torch.equal(features, expected)


@ALL
def test_every_parameter_that_is_missing_is_named(name):
    stored = golden(name)
    for key in stored.state:
        partial = {other: tensor for other, tensor in stored.state.items() if other != key}
        if any(not other.startswith("clip.") for other in partial) or name == "clip4clip_meanP":
            with pytest.raises(WrongWeights, match=rf"1 missing \({re.escape(key)}\)"):
                load_published(stored.method, partial, stored.config)


def test_wrong_weights_are_refused_by_name():
    stored = golden("clip4clip_meanP")
    state, config = stored.state, stored.config
    with pytest.raises(WrongWeights, match=r"1 unexpected \(extra\)"):
        load_published("clip4clip-meanP", {**state, "extra": torch.zeros(1)}, config)
    reshaped = {**state, "clip.text_projection": torch.zeros(64, 32)}
    with pytest.raises(WrongWeights, match=r"clip.text_projection \(64, 32\) instead of \(64, 64\)"):
        load_published("clip4clip-meanP", reshaped, config)
    with pytest.raises(WrongWeights, match="missing"):
        load_published("clip4clip-meanP", {}, config)
    other = golden("xclip_patch16")
    with pytest.raises(WrongWeights, match=r"8 unexpected \(frame_logit_weight"):
        load_published("clip4clip-seqTransf", other.state, {**other.config})
    with pytest.raises(WrongWeights, match=r"8 missing \(frame_logit_weight"):
        load_published("xclip", golden("clip4clip_seqTransf").state, golden("clip4clip_seqTransf").config)
    with pytest.raises(WrongWeights, match=r"word_logit_weight \(9, 9\) instead of \(12, 12\)"):
        load_published("xclip", other.state, other.config | {"max_words": 12})


def test_settings_that_contradict_the_method_are_refused():
    stored = golden("clip4clip_seqTransf")
    with pytest.raises(SvtaError, match=r"clip4clip-meanP, .*, xclip"):
        load_published("clip5clip", stored.state, stored.config)
    with pytest.raises(SvtaError, match="does not go with sim_header 'seqTransf'"):
        load_published("clip4clip-meanP", stored.state, stored.config)
    with pytest.raises(SvtaError, match="set loose_type to true"):
        load_published("clip4clip-seqTransf", stored.state, stored.config | {"loose_type": False})
    with pytest.raises(SvtaError, match="dropout 1"):
        load_published("clip4clip-seqTransf", stored.state, stored.config | {"dropout": 1.0})
    with pytest.raises(SvtaError, match="cross_heads 3 does not divide embed_dim 64"):
        load_published("clip4clip-seqTransf", stored.state, stored.config | {"cross_heads": 3})
    with pytest.raises(SvtaError, match="start at 1"):
        load_published("clip4clip-seqTransf", stored.state, stored.config | {"cross_layers": 0})
    with pytest.raises(SvtaError, match="text tower as wide as the embedding"):
        build_model("clip4clip-seqTransf", preset_values("tiny") | {"text_width": 64})
    with pytest.raises(SvtaError, match="lacks image"):
        build_model("xclip", {key: value for key, value in stored.config.items() if key != "image"})


class Archive(torch.nn.Module):
    """Holds given tensors under their dotted names, as OpenAI's TorchScript archives do."""

    def __init__(self, state):
        super().__init__()
        for name, tensor in state.items():
            *path, last = name.split(".")
            module = self
            for part in path:
                if part not in module._modules:
                    module.add_module(part, torch.nn.Module())
                module = module._modules[part]
            module.register_parameter(last, torch.nn.Parameter(tensor.clone(), requires_grad=False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def write_clip(path, form, state):
    half = {name: tensor.half() for name, tensor in state.items()}  # the stored goldens are exact in half precision
    constants = {
        "input_resolution": torch.tensor(48),
        "context_length": torch.tensor(77),
        "vocab_size": torch.tensor(96),
    }
    if form == "archive":
        torch.jit.save(torch.jit.script(Archive(half | constants_as_floats(constants))), path)
    elif form == "state dict":
        torch.save(half | constants, path)
    elif form == "open_clip training checkpoint":
        scale = half["logit_scale"].reshape(1)
        named = {f"module.{name}": tensor for name, tensor in (half | {"logit_scale": scale}).items()}
        torch.save({"epoch": 3, "name": "run", "state_dict": named}, path)
    else:
        from safetensors.torch import save_file

        save_file(half, path)


def constants_as_floats(constants):
    return {name: value.float() for name, value in constants.items()}


FORMS = {
    "archive": "ViT-B-32.pt",
    "state dict": "ViT-B-32.bin",
    "open_clip training checkpoint": "epoch_3.pt",
    "safetensors": "open_clip_model.safetensors",
}


@pytest.mark.parametrize(("form", "file_name"), FORMS.items())
@pytest.mark.filterwarnings("ignore:.*torch.jit.*")
@torch.no_grad()
def test_clip_loads_from_every_published_form_of_file(form, file_name, tmp_path):
    stored = golden("clip4clip_seqTransf")
    path = tmp_path / file_name
    write_clip(path, form, clip_of(stored.state, prefix=""))
    model = from_clip(stored.method, path, stored.config)
    expected = stored.model()
    assert torch.equal(model.encode_text(stored.batch[0]), expected.encode_text(stored.batch[0]))
    assert torch.equal(model.encode_frames(stored.batch[2]), expected.encode_frames(stored.batch[2]))
    assert clip_config_of(read_state(path)) == ClipConfig.from_mapping(stored.config)
    state = model.published_state()
    assert torch.equal(
        state["transformerClip.resblocks.1.mlp.c_fc.bias"], stored.state["clip.transformer.resblocks.1.mlp.c_fc.bias"]
    )


@ALL
@torch.no_grad()
def test_a_published_checkpoint_loads_from_its_file(name, tmp_path):
    stored = golden(name)
    path = tmp_path / "pytorch_model.bin.4"
    torch.save(stored.state, path)
    model = open_published(stored.method, path, stored.config)
    torch.testing.assert_close(model.similarity(*stored.batch), torch.from_numpy(stored.arrays["out/similarity"]))


def test_a_file_that_is_not_the_whole_model_is_refused(tmp_path):
    stored = golden("clip4clip_seqTransf")
    path = tmp_path / "pytorch_model.bin.0"
    torch.save(clip_of(stored.state), path)
    with pytest.raises(WrongWeights, match=r"pytorch_model.bin.0 does not fit .* missing \(frame_position_embeddings"):
        open_published(stored.method, path, stored.config)
    torch.save(stored.state, path)
    with pytest.raises(WrongWeights, match="not CLIP alone"):
        from_clip(stored.method, path, stored.config)
    short = clip_of(stored.state)
    del short["clip.ln_final.bias"]
    torch.save(short, path)
    with pytest.raises(WrongWeights, match=r"1 missing \(clip.ln_final.bias\)"):
        from_clip(stored.method, path, stored.config)
    with pytest.raises(WrongWeights, match=r"text_projection \(64, 64\) instead of \(512, 512\)") as refused:
        from_clip(stored.method, _saved(path, clip_of(stored.state)), preset_values("vit-b-32"))
    assert len(refused.value.missing) == 228 > str(refused.value).count("clip.")
    assert refused.value.unexpected == ()


def _saved(path, state):
    torch.save(state, path)
    return path


def test_a_file_that_holds_no_weights_is_named(tmp_path):
    with pytest.raises(WrongWeights, match="absent.bin is not a file"):
        read_state(tmp_path / "absent.bin")
    for name, content in {"page.bin": b"<html>not found</html>", "cut.safetensors": b"\x10", "empty.pt": b""}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(WrongWeights, match=rf"{name} is not a readable file of weights"):
            read_state(tmp_path / name)
    torch.save({"epoch": 3}, tmp_path / "none.bin")
    with pytest.raises(WrongWeights, match="none.bin holds no tensors"):
        read_state(tmp_path / "none.bin")
    torch.save([1, 2], tmp_path / "list.bin")
    with pytest.raises(WrongWeights, match="it holds a list"):
        read_state(tmp_path / "list.bin")
    with pytest.raises(WrongWeights, match=r"no clip.visual.conv1.weight"):
        clip_config_of({"layer.weight": torch.zeros(2, 2)})


def test_no_code_from_a_file_is_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    torch.save({"clip.logit_scale": Trap()}, tmp_path / "trap.bin")
    with pytest.raises(WrongWeights, match=r"trap.bin is not a readable file"):
        read_state(tmp_path / "trap.bin")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(("name", "millions"), [("tiny", 1.4), ("vit-b-32", 151.3), ("vit-b-16", 149.6)])
def test_presets_have_the_published_sizes(name, millions):
    with torch.device("meta"):
        clip = Clip(preset(name))
    assert sum(tensor.numel() for tensor in clip.parameters()) / 1e6 == pytest.approx(millions, abs=0.06)
    assert clip_config_of(clip.state_dict(), fit=preset(name).fit) == preset(name)


@pytest.mark.parametrize("method", METHODS)
@torch.no_grad()
def test_every_method_works_on_the_tiny_preset(method):
    torch.manual_seed(0)
    model = build_model(method, preset_values("tiny") | {"vocab": 50}).eval()
    ids = torch.randint(1, 49, (3, 32))
    frames, mask = torch.randn(3, 12, 3, 64, 64), torch.ones(3, 12, dtype=torch.long)
    assert model.similarity(ids, torch.ones_like(ids), frames, mask).isfinite().all()


def test_an_unknown_preset_lists_the_known_ones():
    with pytest.raises(SvtaError, match="tiny, tiny-32, vit-b-32, vit-b-16"):
        preset("vit-l-14")
