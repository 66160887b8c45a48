#!/usr/bin/env python3
"""Gathers the pictures and their words, and renders them: sources -> OUT/{pictures.npy,items.json,nouns.json,...}.

    data.py NPM_FOLDER OUT

A picture is [128, 128, 4] bytes, colours multiplied by alpha, fitted in the middle. An item is what may
truly be said of a picture (`ratio` is its longer side by its shorter): `names` (what it is called), `tags` (words its maker or Unicode gives),
`kinds` (hypernyms from WordNet, nearest first) and `colours` (measured). `split` is `train`, or the test
set that alone may see it.
"""
import html
import io
import json
import os
import random
import re
import sys
import unicodedata
import xml.etree.ElementTree as ElementTree
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from PIL import Image

from words import Nouns, plain

SIZE = 128
STAMPS = Path("/usr/share/tuxpaint/stamps")
CLIPART = Path("/usr/share/openclipart/svg")
BACKGROUNDS = Path("/usr/share/backgrounds/mate/nature")
ICON_SETS = ["noto", "noto-v1", "twemoji", "fluent-emoji-flat", "fluent-emoji", "emojione", "fxemoji", "streamline-emojis"]
HELD_OUT_MAKER, HELD_OUT_DRAWINGS, HELD_OUT_STAMPS = "twemoji", 300, 140
STAMP = 6.0  # how often a stamp is drawn beside another picture: they are the only photographs

# Nothing a person would search for, or too many alike.
CLIPART_SKIPPED = re.compile(r"shapes/|special/|computer/(icons|buttons)/|buttons/|logos/|map_symbols|/led/|unsorted/.*(text|logo)")
TAGS_SKIPPED = set("clip art clipart svg image unsorted cartoon externalsource icon icons png plain vector contour outline color colour "
                   "symbols misc theme open font inkscape hash openclipart ocal media public domain remix".split())
FLAGS, COMPONENTS = 9, 2


# Rendering

def fit(width, height):
    scale = SIZE / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def centred(rgba):
    """A premultiplied picture of at most SIZE x SIZE in the middle of an empty square, and its longer side by its shorter."""
    height, width = rgba.shape[:2]
    square = np.zeros((SIZE, SIZE, 4), np.uint8)
    top, left = (SIZE - height) // 2, (SIZE - width) // 2
    square[top:top + height, left:left + width] = rgba
    return square, max(height, width) / min(height, width)


def render_svg(data):
    import cairo
    import gi
    gi.require_version("Rsvg", "2.0")
    from gi.repository import Rsvg
    handle = Rsvg.Handle.new_from_data(data)
    known, width, height = handle.get_intrinsic_size_in_pixels()
    if not known or width < 1 or height < 1:
        box = handle.get_intrinsic_dimensions().out_viewbox
        width, height = (box.width, box.height) if box.width >= 1 and box.height >= 1 else (SIZE, SIZE)
    width, height = fit(width, height)
    surface = cairo.ImageSurface(cairo.FORMAT_ARGB32, width, height)
    viewport = Rsvg.Rectangle()
    viewport.x, viewport.y, viewport.width, viewport.height = 0, 0, width, height
    handle.render_document(cairo.Context(surface), viewport)
    surface.flush()
    rows = np.frombuffer(surface.get_data(), np.uint8).reshape(height, surface.get_stride() // 4, 4)[:, :width]
    return centred(rows[:, :, [2, 1, 0, 3]])  # cairo's BGRA is already premultiplied


def render_bitmap(data):
    image = Image.open(io.BytesIO(data)).convert("RGBA").convert("RGBa")
    return centred(np.asarray(image.resize(fit(*image.size), Image.LANCZOS)))


def render(data):
    """The picture, or None when it cannot be drawn or shows next to nothing."""
    try:
        picture, ratio = render_svg(data) if data.lstrip()[:1] == b"<" else render_bitmap(data)
    except Exception as error:  # one broken drawing among thousands is left out
        print(f"left out: {error}", file=sys.stderr)
        return None
    return (picture, ratio) if (picture[..., 3] > 32).mean() > 0.01 else None


# Sources: each yields (item, bytes of the picture)

def item(source, names, tags=(), context=(), key=None, weight=1.0, path=None):
    names = [name for name in dict.fromkeys(plain(name) for name in names) if name]
    tags = [tag for tag in dict.fromkeys(plain(tag) for tag in tags)
            if len(tag) > 1 and not tag.isdigit() and tag not in TAGS_SKIPPED and tag not in names]
    return {"source": source, "key": key or names[0], "names": names, "tags": tags, "context": list(context),
            "weight": weight, "path": path, "split": "train"}


def folder_words(path, root):
    words = []
    for part in path.relative_to(root).parts[:-1]:
        words += [w[:-1] if w.endswith("s") and not w.endswith(("ss", "us")) else w for w in re.split(r"[^a-z]+", part.lower())]
    return [w for w in words if w and w not in TAGS_SKIPPED]


def stamps():
    for text in sorted(STAMPS.rglob("*.txt")):
        lines = text.read_text("utf-8", "replace").splitlines()
        caption = re.sub(r"^(an?|the|some)\s+", "", lines[0].strip(), flags=re.I) if lines else ""
        caption = re.split(r"(?<=[a-z]{3})[.!?;](\s|$)", caption)[0]
        stem = re.sub(r"[-_]?\d+$", "", text.stem)
        if not plain(caption):
            continue
        for suffix in (".png", ".svg"):
            path = text.with_suffix(suffix)
            letter = "symbols/alphabets" in str(path)
            if path.exists() and not (letter and suffix == ".svg"):
                name = re.sub(r"[_-]+", " ", stem)
                names = [caption] + [name] * (re.fullmatch("[a-z ]{4,}", name) is not None)
                weight = 0.5 if "/symbols/" in str(path) else STAMP
                yield item("stamps" + suffix.replace(".", "-"), names, folder_words(path, STAMPS), key=plain(caption),
                           weight=weight, path=str(path)), path.read_bytes()


def clipart():
    space = {"dc": "http://purl.org/dc/elements/1.1/", "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#"}
    for path in sorted(CLIPART.rglob("*.svg")):
        inside = str(path.relative_to(CLIPART))
        data = path.read_bytes()
        if CLIPART_SKIPPED.search(inside) or len(data) > 3_000_000:
            continue
        title, keywords = "", []
        try:
            for work in ElementTree.fromstring(data).iter():
                if work.tag.endswith("}Work"):
                    title = (work.findtext("dc:title", "", space) or "").strip()
                    keywords = [li.text or "" for li in work.findall("dc:subject//rdf:li", space)]
        except ElementTree.ParseError:
            pass
        stem = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", path.stem)
        stem = re.sub(r"\b(\d+|[a-z]\d+|svg|clip ?art|architetto|francesco rollandin|ganson|jarno|vasama|rg|bw|st|01)\b", " ",
                      re.sub(r"[_\W]+", " ", stem).lower()).strip()
        names = [n for n in (html.unescape(title), stem) if 2 < len(n) < 60 and re.search("[a-z]{3}", n.lower())][:1]
        tags = [k for k in keywords if 1 < len(k) < 30] + folder_words(path, CLIPART)
        if not names and tags:
            names = tags[:1]
        if names:
            yield item("openclipart", names, tags, weight=0.3 if "/flags/" in inside else 1.0), data


def emoji(npm):
    label_of, tags_of, context_of, weight_of = {}, {}, {}, {}
    messages = json.loads((npm / "emojibase-data/en/messages.json").read_text())
    groups = {g["order"]: g["message"] for g in messages["groups"]}
    subgroups = {g["order"]: g["message"] for g in messages["subgroups"]}
    for entry in json.loads((npm / "emojibase-data/en/data.json").read_text()):
        if entry.get("group") in (None, COMPONENTS):
            continue
        code = entry["hexcode"].replace("-FE0F", "").lower()
        flag = entry["group"] == FLAGS
        label_of[code] = "flag of " + entry["label"].replace("flag: ", "") if flag else entry["label"].replace(":", "")
        tags_of[code] = entry.get("tags", [])
        context_of[code] = re.findall("[a-z]+", groups[entry["group"]] + " " + subgroups.get(entry.get("subgroup"), ""))
        weight_of[code] = 0.25 if flag else 0.6 if entry["group"] in (1, 8) else 1.0
    code_of = {slug(label): code for code, label in label_of.items()}
    loaded = {}
    for name in ICON_SETS:
        folder = npm / "@iconify-json" / name
        loaded[name] = json.loads((folder / "icons.json").read_text())
        characters = folder / "chars.json"
        for code, icon in json.loads(characters.read_text()).items() if characters.exists() else ():
            code_of.setdefault(icon, code.replace("-fe0f", ""))
    joined = {icon.replace("-", ""): code for icon, code in code_of.items()}
    for name, collection in loaded.items():
        for icon, drawing in collection["icons"].items():
            base = re.sub(r"-\d$", "", icon)
            code = code_of.get(icon) or code_of.get(base) or code_of.get(base.replace("flag-for-", "flag-")) or joined.get(base.replace("-", ""))
            if code not in label_of:
                continue  # skin tones and what is not in emojibase
            width = drawing.get("width", collection.get("width", 16))
            height = drawing.get("height", collection.get("height", 16))
            box = f"{drawing.get('left', 0)} {drawing.get('top', 0)} {width} {height}"
            svg = f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="{box}" ' \
                  f'width="{width}" height="{height}">{drawing["body"]}</svg>'
            yield item(name, [label_of[code]], tags_of[code], context_of[code], "emoji " + code, weight_of[code]), svg.encode()
    for path in sorted((npm / "@lobehub/fluent-emoji-3d/assets").glob("*.webp")):
        code = path.stem.replace("-fe0f", "")
        if code in label_of:
            yield item("fluent-emoji-3d", [label_of[code]], tags_of[code], context_of[code], "emoji " + code,
                       weight_of[code] * 1.5), path.read_bytes()


def slug(label):
    label = unicodedata.normalize("NFKD", label.replace("flag of ", "flag-")).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", re.sub("['’.]", "", label.lower())).strip("-")


# What the picture itself says

def colours(picture):
    """The one or two basic colours that cover most of what is not transparent."""
    alpha = picture[..., 3:].astype(np.float32)
    seen = alpha[..., 0] > 128
    if seen.sum() < 60:
        return []
    rgb = picture[..., :3][seen] / alpha[seen] * 255
    image = Image.fromarray(np.clip(rgb, 0, 255).astype(np.uint8)[None]).convert("HSV")
    hue, saturation, value = np.asarray(image, np.int32)[0].T
    hue = hue * 360 // 256
    named = np.select(
        [value < 50, (saturation < 40) & (value > 215), saturation < 45, (hue < 45) & (hue >= 12) & (value < 170),
         (hue < 14) & (saturation < 130) & (value > 190), hue < 14, hue < 42, hue < 68, hue < 165, hue < 255, hue < 290,
         (hue < 345) & (value > 170), hue < 330],
        ["black", "white", "grey", "brown", "pink", "red", "orange", "yellow", "green", "blue", "purple", "pink", "purple"], "red")
    words, counts = np.unique(named, return_counts=True)
    order = np.argsort(-counts)
    return [str(words[i]) for i in order[:2] if counts[i] > 0.3 * len(named)]


def thumbnail(picture):
    """For finding the same drawing twice: 16 x 16 on white, standardised."""
    white = picture[..., :3] + (255 - picture[..., 3:])
    small = white.reshape(16, SIZE // 16, 16, SIZE // 16, 3).mean((1, 3)).ravel()
    return (small - small.mean()) / (small.std() + 1e-6) / len(small) ** 0.5


def hold_out(items, pictures):
    """Chooses the test pictures, and takes what would give them away out of training."""
    chooser = random.Random(7)
    drawings = [n for n, i in enumerate(items) if i["source"] == HELD_OUT_MAKER and not i["names"][0].startswith("flag of")]
    held = set(chooser.sample(sorted({items[n]["key"] for n in drawings}), HELD_OUT_DRAWINGS))
    photos = [n for n, i in enumerate(items) if i["source"] == "stamps-png" and i["weight"] == STAMP]
    held |= set(chooser.sample(sorted({items[n]["key"] for n in photos}), HELD_OUT_STAMPS))
    test = []
    for source, split in ((HELD_OUT_MAKER, "test drawings"), ("stamps", "test stamps")):
        asked = set()
        for n in [*drawings, *photos, *range(len(items))]:  # a photograph of a stamp before its drawing
            each = items[n]
            if each["source"].startswith(source) and each["key"] in held and each["split"] == "train":
                each["split"] = "left out" if each["key"] in asked else split
                asked.add(each["key"])
                test += [n] if each["split"] == "test stamps" else []
    looks = np.stack([thumbnail(p) for p in pictures]).astype(np.float32)
    alike = looks @ looks[test].T
    for n in np.flatnonzero(alike.max(1) > 0.97):
        if items[n]["split"] == "train":
            items[n]["split"] = "left out"


def load(folder):
    """(items, pictures, backgrounds, nouns) as main wrote them."""
    items, nouns = (json.loads((folder / f"{name}.json").read_text()) for name in ("items", "nouns"))
    return items, np.load(folder / "pictures.npy"), np.load(folder / "backgrounds.npy"), nouns


def main():
    npm, out = Path(sys.argv[1]) / "node_modules", Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    items, data = zip(*[pair for source in (stamps(), clipart(), emoji(npm)) for pair in source])
    print(f"{len(items)} pictures to render", flush=True)
    with Pool(os.cpu_count()) as pool:
        rendered = pool.map(render, data, chunksize=64)
    items = [dict(i, ratio=round(r[1], 3)) for i, r in zip(items, rendered) if r is not None]
    pictures = np.stack([r[0] for r in rendered if r is not None])
    nouns = Nouns()
    for each, picture in zip(items, pictures):
        each["synonyms"], each["kinds"] = nouns.about(each["names"], each["tags"], each.pop("context"))
        each["colours"] = colours(picture)
    hold_out(items, pictures)
    np.save(out / "pictures.npy", pictures)
    (out / "items.json").write_text(json.dumps(items, indent=0))
    (out / "nouns.json").write_text(json.dumps(list(nouns.dictionary()), indent=0))
    backgrounds = [np.asarray(Image.open(p).convert("RGB").resize((256, 256), Image.LANCZOS)) for p in sorted(BACKGROUNDS.glob("*.jpg"))]
    np.save(out / "backgrounds.npy", np.stack(backgrounds))
    for split in sorted({i["split"] for i in items}):
        print(split, sum(i["split"] == split for i in items))
    for source in sorted({i["source"] for i in items}):
        print(" ", source, sum(i["source"] == source for i in items))


if __name__ == "__main__":
    main()
