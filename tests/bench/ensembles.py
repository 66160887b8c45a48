#!/usr/bin/env python3
"""Measures when --ensemble helps: short nouns and sentences looked for among the stamps that `make demo` searches.

    ensembles.py [PIXGREP [MODEL]] > table.md

The stamps are Debian's tuxpaint-stamps-default. A noun is the name of a stamp's file when it is one word, a sentence its caption when
that has five words or more; both look for their own picture among all.
"""
import json
import re
import subprocess
import sys
from pathlib import Path

STAMPS = Path("/usr/share/tuxpaint/stamps")
PIXGREP = sys.argv[1] if len(sys.argv) > 1 else "build/release/bin/pixgrep"
MODEL = sys.argv[2] if len(sys.argv) > 2 else "tiny"


def embed(arguments, paths=()):
    answer = subprocess.run([PIXGREP, "--embed", "--json", "--model", MODEL, *arguments], capture_output=True, check=True, text=True,
                            input="".join(f"{path}\n" for path in paths))
    return [json.loads(line)["vector"] for line in answer.stdout.splitlines()]


def ranks(texts, own, pictures, arguments):
    """The place of each text's own picture."""
    places = []
    for start in range(0, len(texts), 500):
        words = [word for text in texts[start:start + 500] for word in ("--text", text)]
        for vector, number in zip(embed([*arguments, *words]), own[start:start + 500]):
            scores = [sum(map(float.__mul__, vector, picture)) for picture in pictures]
            places.append(1 + sum(score > scores[number] for score in scores))
    return places


library = [path for path in sorted(STAMPS.rglob("*.png")) if "/symbols/" not in str(path) and not path.stem.endswith("_mirror")]
vectors = embed(["-"], library)
nouns, sentences = ([], []), ([], [])
for index, path in enumerate(library):
    if re.fullmatch("[a-z]{3,}", path.stem):
        nouns[0].append(path.stem)
        nouns[1].append(index)
    caption = path.with_suffix(".txt")
    words = caption.read_text("utf-8", "replace").split("\n")[0].strip() if caption.exists() else ""
    if len(words.split()) >= 5:
        sentences[0].append(words)
        sentences[1].append(index)
print(f"{len(library)} pictures\n\n| texts | how | first | first 5 | first 10 |\n|---|---|---|---|---|")
for kind, (texts, own) in (("nouns", nouns), ("sentences", sentences)):
    for how in ([], ["--ensemble=a photo of a {}."], ["--ensemble"], ["--ensemble=long"]):
        place = ranks(texts, own, vectors, how)
        cells = " | ".join(f"{100 * sum(p <= k for p in place) / len(place):.1f} %" for k in (1, 5, 10))
        print(f"| {len(texts)} {kind} | {' '.join(how) or 'as they are'} | {cells} |")
