"""What is said of a picture in training, and of which other pictures the same is true."""
import random

import numpy as np

TEMPLATES = ["a photo of {a}", "a picture of {a}", "{a}", "a drawing of {a}", "an image of {a}", "a photo of the {n}", "the {n}",
             "a small {n}", "a big {n}", "one {n}", "a cartoon of {a}", "a nice {n}", "a close-up of {a}", "this is {a}", "some {n}",
             "{a} on a white background", "{a} on a plain background", "my {n}"]


def article(noun):
    return noun if noun.endswith("s") and not noun.endswith("ss") else ("an " if noun[0] in "aeiou" else "a ") + noun


def plural(noun):
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es" * (not noun.endswith("s"))
    return noun[:-1] + "ies" if noun.endswith("y") and noun[-2:-1] not in "aeiou" else noun + "s"


class Captions:
    """Terms are the words and phrases that are true of an item; a caption is true of every item that has all of its terms."""

    def __init__(self, items):
        self.items = items
        self.number = {}
        rows = [[self.number.setdefault(t, len(self.number)) for t in self.terms(i)] for i in items]
        self.nothing = len(self.number)  # the term that is true of everything
        self.true = np.zeros((len(items), self.nothing + 1), bool)
        self.true[:, self.nothing] = True
        for row, terms in zip(self.true, rows):
            row[terms] = True

    @staticmethod
    def terms(item):
        return [*item["names"], *item["tags"], *item["synonyms"], *item["kinds"], *(f"colour {c}" for c in item["colours"])]

    def draw(self, item, chance):
        """(caption, its terms)"""
        kinds, colours = item["kinds"], item["colours"]
        others = item["synonyms"] + item["tags"]
        dice = chance.random()
        word = chance.choice(item["names"])
        if dice < 0.22 and others:
            word = chance.choice(others)
        elif dice < 0.36 and kinds:
            word = kinds[min(int(chance.expovariate(0.45)), len(kinds) - 1)]
        elif dice < 0.44 and len(others) > 1:
            words = chance.sample(others, 2)
            return chance.choice(["{} {}", "{}, {}", "{} and {}"]).format(*words), words
        elif dice < 0.50 and others:
            extra = chance.choice(others)
            return f"{word}, {extra}", [word, extra]
        used = [word]
        if colours and chance.random() < 0.2 and not word.startswith(tuple(colours)):
            colour = chance.choice(colours)
            used.append("colour " + colour)
            word = f"{colour} {word}"
            if len(word) < 30 and chance.random() < 0.1:
                return chance.choice(["something {}", "{} thing", "{}"]).format(colour), used[1:]
        if chance.random() < 0.08 and " of " not in word:
            word = plural(word)
        if chance.random() < 0.45:
            word = chance.choice(TEMPLATES).format(a=article(word), n=word)
        return word, used

    def batch(self, numbers, chance):
        """Captions for the items, and truth [i, j]: whether caption j is true of item i."""
        drawn = [self.draw(self.items[n], chance) for n in numbers]
        terms = np.full((len(drawn), 3), self.nothing)
        for row, (_, used) in zip(terms, drawn):
            row[:len(used)] = [self.number[t] for t in used]
        rows = self.true[numbers]
        truth = rows[:, terms[:, 0]] & rows[:, terms[:, 1]] & rows[:, terms[:, 2]]
        return [caption for caption, _ in drawn], truth


class Dictionary:
    """Words for things that no picture shows: a lark is a songbird, a bird, an animal. Learnt as pairs of texts, they
    let a query in such words end near the pictures of the kind."""

    def __init__(self, nouns):
        self.nouns = nouns
        self.weights = np.cumsum([3.0 if n["usual"] else 1.0 for n in nouns])

    def batch(self, count, chance):
        """(names, what they are, truth [i, j]: whether description j is true of name i)"""
        chosen = chance.choices(self.nouns, cum_weights=self.weights, k=count)
        names, descriptions = [], []
        for noun in chosen:
            names.append(chance.choice(noun["names"]))
            dice = chance.random()
            if dice < 0.7 or not noun["gloss"]:
                descriptions.append(noun["kinds"][min(int(chance.expovariate(0.5)), len(noun["kinds"]) - 1)])
            else:
                descriptions.append(noun["gloss"])
        true_of = [{*noun["kinds"], noun["gloss"]} for noun in chosen]
        truth = np.array([[d in true for d in descriptions] for true in true_of])
        dress = lambda text: chance.choice(TEMPLATES).format(a=article(text), n=text) if chance.random() < 0.3 else text
        return [dress(n) for n in names], [dress(d) if len(d) < 30 else d for d in descriptions], truth


def frequencies(captions, draws=12):
    """How often each caption is drawn: what BPE's merges are learnt from."""
    chance, counts = random.Random(11), {}
    for item in captions.items:
        for _ in range(draws):
            text, _ = captions.draw(item, chance)
            counts[text] = counts.get(text, 0) + 1
        for term in captions.terms(item):
            if not term.startswith("colour "):
                counts[term] = counts.get(term, 0) + 1
    return counts
