#!/usr/bin/env python3
"""Measures a model with pixgrep itself on the pictures it was never shown, and lists what it finds in the stamps.

    evaluate.py DATA PIXGREP MODEL [fp32|int8] > table.md

PIXGREP is the program, MODEL a name or a .pixm file, which runs as it was imported to or in the precision that is named. Every picture is read, cropped and encoded as a search would.
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from data import STAMPS, load

QUERIES = [line for line in (Path(__file__).parent / "queries.txt").read_text().splitlines() if line]


def embed(pixgrep, model, texts=(), paths=(), precision=sys.argv[4:]):
    """Unit vectors of texts, or of pictures."""
    words = [word for text in texts for word in ("--text", text)]
    answer = subprocess.run([pixgrep, "--embed", "--json", "--exact", "--model", model, *[f"--precision={p}" for p in precision], *words, *["-"] * bool(paths)],
                            input="".join(f"{path}\n" for path in paths), capture_output=True, text=True, check=True)
    return np.array([json.loads(line)["vector"] for line in answer.stdout.splitlines()])


def main():
    folder, pixgrep, model = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    items, pictures, *_ = load(folder)
    print("| never trained on | pictures | R@1 | R@5 | R@10 | R@10 of random |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as drawn:
        for split in ("test drawings", "test stamps"):
            numbers = [n for n, i in enumerate(items) if i["split"] == split]
            paths = []
            for n in numbers:
                paths.append(Path(items[n].get("path") or f"{drawn}/{n}.png"))
                if not paths[-1].exists():
                    Image.fromarray(pictures[n], "RGBa").convert("RGBA").save(paths[-1])
            scores = embed(pixgrep, model, texts=[items[n]["names"][0] for n in numbers]) @ embed(pixgrep, model, paths=paths).T
            rank = (scores > np.diag(scores)[:, None]).sum(1)
            cells = [f"{100 * np.mean(rank < k):.1f} %" for k in (1, 5, 10)]
            print(f"| {split[5:]} | {len(numbers)} | {' | '.join(cells)} | {1000 / len(numbers):.1f} % |")
    library = sorted(STAMPS.rglob("*.png"))
    scores = embed(pixgrep, model, texts=QUERIES) @ embed(pixgrep, model, paths=library).T
    print(f"\nThe first five of {len(library)} stamps:\n")
    for query, row in zip(QUERIES, scores):
        print(f"- **{query}**: " + ", ".join(str(library[n].relative_to(STAMPS).with_suffix("")) for n in np.argsort(-row)[:5]))


if __name__ == "__main__":
    main()
