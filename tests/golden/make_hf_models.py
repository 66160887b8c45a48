#!/usr/bin/env python3
"""Makes models/hf-*: small Hugging Face CLIP models of odd shapes and what they answer.

The networks are transformers' CLIPModel (modeling_clip.py) written out in torch: no transformers is
needed.  Weights are random and mean nothing.

    python3 tests/golden/make_hf_models.py [FOLDER]    (default: models/ beside this file)
"""
import json
import math
import pathlib
import struct
import sys

import numpy
import torch
from torch.nn.functional import conv2d, gelu, layer_norm, linear, normalize

# Each model is about what no golden of OpenAI's shape covers.
MODELS = {
    # Exact GELU, another epsilon, heads of 18 and 12, a feed-forward of 5/3 and 3/2 widths, an odd
    # context length, and an end token that is not the highest id and may come twice.
    "hf-gelu": {
        "seed": 41,
        "config": {
            "architectures": ["CLIPModel"],
            "model_type": "clip",
            "projection_dim": 40,
            "torch_dtype": "float16",
            "text_config": {
                "bos_token_id": 178, "eos_token_id": 179, "hidden_act": "gelu", "hidden_size": 48,
                "intermediate_size": 72, "layer_norm_eps": 1e-3, "max_position_embeddings": 19,
                "model_type": "clip_text_model", "num_attention_heads": 4, "num_hidden_layers": 2,
                "projection_dim": 40, "vocab_size": 190,
            },
            "vision_config": {
                "hidden_act": "gelu", "hidden_size": 36, "image_size": 24, "intermediate_size": 60,
                "layer_norm_eps": 1e-3, "model_type": "clip_vision_model",
                "num_attention_heads": 2, "num_hidden_layers": 2, "patch_size": 8,
                "projection_dim": 40,
            },
        },
    },
    # As transformers saved before 4.31, and only what differs from its defaults: 12 and 8 heads and
    # QuickGELU are unsaid, the end token 2 means the highest id, and what vision_config says does
    # not count beside a vision_config_dict.
    "hf-defaults": {
        "seed": 42,
        "config": {
            "architectures": ["CLIPModel"],
            "model_type": "clip",
            "projection_dim": 20,
            "text_config": {
                "bos_token_id": 0, "eos_token_id": 2, "hidden_size": 32, "intermediate_size": 72,
                "max_position_embeddings": 32, "num_hidden_layers": 1, "vocab_size": 150,
            },
            "text_config_dict": None,
            "vision_config": {"hidden_act": "gelu", "num_attention_heads": 6},
            "vision_config_dict": {
                "hidden_size": 36, "image_size": 20, "intermediate_size": 40,
                "num_hidden_layers": 2, "patch_size": 5,
            },
        },
    },
}

DEFAULTS = {
    "text": {
        "vocab_size": 49408, "hidden_size": 512, "intermediate_size": 2048,
        "num_hidden_layers": 12, "num_attention_heads": 8, "max_position_embeddings": 77,
        "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5, "eos_token_id": 49407,
    },
    "vision": {
        "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
        "num_attention_heads": 12, "image_size": 224, "patch_size": 32,
        "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5,
    },
}


def tower_config(config, tower):
    """A "_dict", where there is one, is the whole truth (CLIPConfig.__init__)."""
    override = config.get(f"{tower}_config_dict")
    chosen = config.get(f"{tower}_config") if override is None else override
    return {**DEFAULTS[tower], **(chosen or {})}


def make_weights(config, seed):
    """The state dict, each value as float16 holds it; spread so that no layer can be left out."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}

    def add(name, *shape, scale, around=0.0):
        values = around + scale * torch.randn(shape, generator=generator)
        weights[name] = values.to(torch.float16)

    def add_norm(name, width):
        add(f"{name}.weight", width, scale=0.2, around=1.0)
        add(f"{name}.bias", width, scale=0.2)

    def add_linear(name, out, width):
        add(f"{name}.weight", out, width, scale=1.2 / math.sqrt(width))
        add(f"{name}.bias", out, scale=0.2)

    for tower in ("text", "vision"):
        c = tower_config(config, tower)
        width, at = c["hidden_size"], f"{tower}_model"
        positions = c.get("max_position_embeddings", 0)
        if tower == "text":
            add(f"{at}.embeddings.token_embedding.weight", c["vocab_size"], width, scale=0.6)
            add_norm(f"{at}.final_layer_norm", width)
        else:
            patch = c["patch_size"]
            positions = (c["image_size"] // patch) ** 2 + 1
            add(f"{at}.embeddings.class_embedding", width, scale=0.6)
            add(f"{at}.embeddings.patch_embedding.weight", width, 3, patch, patch,
                scale=1 / math.sqrt(3 * patch * patch))
            add_norm(f"{at}.pre_layrnorm", width)
            add_norm(f"{at}.post_layernorm", width)
        add(f"{at}.embeddings.position_embedding.weight", positions, width, scale=0.4)
        for layer in range(c["num_hidden_layers"]):
            block = f"{at}.encoder.layers.{layer}"
            for part in "qkv":
                add_linear(f"{block}.self_attn.{part}_proj", width, width)
            add_linear(f"{block}.self_attn.out_proj", width, width)
            add_norm(f"{block}.layer_norm1", width)
            add_norm(f"{block}.layer_norm2", width)
            add_linear(f"{block}.mlp.fc1", c["intermediate_size"], width)
            add_linear(f"{block}.mlp.fc2", width, c["intermediate_size"])
        name = "visual" if tower == "vision" else tower
        add(f"{name}_projection.weight", config["projection_dim"], width,
            scale=1 / math.sqrt(width))
    weights["logit_scale"] = torch.tensor(2.5, dtype=torch.float16)
    return weights


class Model:
    """CLIPModel; `record` is called with the first input's activations."""

    def __init__(self, config, weights, dtype, record=lambda name, values: None):
        self.config, self.record = config, record
        self.w = {name: values.to(dtype) for name, values in weights.items()}

    def norm(self, x, name, c):
        return layer_norm(x, x.shape[-1:], self.w[f"{name}.weight"], self.w[f"{name}.bias"],
                          c["layer_norm_eps"])

    def linear(self, x, name):
        return linear(x, self.w[f"{name}.weight"], self.w[f"{name}.bias"])

    def attention(self, x, name, c, mask):
        count, tokens, width = x.shape
        heads = c["num_attention_heads"]
        q, k, v = (self.linear(x, f"{name}.{part}_proj")
                   .view(count, tokens, heads, width // heads).transpose(1, 2) for part in "qkv")
        scores = q @ k.transpose(2, 3) * (width // heads) ** -0.5 + mask
        mixed = (scores.softmax(dim=-1) @ v).transpose(1, 2).reshape(count, tokens, width)
        return self.linear(mixed, f"{name}.out_proj")

    def encoder(self, x, tower, what, c, mask):
        activate = {"gelu": gelu, "quick_gelu": lambda y: y * torch.sigmoid(1.702 * y)}
        for layer in range(c["num_hidden_layers"]):
            block = f"{tower}.encoder.layers.{layer}"
            normal = self.norm(x, f"{block}.layer_norm1", c)
            attended = self.attention(normal, f"{block}.self_attn", c, mask)
            x = x + attended
            hidden = self.linear(self.norm(x, f"{block}.layer_norm2", c), f"{block}.mlp.fc1")
            fed = self.linear(activate[c["hidden_act"]](hidden), f"{block}.mlp.fc2")
            x = x + fed
            if layer == 0 and what == "image":
                self.record("act_image0_block0_ln1", normal)
                self.record("act_image0_block0_attn", attended)
                self.record("act_image0_block0_mlp", fed)
            self.record(f"act_{what}0_block{layer}", x)
        return x

    def image_features(self, pixels):
        c, at = tower_config(self.config, "vision"), "vision_model"
        patches = conv2d(pixels, self.w[f"{at}.embeddings.patch_embedding.weight"],
                         stride=c["patch_size"])
        self.record("act_image0_conv1", patches)
        first = self.w[f"{at}.embeddings.class_embedding"].expand(len(pixels), 1, -1)
        x = torch.cat([first, patches.flatten(2).transpose(1, 2)], dim=1)
        x = self.norm(x + self.w[f"{at}.embeddings.position_embedding.weight"],
                      f"{at}.pre_layrnorm", c)
        self.record("act_image0_ln_pre", x)
        x = self.encoder(x, at, "image", c, 0)
        x = self.norm(x[:, 0], f"{at}.post_layernorm", c)
        self.record("act_image0_ln_post", x)
        return linear(x, self.w["visual_projection.weight"])

    def text_features(self, tokens):
        c, at = tower_config(self.config, "text"), "text_model"
        x = self.w[f"{at}.embeddings.token_embedding.weight"][tokens]
        self.record("act_text0_token_embedding", x)
        count = tokens.shape[1]
        x = x + self.w[f"{at}.embeddings.position_embedding.weight"][:count]
        mask = torch.full((count, count), -math.inf, dtype=x.dtype).triu(1)
        x = self.norm(self.encoder(x, at, "text", c, mask), f"{at}.final_layer_norm", c)
        self.record("act_text0_ln_final", x)
        if c["eos_token_id"] == 2:
            ends = tokens.argmax(dim=1)
        else:
            ends = (tokens == c["eos_token_id"]).int().argmax(dim=1)
        return linear(x[torch.arange(len(x)), ends], self.w["text_projection.weight"])

    def run(self, pixels, tokens):
        images, texts = self.image_features(pixels), self.text_features(tokens)
        unit_images, unit_texts = normalize(images), normalize(texts)
        logits = self.w["logit_scale"].exp() * unit_images @ unit_texts.T
        return {
            "image_features": images, "image_features_norm": unit_images,
            "text_features": texts, "text_features_norm": unit_texts,
            "logits_per_image": logits, "logits_per_text": logits.T,
            "probs_per_image": logits.softmax(dim=1), "probs_per_text": logits.T.softmax(dim=1),
        }


def make_pixels(size, seed):
    """Noise, zeros, a ramp, checks, as in the other models' goldens."""
    generator = torch.Generator().manual_seed(seed)
    line = torch.linspace(-2, 2, size)
    ramp = torch.stack([line.expand(size, size), line[:, None].expand(size, size),
                        (line + line[:, None]) / 2])
    cells = torch.arange(size)
    checks = ((cells[:, None] // 3 + cells // 3) % 2 * 3.0 - 1.5).expand(3, size, size)
    noise = torch.randn(3, size, size, generator=generator)
    return torch.stack([noise, torch.zeros_like(noise), ramp, checks])


def make_tokens(c, seed):
    """Eight texts of different lengths.  What decides the end is there to be got wrong: with an end
    token of its own, higher ids before it and another end behind; else the ids 2 and, behind the
    end, the highest id once more."""
    generator = torch.Generator().manual_seed(seed)
    context, highest = c["max_position_embeddings"], c["vocab_size"] - 1
    old = c["eos_token_id"] == 2
    end = highest if old else c["eos_token_id"]
    tokens = torch.zeros(8, context, dtype=torch.int64)
    for i, row in enumerate(tokens):
        length = 3 + i * (context - 3) // 7
        row[:length] = torch.randint(3, end - 1, (length,), generator=generator)
        row[0], row[length - 1] = end - 1, end
        if i % 2 and length + 1 < context:
            row[length + 1] = end
        if i > 1:
            row[1] = 2 if old else highest
    return tokens


def write_safetensors(path, weights):
    header, data = {}, b""
    for name, values in sorted(weights.items()):
        raw = values.numpy().tobytes()
        header[name] = {"dtype": "F16", "shape": list(values.shape),
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def make(name, spec, folder):
    config, weights = spec["config"], make_weights(spec["config"], spec["seed"])
    pixels = make_pixels(tower_config(config, "vision")["image_size"], spec["seed"])
    tokens = make_tokens(tower_config(config, "text"), spec["seed"])

    def run(dtype):
        activations = {}
        model = Model(config, weights, dtype,
                      lambda name, values: activations.setdefault(name, values[0]))
        return {**model.run(pixels.to(dtype), tokens), **activations}

    arrays = {"pixels": pixels, "tokens": tokens.int(), **run(torch.float32)}
    exact = run(torch.float64)
    model, golden = folder / name / "hf-f16", folder / name / "golden"
    model.mkdir(parents=True, exist_ok=True)
    golden.mkdir(exist_ok=True)
    write_safetensors(model / "model.safetensors", weights)
    (model / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    index = []
    for array, values in arrays.items():
        numpy.save(golden / f"{array}.npy", numpy.ascontiguousarray(values.numpy()))
        entry = {"name": array, "file": f"{array}.npy", "dtype": str(values.numpy().dtype),
                 "shape": list(values.shape)}
        if array in exact:
            entry["max_abs_f32_vs_f64"] = (values - exact[array]).abs().max().item()
            entry["max_abs"] = values.abs().max().item()
        index.append(entry)
    (golden / "index.json").write_text(json.dumps({
        "checkpoint": name, "seed": spec["seed"],
        "images": ["normal noise", "zeros", "ramp", "checks"], "texts": None, "arrays": index,
    }, indent=1) + "\n")


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1
                          else pathlib.Path(__file__).parent / "models")
    with torch.no_grad():
        for name, spec in MODELS.items():
            make(name, spec, folder)


if __name__ == "__main__":
    main()
