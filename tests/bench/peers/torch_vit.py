#!/usr/bin/python3
"""Images a second of a CLIP vision tower in PyTorch, float32, random weights: a peer to compare with.

    torch_vit.py [--threads 2] [--batch 32] [--seconds 10] [ViT-B/32 | ViT-B/16 | ViT-L/14]
"""
import argparse
import time
import torch
from torch import nn

SIZES = {"ViT-B/32": (224, 32, 768, 12), "ViT-B/16": (224, 16, 768, 12), "ViT-L/14": (224, 14, 1024, 24)}


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.heads = width // 64
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.c_fc, self.c_proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        n, t, w = x.shape
        q, k, v = self.qkv(self.ln_1(x)).view(n, t, 3, self.heads, 64).permute(2, 0, 3, 1, 4)
        x = x + self.out((torch.softmax(q @ k.transpose(-1, -2) * 0.125, -1) @ v).transpose(1, 2).reshape(n, t, w))
        h = self.c_fc(self.ln_2(x))
        return x + self.c_proj(h * torch.sigmoid(1.702 * h))


class Tower(nn.Module):
    def __init__(self, size, patch, width, layers):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, patch, patch, bias=False)
        self.cls = nn.Parameter(torch.randn(1, 1, width))
        self.pos = nn.Parameter(torch.randn((size // patch) ** 2 + 1, width))
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        self.blocks = nn.Sequential(*[Block(width) for _ in range(layers)])

    def forward(self, x):
        x = self.conv1(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], 1) + self.pos
        return self.ln_post(self.blocks(self.ln_pre(x))[:, 0])


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("model", nargs="?", default="ViT-B/32", choices=SIZES)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--seconds", type=float, default=10)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    size, patch, width, layers = SIZES[a.model]
    tower = Tower(size, patch, width, layers).eval()
    images = torch.randn(a.batch, 3, size, size)
    with torch.no_grad():
        tower(images)
        done, start = 0, time.monotonic()
        while time.monotonic() - start < a.seconds:
            tower(images)
            done += a.batch
    print(f"{done / (time.monotonic() - start):.1f}")


if __name__ == "__main__":
    main()
