"""Public architectures, small and with random weights, for benchmarks/modules.py.

timm's import wants torchvision, which has no CPU build for this torch: a stub stands in for it.
"""

from __future__ import annotations

import importlib.machinery
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

Made = tuple[nn.Module, Any]
"""A model and its arguments."""

TIMM = {
    "resnet18": 64, "seresnet18": 64, "skresnet18": 64, "resnext26ts": 64, "densenet121": 64, "mobilenetv2_050": 64,
    "mobilenetv3_small_050": 64, "efficientnet_lite0": 64, "regnetx_002": 64, "convnext_atto": 64, "ghostnet_050": 64,
    "lcnet_035": 64, "mobileone_s0": 64, "nf_regnet_b0": 64, "resnetv2_18": 64, "vit_tiny_patch16_224": 224,
    "xcit_nano_12_p16_224": 224, "pit_ti_224": 224, "mixer_s32_224": 224, "resmlp_12_224": 224, "mobilevit_xxs": 64,
    "edgenext_xx_small": 64, "levit_128s": 224, "poolformer_s12": 64,
}  # fmt: skip
"""Name → image size."""


def zoo(only: str = "") -> Iterator[tuple[str, Callable[[], Made]]]:
    """Name and maker of each architecture whose library is installed."""
    makers: dict[str, Callable[[], Made]] = {**_torch()}
    try:
        makers |= _timm()
    except ImportError:
        print("timm is not installed: its networks are left out", file=sys.stderr)
    try:
        makers |= _transformers()
    except ImportError:
        print("transformers is not installed: its networks are left out", file=sys.stderr)
    for name, make in makers.items():
        if only in name:
            yield name, make


def _torch() -> dict[str, Callable[[], Made]]:
    class Tagger(nn.Module):
        """An embedding, an LSTM and a head."""

        def __init__(self) -> None:
            super().__init__()
            self.table, self.lstm, self.head = nn.Embedding(50, 32), nn.LSTM(32, 48, batch_first=True), nn.Linear(48, 9)

        def forward(self, tokens: Tensor) -> Tensor:
            return self.head(self.lstm(self.table(tokens))[0].mean(1))

    def encoder() -> Made:
        layer = nn.TransformerEncoderLayer(64, 4, 128, dropout=0.0, batch_first=True)
        return nn.TransformerEncoder(layer, 2), torch.randn(4, 12, 64)

    def tagger() -> Made:
        return Tagger(), torch.randint(0, 50, (4, 12))

    return {"torch/transformer_encoder": encoder, "torch/lstm_tagger": tagger}


def _timm() -> dict[str, Callable[[], Made]]:
    _stub_torchvision()
    import timm

    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        if isinstance(sys.modules[name], _Stub):
            del sys.modules[name]  # transformers looks for it too, and goes without

    def make(name: str, size: int) -> Made:
        return timm.create_model(name, pretrained=False, num_classes=10), torch.randn(4, 3, size, size)

    return {f"timm/{name}": lambda name=name, size=size: make(name, size) for name, size in TIMM.items()}  # type: ignore[misc]


def _transformers() -> dict[str, Callable[[], Made]]:
    import transformers as hf

    tokens = torch.randint(3, 90, (4, 12), generator=torch.Generator().manual_seed(0))
    small = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128,
             "vocab_size": 100}  # fmt: skip
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}

    def text(model: str, config: str, **options: Any) -> Callable[[], Made]:
        return lambda: (getattr(hf, model)(getattr(hf, config)(**options)), {"input_ids": tokens})

    def t5() -> Made:
        config = hf.T5Config(d_model=64, d_kv=16, d_ff=128, num_layers=2, num_heads=4, vocab_size=100, dropout_rate=0.0)
        return hf.T5ForConditionalGeneration(config), {"input_ids": tokens, "decoder_input_ids": tokens[:, :6]}

    def images(model: str, config: str, **options: Any) -> Callable[[], Made]:
        pixels = {"pixel_values": torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))}
        return lambda: (getattr(hf, model)(getattr(hf, config)(**options)), pixels)

    gpt2 = {"n_embd": 64, "n_layer": 2, "n_head": 4, "vocab_size": 100, "resid_pdrop": 0.0, "embd_pdrop": 0.0,
            "attn_pdrop": 0.0, "bos_token_id": 0, "eos_token_id": 1}  # fmt: skip
    llama = {**small, "num_key_value_heads": 2}
    vit = {k: v for k, v in small.items() if k != "vocab_size"} | still
    segformer = {"hidden_sizes": [16, 32, 48, 64], "depths": [1, 1, 1, 1], "decoder_hidden_size": 64,
                 "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "classifier_dropout_prob": 0.0,
                 "drop_path_rate": 0.0}  # fmt: skip
    return {
        "transformers/bert": text("BertForSequenceClassification", "BertConfig", **small, **still),
        "transformers/gpt2": text("GPT2LMHeadModel", "GPT2Config", **gpt2),
        "transformers/llama": text("LlamaForCausalLM", "LlamaConfig", **llama),
        "transformers/mixtral": text("MixtralForCausalLM", "MixtralConfig", **llama, num_local_experts=4),
        "transformers/t5": t5,
        "transformers/vit": images("ViTForImageClassification", "ViTConfig", **vit, image_size=64, patch_size=16),
        "transformers/segformer": images("SegformerForImageClassification", "SegformerConfig", **segformer),
    }


def _stub_torchvision() -> None:
    """Modules of the names that timm imports; whatever is asked of them is an empty class."""
    try:
        import torchvision  # noqa: F401
    except ImportError:
        names = ("ops", "ops.misc", "transforms", "transforms.functional", "datasets", "io", "models",
                 "models.feature_extraction")  # fmt: skip
        for name in ("torchvision", *(f"torchvision.{n}" for n in names)):
            module = _Stub(name)
            module.__path__ = []  # type: ignore[attr-defined]
            module.__spec__ = importlib.machinery.ModuleSpec(name, None)
            sys.modules[name] = module
            parent, _, leaf = name.rpartition(".")
            if parent:
                setattr(sys.modules[parent], leaf, module)


class _Names(type):
    """A class any attribute of which is its own name, as an enumeration's members."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return name


class _Stub(types.ModuleType):
    __version__ = "0.0"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Names(name, (), {})
