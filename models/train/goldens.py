#!/usr/bin/env python3
"""What PyTorch makes of a few pictures and texts with a trained model: goldens.py TINY.pt VOCABULARY PICTURES_FOLDER OUT

Writes OUT/texts.txt, crops.npy [n, size, size, 3] bytes (Pillow's bicubic, as OpenAI's preprocessing), tokens.npy and
the unit features image_features.npy, text_features.npy, all computed in float32.
"""
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from model import CLIP
from train import MEAN, SHAPE, STD, pad
from words import Tokenizer

PICTURES = ["off-224x229.png", "checker-300.png", "interlaced.png", "wide-1000x40.png", "tiny-7x5.png"]
TEXTS = ["a red bird", "cat", "Something to eat", "the 3 musicians' violins, on a green hill", "christmas tree", "zebra",
         "a very small drawing of an old steam train that goes over a bridge"]


def crop(path, size):
    image = Image.open(path).convert("RGB")
    width, height = image.size
    short = min(width, height)
    image = image.resize((int(size * width / short), int(size * height / short)), Image.BICUBIC)
    left, top = round((image.width - size) / 2), round((image.height - size) / 2)
    return np.asarray(image.crop((left, top, left + size, top + size)))


def main():
    weights, vocabulary, pictures, out = map(Path, sys.argv[1:])
    state = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in torch.load(weights).items()}
    tokenizer = Tokenizer(vocabulary)
    cells = round((len(state["visual.attnpool.positional_embedding"]) - 1) ** 0.5)
    model = CLIP(image_resolution=32 * cells, vocab_size=tokenizer.size, **SHAPE)
    model.load_state_dict(state)
    model.eval()
    crops = np.stack([crop(pictures / name, 32 * cells) for name in PICTURES])
    tokens = pad([tokenizer(text) for text in TEXTS])
    with torch.no_grad():
        pixels = (torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255 - MEAN) / STD
        images, texts = F.normalize(model.encode_image(pixels), dim=-1), F.normalize(model.encode_text(tokens), dim=-1)
    out.mkdir(parents=True, exist_ok=True)
    (out / "texts.txt").write_text("\n".join(TEXTS) + "\n")
    for name, array in (("crops", crops), ("tokens", tokens.int().numpy()), ("image_features", images.numpy()), ("text_features", texts.numpy())):
        np.save(out / f"{name}.npy", array)


if __name__ == "__main__":
    main()
