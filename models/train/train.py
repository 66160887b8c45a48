#!/usr/bin/env python3
"""Trains CLIP `tiny` on what data.py made.

    train.py DATA RUN [--steps N] [--resolution R] [--cooldown N] [--from CHECKPOINT] ...

Writes RUN/log.csv, RUN/last.pt (to go on from: run the same command again) and RUN/tiny.pt (the averaged
weights in float16, named as OpenAI's). The learning rate rises, stays, and falls to zero over the last
`--cooldown` steps, so that a run can be prolonged from its checkpoint before the fall.
"""
import argparse
import copy
import math
import os
import random
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from captions import Captions, Dictionary, frequencies
from data import load
from model import CLIP
from words import Tokenizer, learn_merges, write_vocabulary

MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(1, 3, 1, 1)
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(1, 3, 1, 1)
SHAPE = dict(embed_dim=192, vision_layers=(2, 2, 2, 2), vision_width=24, context_length=32, text_width=192, text_layers=3)
MERGES = 2786
ONE_WAY = set("left right flag arrow letter number digit symbol clock text word sign button alphabet".split())


class Pictures:
    """Batches of pictures as the model sees them: thrown on a background, turned, moved, tinted."""

    def __init__(self, items, pictures, backgrounds):
        self.pictures = torch.from_numpy(pictures)
        self.backgrounds = torch.from_numpy(backgrounds)
        self.ratio = torch.tensor([min(i["ratio"], 2.0) for i in items])
        words = [set(" ".join(i["names"] + i["tags"]).split()) for i in items]
        self.flips = torch.tensor([not w & ONE_WAY for w in words])

    def premultiplied(self, numbers, resolution):
        """[batch, 4, side, side] in 0..1, reduced beforehand so that sampling it at the resolution does not alias."""
        x = self.pictures[numbers].permute(0, 3, 1, 2).float().div_(255)
        return F.avg_pool2d(x, 2) if resolution <= 64 else x

    def plain(self, numbers, resolution):
        """On white, the shorter side filling the frame: as pixgrep shows them to the model."""
        x = self.premultiplied(numbers, resolution)
        frame = torch.eye(2, 3).repeat(len(x), 1, 1) / self.ratio[numbers].view(-1, 1, 1)
        x = F.grid_sample(x, F.affine_grid(frame, (len(x), 4, resolution, resolution), align_corners=False), align_corners=False)
        return (x[:, :3] + 1 - x[:, 3:] - MEAN) / STD

    def patch(self, side, generator):
        """A piece of a photograph, [3, side, side]."""
        photo = self.backgrounds[torch.randint(len(self.backgrounds), (1,), generator=generator).item()]
        top, left = torch.randint(photo.shape[0] - side, (2,), generator=generator).tolist()
        return photo[top:top + side, left:left + side].permute(2, 0, 1).float() / 255

    def background(self, count, resolution, generator):
        kind = torch.rand(count, generator=generator)
        colour = torch.rand(count, 3, 1, 1, generator=generator)
        back = torch.ones(count, 3, resolution, resolution)
        back[kind < 0.55] = 0
        back = torch.where((kind < 0.50).view(-1, 1, 1, 1), colour, back)
        other = torch.rand(count, 3, 1, 1, generator=generator)
        ramp = torch.linspace(0, 1, resolution).view(1, 1, -1, 1)
        gradient = colour + (other - colour) * ramp
        gradient = torch.where((kind < 0.28).view(-1, 1, 1, 1), gradient, gradient.transpose(2, 3))
        back = torch.where((kind < 0.35).view(-1, 1, 1, 1), gradient, back)
        for n in torch.nonzero(kind < 0.20).flatten().tolist():
            back[n] = self.patch(resolution, generator)
        return back

    def varied(self, numbers, resolution, generator):
        count = len(numbers)
        uniform = lambda low, high: torch.rand(count, generator=generator) * (high - low) + low
        some = lambda share: torch.rand(count, generator=generator) < share
        x = self.premultiplied(numbers, resolution)
        scale = torch.exp(uniform(math.log(0.65), math.log(1.25)))
        scale = torch.where(some(0.35), self.ratio[numbers] * uniform(0.95, 1.05), scale)
        stretch = torch.exp(uniform(-0.12, 0.12))
        angle = torch.where(some(0.6), uniform(-0.3, 0.3), torch.zeros(count))
        flip = torch.where(self.flips[numbers] & some(0.5), -1.0, 1.0)
        wide, high = scale * stretch, scale / stretch
        room = (1 - scale).abs() * 0.6 + 0.06
        frame = torch.stack([torch.stack([flip * angle.cos() / wide, -angle.sin() / wide, uniform(-1, 1) * room / scale], 1),
                             torch.stack([flip * angle.sin() / high, angle.cos() / high, uniform(-1, 1) * room / scale], 1)], 1)
        x = F.grid_sample(x, F.affine_grid(frame, (count, 4, resolution, resolution), align_corners=False), align_corners=False)
        for n in torch.nonzero(some(0.2)).flatten().tolist():  # a photograph's light and grain on flat colours
            light = self.patch(resolution, generator).mean(0)
            x[n, :3] *= (1 + 0.25 * (light - light.mean()) / (light.std() + 0.02)).clamp_(0.3, 1.6)
        x = x[:, :3] + (1 - x[:, 3:]) * self.background(count, resolution, generator)
        column = lambda values: values.view(-1, 1, 1, 1)
        x = x * column(uniform(0.75, 1.2))
        grey = x.mean(1, keepdim=True)
        x = grey + (x - grey) * column(uniform(0.6, 1.35))
        middle = x.mean((1, 2, 3), keepdim=True)
        x = middle + (x - middle) * column(uniform(0.7, 1.25))
        x = x + (x - F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)) * column(uniform(-0.7, 1.0))  # softer to sharper
        return (x.clamp_(0, 1) - MEAN) / STD


def pad(token_lists):
    tokens = torch.zeros(len(token_lists), max(map(len, token_lists)), dtype=torch.long)
    for row, ids in zip(tokens, token_lists):
        row[:len(ids)] = torch.tensor(ids)
    return tokens


def contrastive(images, texts, scale, truth):
    """Both cross-entropies of CLIP, where a picture may have several true captions and a caption several pictures."""
    logits = scale * F.normalize(images.float(), dim=-1) @ F.normalize(texts.float(), dim=-1).t()
    loss = 0
    for scores, target in ((logits, truth), (logits.t(), truth.t())):
        loss = loss - (scores.log_softmax(-1) * target).sum(-1).div(target.sum(-1)).mean() / 2
    return loss


@torch.no_grad()
def recalls(model, pictures, items, split, tokenizer, resolution):
    """Share of the names whose own picture is among the first 1, 5 and 10 of the split."""
    numbers = [n for n, i in enumerate(items) if i["split"] == split]
    model.eval()
    images = F.normalize(model.encode_image(pictures.plain(torch.tensor(numbers), resolution)), dim=-1)
    texts = F.normalize(model.encode_text(pad([tokenizer(items[n]["names"][0])[:32] for n in numbers])), dim=-1)
    scores = texts @ images.t()
    rank = (scores > scores.diag().view(-1, 1)).sum(1)
    return [100 * (rank < k).float().mean().item() for k in (1, 5, 10)]


def resize_grid(state, cells):
    """Attention pooling's positions, stretched from one grid to another."""
    name = "visual.attnpool.positional_embedding"
    old = state[name]
    side = round((len(old) - 1) ** 0.5)
    if side != cells:
        grid = old[1:].t().view(1, -1, side, side)
        grid = F.interpolate(grid, size=(cells, cells), mode="bilinear", align_corners=True)
        state[name] = torch.cat([old[:1], grid.flatten(2)[0].t()])
    return state


def rate(step, options):
    left = options.steps - step
    return options.rate * min(1, (step + 1) / 300, left / options.cooldown if options.cooldown else 1)


class Batches:
    """What each step learns from. It follows from the step's number alone: a run that is resumed sees what it would have seen."""

    def __init__(self, options):
        self.options = options
        self.items, pixels, backgrounds, nouns = load(options.data)
        self.training = np.array([n for n, i in enumerate(self.items) if i["split"] == "train"])
        weights = np.array([self.items[n]["weight"] for n in self.training])
        self.shares = weights / weights.sum()
        self.captions = Captions([self.items[n] for n in self.training])
        self.dictionary = Dictionary(nouns)
        vocabulary = options.data / "vocabulary.txt.gz"
        if not vocabulary.exists():
            write_vocabulary(vocabulary, learn_merges(frequencies(self.captions), MERGES))
        self.tokenizer = Tokenizer(vocabulary)
        self.pictures = Pictures(self.items, pixels, backgrounds)

    def draw(self, step):
        """(images, tokens, how many of these are captions, names and descriptions, which caption is true of which picture,
        which description of which name)"""
        options, seed = self.options, self.options.seed * 1_000_003 + step
        chance, generator = random.Random(seed), torch.Generator().manual_seed(seed)
        numbers = np.random.default_rng((options.seed, step)).choice(len(self.training), options.batch, replace=False, p=self.shares)
        texts, truth = self.captions.batch(numbers, chance)
        names, descriptions, described = self.dictionary.batch(options.batch // 2, chance)
        tokens = pad([[*self.tokenizer(t)[:-1][:19], self.tokenizer.end] for t in texts + names + descriptions])
        images = self.pictures.varied(torch.from_numpy(self.training[numbers]), options.resolution, generator)
        return (images.to(memory_format=torch.channels_last), tokens, [len(texts), len(names), len(descriptions)],
                torch.from_numpy(truth).float(), torch.from_numpy(described).float())


class Training:
    """The model, the running average of its weights, and the optimiser."""

    def __init__(self, options, vocab_size):
        self.step, self.seconds = 0, 0.0
        self.model = CLIP(image_resolution=options.resolution, vocab_size=vocab_size, **SHAPE)
        self.average = copy.deepcopy(self.model)
        grown = [p for p in self.model.parameters() if p.ndim > 1]
        others = [p for p in self.model.parameters() if p.ndim <= 1]
        self.parameters = grown + others  # as the optimiser numbers them
        self.optimiser = torch.optim.AdamW([{"params": grown, "weight_decay": options.decay}, {"params": others, "weight_decay": 0}],
                                           lr=options.rate, betas=(0.9, 0.98), eps=1e-6)
        last = options.run / "last.pt"
        begin = last if last.exists() else options.start
        if begin:
            self.resume(torch.load(begin), options.resolution // 32)
        self.model = self.model.to(memory_format=torch.channels_last)
        self.average = self.average.to(memory_format=torch.channels_last)

    def resume(self, saved, cells):
        self.model.load_state_dict(resize_grid(saved["model"], cells))
        self.average.load_state_dict(resize_grid(saved["average"], cells))
        moments = saved["optimiser"]["state"]
        for number, parameter in enumerate(self.parameters):
            for name in ("exp_avg", "exp_avg_sq"):  # of positions that were stretched: begins anew
                if moments[number][name].shape != parameter.shape:
                    moments[number][name] = torch.zeros_like(parameter)
        self.optimiser.load_state_dict(saved["optimiser"])
        self.step, self.seconds = saved["step"], saved["seconds"]

    def save(self, path):
        new = path.with_suffix(".new")
        torch.save({"model": self.model.state_dict(), "average": self.average.state_dict(), "optimiser": self.optimiser.state_dict(),
                    "step": self.step, "seconds": self.seconds}, new)
        new.rename(path)

    def learn(self, batch, options):
        """One step; returns the pictures' loss."""
        images, tokens, counts, truth, described = batch
        for group in self.optimiser.param_groups:
            group["lr"] = rate(self.step, options)
        self.model.train()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            image_features, text_features = self.model.encode_image(images), self.model.encode_text(tokens)
        text_features, name_features, description_features = text_features.split(counts)
        scale = self.model.logit_scale.exp()
        loss = contrastive(image_features, text_features, scale, truth)
        words = contrastive(name_features, description_features, scale.detach().clamp(max=20), described)
        self.optimiser.zero_grad(set_to_none=True)
        (loss + options.words * words).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.follow()
        self.step += 1
        return loss.item()

    @torch.no_grad()
    def follow(self):
        """Bounds the scale and moves the average towards the weights."""
        self.model.logit_scale.clamp_(max=math.log(100))
        keep = min(0.999, (self.step + 1) / (self.step + 10))
        for mean, value in zip(self.average.state_dict().values(), self.model.state_dict().values()):
            mean.lerp_(value, 1 - keep) if mean.is_floating_point() else mean.copy_(value)


def open_log(path):
    log = open(path, "a", encoding="utf-8")
    if log.tell() == 0:
        print("step,seconds,resolution,rate,loss,drawings@1,drawings@5,drawings@10,stamps@1,stamps@5,stamps@10", file=log, flush=True)
    return log


def evaluate(training, batches, losses, options):
    """A line of the log."""
    found = [r for split in ("test drawings", "test stamps")
             for r in recalls(training.average, batches.pictures, batches.items, split, batches.tokenizer, options.resolution)]
    return (f"{training.step},{training.seconds:.0f},{options.resolution},{rate(training.step - 1, options):.6f},{np.mean(losses):.4f}," +
            ",".join(f"{r:.1f}" for r in found))


def train(options):
    batches = Batches(options)
    training = Training(options, batches.tokenizer.size)
    log = open_log(options.run / "log.csv")
    began, losses = time.time() - training.seconds, []
    while training.step < options.steps:
        losses.append(training.learn(batches.draw(training.step), options))
        if training.step % options.every == 0 or training.step == options.steps:
            training.seconds = time.time() - began
            print(evaluate(training, batches, losses, options), file=log, flush=True)
            losses = []
            training.save(options.run / "last.pt")
    torch.save({name: tensor.half() if tensor.is_floating_point() else tensor
                for name, tensor in training.average.state_dict().items()}, options.run / "tiny.pt")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--steps", type=int, required=True, help="counted from the very first, over all runs")
    parser.add_argument("--cooldown", type=int, default=0, help="steps at the end over which the rate falls to zero")
    parser.add_argument("--start", type=Path, help="a last.pt to begin from when RUN has none")
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--decay", type=float, default=0.1)
    parser.add_argument("--words", type=float, default=0.3, help="weight of the dictionary's loss beside the pictures'")
    parser.add_argument("--every", type=int, default=250, help="steps between evaluations and checkpoints")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.run.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(os.cpu_count())
    torch.manual_seed(options.seed)
    train(options)


if __name__ == "__main__":
    main()
