"""Words: plain spelling, WordNet's nouns, and the byte-level BPE that CLIP's text tower reads."""
import gzip
import re
import unicodedata
from collections import Counter, defaultdict

WORDNET = "/usr/share/wordnet"

# Too general to say of a picture.
ABSTRACT = set("""entity physical_entity abstraction abstract_entity object physical_object whole unit thing matter artifact artefact
living_thing animate_thing organism being causal_agent cause causal_agency instrumentality instrumentation psychological_feature
attribute relation communication event act state process group grouping measure amount quantity substance part portion content
cognition chordate vertebrate craniate placental placental_mammal eutherian eutherian_mammal carnivore vascular_plant
tracheophyte spermatophyte phanerogam seed_plant angiosperm flowering_plant dicot magnoliid_dicot_genus conveyance signal
visual_signal indication definite_quantity number signaling sign representation creation location region natural_object
natural_phenomenon phenomenon solid foodstuff food_product reproductive_structure plant_organ plant_part plant_structure
covering way article ware ungulate hoofed_mammal even-toed_ungulate artiodactyl artiodactyl_mammal odd-toed_ungulate
perissodactyl perissodactyl_mammal canine canid feline felid arthropod invertebrate person individual someone somebody mortal soul
nutriment nourishment nutrition sustenance aliment alimentation victuals fundamental_quantity mechanism
device""".split())


def plain(text):
    """Lower case ASCII with single spaces, as captions are written here."""
    text = text.replace("’", "'").replace("“", '"').replace("”", '"').replace("—", " ").replace("_", " ")
    text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"\s+", " ", re.sub(r"[^a-z0-9' -]", " ", text)).strip(" '-")


VISIBLE = {"05", "06", "08", "13", "17", "20"}  # WordNet's files of animals, artifacts, bodies, food, natural objects and plants


def spell(lemmas):
    """Lemmas as captions have them, without proper names (which begin with a capital)."""
    return [w for w in dict.fromkeys(plain(w) for w in lemmas if w.islower()) if len(w) > 2]


class Nouns:
    """Finds the noun that a name ends in, its sense by the words around it, and what kind of thing that is."""

    def __init__(self):
        self.senses, self.synsets, self.visible = {}, {}, []
        for line in open(f"{WORDNET}/index.noun", encoding="ascii"):
            if not line.startswith(" "):
                fields = line.split()
                self.senses[fields[0]] = fields[-int(fields[2]):]
        for line in open(f"{WORDNET}/data.noun", encoding="ascii"):
            if not line.startswith(" "):
                data, _, gloss = line.partition("|")
                fields = data.split()
                count = int(fields[3], 16)
                lemmas = fields[4:4 + 2 * count:2]
                pointers = fields[5 + 2 * count:]
                above = [pointers[i + 1] for i in range(0, len(pointers) - 3, 4) if pointers[i] in ("@", "@i")]
                self.synsets[fields[0]] = lemmas, above, gloss.strip().lower()
                if fields[1] in VISIBLE:
                    self.visible.append(fields[0])

    def lookup(self, phrase):
        for form in (phrase, re.sub("s$", "", phrase), re.sub("es$", "", phrase), re.sub("ies$", "y", phrase)):
            if form.replace(" ", "_") in self.senses:
                return form.replace(" ", "_")
        return None

    def closure(self, synset):
        path, queue = [], [synset]
        while queue:
            synset = queue.pop(0)
            if synset not in path:
                path.append(synset)
                queue += self.synsets[synset][1]
        return path

    def heads(self, name):
        """The nouns a name ends in, longest first: "bengal tiger", "tiger"."""
        phrase = re.split(r" (?:of|with|on|in|at|for|from|by|and|or|without|called|that|which|to|is|has|made|wearing|holding) ", f"{name} ")[0]
        tokens = phrase.split()
        found = [self.lookup(" ".join(tokens[i:])) for i in range(max(0, len(tokens) - 4), len(tokens))]
        return [lemma for lemma in found if lemma and len(lemma) > 2]

    def sense(self, lemma, context):
        def score(ranked):
            rank, synset = ranked
            path = self.closure(synset)
            above = {w for s in path for lemma in self.synsets[s][0] for w in lemma.lower().split("_")}
            gloss = set(re.findall("[a-z]+", self.synsets[synset][2]))
            return 2 * len(context & above) + len(context & gloss) - 0.7 * rank
        return max(enumerate(self.senses[lemma]), key=score)[1]

    def kinds(self, path):
        return [k for synset in path[1:] for k in self.synsets[synset][0][:3] if k.lower() not in ABSTRACT and k.islower()]

    def about(self, names, tags, context):
        """(other words for the thing, the kinds of thing it is, nearest first)"""
        around = {w for text in [*names, *tags, *context] for w in text.split()}
        around |= {w[:-1] for w in around if w.endswith("s")}
        synonyms, kinds = [], []
        for name in names:
            for lemma in self.heads(name):
                path = self.closure(self.sense(lemma, around - set(lemma.split("_"))))
                synonyms += [lemma, *self.synsets[path[0]][0]]
                kinds += self.kinds(path)
        synonyms = [w for w in spell(synonyms) if w not in names]
        return synonyms, [k for k in spell(kinds) if k not in synonyms and k not in names][:14]

    def dictionary(self):
        """Every thing that can be seen: its names, the kinds of thing it is, and what it is in a few words."""
        for synset in self.visible:
            names, path = spell(self.synsets[synset][0]), self.closure(synset)
            kinds = [k for k in spell(self.kinds(path)) if k not in names][:8]
            if names and kinds:
                # A name whose usual meaning is another is no name for this.
                usual = [n for n in names if self.senses.get(n.replace(" ", "_"), [synset])[0] == synset]
                yield {"names": usual or names[:1], "usual": bool(usual), "kinds": kinds,
                       "gloss": plain(re.split("[;(]", self.synsets[synset][2])[0])[:70]}


# BPE

TOKEN = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[a-z]+|[0-9]|[^\sa-z0-9]+")


def byte_symbols():
    """The printable character that stands for each byte, as GPT-2 chose them, in OpenAI's order."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in printable]
    return {b: chr(b) for b in printable} | {b: chr(256 + n) for n, b in enumerate(rest)}


def learn_merges(texts, count):
    """The `count` most worthwhile merges: each joins the pair of symbols that is most frequent by then."""
    symbols = byte_symbols()
    frequency = Counter(word for text, times in texts.items() for word in TOKEN.findall(text) for _ in range(times))
    words = [[symbols[b] for b in word.encode()] for word in frequency]
    times = list(frequency.values())
    for word in words:
        word[-1] += "</w>"
    pairs, where = Counter(), defaultdict(set)
    for n, word in enumerate(words):
        for pair in zip(word, word[1:]):
            pairs[pair] += times[n]
            where[pair].add(n)
    merges = []
    while len(merges) < count:
        best = max(pairs, key=lambda p: (pairs[p], p))
        merges.append(best)
        for n in list(where[best]):
            word, joined, i = words[n], [], 0
            for pair in zip(word, word[1:]):
                pairs[pair] -= times[n]
                where[pair].discard(n)
            while i < len(word):
                both = tuple(word[i:i + 2]) == best
                joined.append("".join(best) if both else word[i])
                i += 2 if both else 1
            words[n] = joined
            for pair in zip(joined, joined[1:]):
                pairs[pair] += times[n]
                where[pair].add(n)
        del pairs[best]
    return merges


def write_vocabulary(path, merges):
    """OpenAI's file: a first line that is no merge, then one merge a line."""
    lines = ["#version: pixgrep tiny", *(" ".join(m) for m in merges), ""]
    with open(path, "wb") as file, gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as packed:
        packed.write("\n".join(lines).encode())


class Tokenizer:
    def __init__(self, path):
        merges = [tuple(line.split()) for line in gzip.open(path).read().decode().split("\n")[1:] if line]
        symbols = list(byte_symbols().values())
        vocabulary = [*symbols, *(s + "</w>" for s in symbols), *("".join(m) for m in merges)]
        self.ids = {token: n for n, token in enumerate(vocabulary)}
        self.ranks = {merge: n for n, merge in enumerate(merges)}
        self.symbols = byte_symbols()
        self.start, self.end = len(vocabulary), len(vocabulary) + 1
        self.size = len(vocabulary) + 2
        self.words = {}

    def word(self, text):
        if text not in self.words:
            parts = [self.symbols[b] for b in text.encode()]
            parts[-1] += "</w>"
            while len(parts) > 1:
                rank, at = min((self.ranks.get(pair, 1 << 30), i) for i, pair in enumerate(zip(parts, parts[1:])))
                if rank == 1 << 30:
                    break
                pair = parts[at], parts[at + 1]
                joined, i = [], 0
                while i < len(parts):
                    both = tuple(parts[i:i + 2]) == pair
                    joined.append("".join(pair) if both else parts[i])
                    i += 2 if both else 1
                parts = joined
            self.words[text] = [self.ids[p] for p in parts]
        return self.words[text]

    def __call__(self, text):
        return [self.start, *(i for w in TOKEN.findall(text.lower()) for i in self.word(w)), self.end]
