"""Questions that are asked all the time: none may fail, name a path that never was, or depend on who computes."""
import os
import subprocess
import threading
import time
from collections import Counter, defaultdict

WORDS = ("a red square", "a dog on a beach", "blue", "stripes and a disc", "cat", "green - red", "2:yellow + circle", "mountain",
         "a drawing of a car")


class Questions(threading.Thread):
    def __init__(self, rng, programs, daemon, library, own, work):
        """`own` are pictures outside the library, the last of which is none."""
        super().__init__(daemon=True)
        self.rng, self.program, self.watch, self.library = rng, programs + "/pixgrep", daemon, library
        self.own = own
        self.places = {False: dict(os.environ), True: {**os.environ, "XDG_RUNTIME_DIR": str(work / "nobody")}}
        self.over = threading.Event()
        self.seconds = defaultdict(list)
        self.counts = Counter()
        self.trouble = []

    def run(self):
        while not self.over.wait(0.05):
            try:
                self.ask_one()
            except Exception as error:  # pylint: disable=broad-except
                self.tell(f"the asker itself: {error!r}")

    def tell(self, what):
        self.trouble.append(what)
        if len(self.trouble) <= 20:
            print(f"FAILED: {what}", flush=True)

    def choose(self):
        """A kind of question, its arguments, its standard input, and whether it prints paths."""
        pick, rng = self.rng.choice, self.rng
        word, picture = pick(WORDS).split(" ") if rng.random() < 0.5 else [pick(WORDS)], pick(self.own[:-1])
        root = pick(self.library.roots).decode()
        return pick((
            ("text", ["-0", "-k", str(rng.choice((1, 10, 100000))), *word], b"", True),
            ("text", ["-0", "-k", "10", *word], b"", True),
            ("picture", ["-0", "-k", str(rng.choice((1, 10, 1000))), picture], b"", True),
            ("picture", ["-0", "--like", picture, self.own[0]], b"", True),
            ("filtered", ["-0", "-k", "20", *pick((["--in", root], ["--since", "2013", "--until", "2019"], ["--camera", "alpha"],
                                                  ["--near", "48.85,2.35,40"], ["--type", "png,webp"], ["--orientation", "portrait"],
                                                  ["--min-size", "300"], ["--in", root, "--type", "jpg", "--sort", "date"],
                                                  ["--collapse"], ["--min-score", "0.1"])), *word], b"", True),
            ("batch", ["--batch", "-k", "3", "--json"], "\n".join([*WORDS, picture, self.own[-1]]).encode() + b"\n", False),
            ("json", ["--json", "-k", "10", *word], b"", False),
            ("ensemble", ["-0", "-k", "5", "--ensemble", word[0]], b"", True),
            ("duplicates", ["--duplicates", "-0", *pick(([], ["--alike", "identical"]))], b"", True),
            ("classify", ["--classify", "cat,dog,square", "--in", root, "-k", "1", "--json"], b"", False),
        ))

    def ask(self, kind, arguments, given, here):
        """Through the daemon's socket, or computing `here`."""
        start = time.monotonic()
        answer = subprocess.run([self.program, "--model", "tiny", *arguments], input=given, capture_output=True, check=False,
                                env=self.places[here], timeout=600)
        self.seconds[kind, here].append(time.monotonic() - start)
        return answer

    def ask_one(self):
        kind, arguments, given, paths = self.choose()
        before = self.watch.generation()
        answers = [self.ask(kind, arguments, given, here) for here in (False, True)]
        same = before is not None and before == self.watch.generation()
        for answer in answers:
            self.counts["asked"] += 1
            wrong = self.is_wrong(kind, answer, paths)
            if wrong:
                self.tell(f"pixgrep {' '.join(arguments)}: {wrong}")
        if same:
            self.counts["compared"] += 1
            if answers[0].stdout != answers[1].stdout or answers[0].returncode != answers[1].returncode:
                self.tell(f"pixgrep {' '.join(arguments)}: through the socket exit {answers[0].returncode}, "
                          f"{answers[0].stdout[:200]!r}, without it exit {answers[1].returncode}, {answers[1].stdout[:200]!r}")

    def is_wrong(self, kind, answer, paths):
        """What is wrong with an answer, or None."""
        # A batch with a query that fails ends with 2, its error in the place of the answer.
        if answer.returncode not in ((2,) if kind == "batch" else (0, 1)):
            return f"exit {answer.returncode}: {answer.stderr[:300].decode('utf-8', 'replace')}"
        if paths:
            strange = [p for p in answer.stdout.split(b"\0") if p and not self.library.was_there(p)]
            if strange:
                return f"a path that never was: {strange[0]!r}"
        return None
