#!/usr/bin/env python3
"""Measures how many photos a search prints without -k, and whether they are right, on the stamps that `make demo` searches.

    relevance.py ITEMS INDEX [PIXGREP [MODEL]]

ITEMS is the items.json that models/train/data.py writes, INDEX what `make demo` indexed (build/demo/stamps/index.db). A stamp is right
for a word when the word is among its names, tags, synonyms and kinds. Words are those that at least eight items have.
"""
import collections
import json
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "models/train"))
from words import plain  # noqa: E402

STAMPS = Path("/usr/share/tuxpaint/stamps")
items = json.loads(Path(sys.argv[1]).read_text())
index = sys.argv[2]
pixgrep = sys.argv[3] if len(sys.argv) > 3 else "build/release/bin/pixgrep"
model = sys.argv[4] if len(sys.argv) > 4 else "tiny"


def ask(words, *options):
    """For each word the paths that are printed."""
    answer = subprocess.run([pixgrep, "--db", index, "--model", model, "--batch", "--literal", "--json", *options], capture_output=True,
                            check=True, text=True, input="".join(f"{word}\n" for word in words))
    return [[found["path"] for found in json.loads(line)["results"]] for line in answer.stdout.splitlines()]


of_caption = {}
for item in items:
    if item["source"] in ("stamps-png", "stamps-svg"):
        of_caption.setdefault(item["key"], item)
right = {}  # path: the words that are right
for path in STAMPS.rglob("*.png"):
    text = path.with_suffix(".txt")
    lines = text.read_text("utf-8", "replace").splitlines() if text.exists() else []
    caption = re.sub(r"^(an?|the|some)\s+", "", lines[0].strip(), flags=re.I) if lines else ""
    item = of_caption.get(plain(re.split(r"(?<=[a-z]{3})[.!?;](\s|$)", caption)[0]))
    if item:
        right[str(path)] = {*item["names"], *item["tags"], *item["synonyms"], *item["kinds"], *" ".join(item["names"]).split()}
counts = collections.Counter(word for item in items for word in {*item["names"], *item["tags"]})
words = [word for word, count in counts.items() if count >= 8 and re.fullmatch("[a-z]{3,}( [a-z]{3,})?", word)]

shown, ten = ask(words), ask(words, "-k", "10")
absent, answered = [], []
for word, some, best in zip(words, shown, ten):
    wanted = {path for path, its in right.items() if word in its}
    known = [path for path in best if path in right]
    if not wanted:
        absent.append(not some)
    elif len(wanted) <= len(right) / 5 and wanted & set(known[:5]):
        answered.append((wanted, [path for path in some if path in right], known))
silent = [not some for _, some, _ in answered]
kept = [(wanted, some, best) for wanted, some, best in answered if some]


def mean(values):
    values = list(values)
    return f"{100 * sum(values) / max(1, len(values)):.0f} %"


print(f"{len(right)} pictures, {len(answered)} words with a right one among the first five, {len(absent)} that none shows")
print(f"nothing is printed for {mean(silent)} of the former and {mean(absent)} of the latter")
for name, column in (("what is printed", 1), ("the first ten", 2)):
    precision = mean(len(row[0] & set(row[column])) / len(row[column]) for row in kept)
    recall = mean(len(row[0] & set(row[column])) / len(row[0]) for row in kept)
    print(f"{name}: {precision} right, {recall} of all right ones")
