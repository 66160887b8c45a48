#!/usr/bin/env python3
"""Draws the curves of training: plot.py OUT.png LOG.csv..."""
import csv
import sys

import matplotlib
matplotlib.use("Agg")
from matplotlib import pyplot

figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 3.6), constrained_layout=True)
for path in sys.argv[2:]:
    rows = list(csv.DictReader(open(path, encoding="utf-8")))
    steps = [int(r["step"]) / 1000 for r in rows]
    label = f"{rows[0]['resolution']} px"
    left.plot(steps, [float(r["loss"]) for r in rows], label=label)
    for name, style in (("drawings@10", "-"), ("stamps@10", "--")):
        right.plot(steps, [float(r[name]) for r in rows], style, label=f"{name.split('@')[0]}, {label}")
left.set(xlabel="thousand steps of 256 pairs", ylabel="contrastive loss")
right.set(xlabel="thousand steps of 256 pairs", ylabel="R@10, %", ylim=(0, 100))
for axes in (left, right):
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
figure.savefig(sys.argv[1], dpi=80)
