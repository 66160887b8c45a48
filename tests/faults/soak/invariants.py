"""What must be true of the index whenever the library rests, and what is counted against it."""
import base64
import contextlib
import json
import os
import sqlite3
import stat
import subprocess
from collections import Counter


def open_index(database):
    return contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=60, isolation_level=None))


def examine(database):
    """ "ok", or what is wrong with its structure."""
    try:
        with open_index(database) as index:
            return index.execute("PRAGMA integrity_check").fetchone()[0]
    except sqlite3.DatabaseError as error:
        return str(error)


class Index:
    """What an index says, all of it at once."""

    def __init__(self, database):
        with open_index(database) as index:
            index.execute("BEGIN")
            found = index.execute("SELECT path, hash, held.image_id, vector, precision FROM image JOIN content ON content.id = content_id "
                                  "LEFT JOIN held ON held.image_id = image.id LEFT JOIN embedding USING (content_id) "
                                  "WHERE missing_since IS NULL").fetchall()
            self.photos = {path: (hashed, vector, precision) for path, hashed, _, vector, precision in found}
            self.held = {path for path, _, held, _, _ in found if held is not None}
            # Taken back and held when many more go soon.
            self.gone = {path for path, in index.execute("SELECT path FROM gone JOIN image ON image.id = image_id")}
            self.failures = dict(index.execute("SELECT path, stage || ': ' || reason FROM failure"))
            self.tally = index.execute("SELECT photos FROM tally WHERE model_id = 0").fetchone()[0]
            self.vector_of = dict(index.execute("SELECT hash, embedding.id FROM embedding JOIN content ON content.id = content_id"))
            self.runs = index.execute("SELECT count(*) FROM run").fetchone()[0]
            self.vector_ids = index.execute("SELECT seq FROM sqlite_sequence WHERE name = 'embedding'").fetchone()[0]


def first(what, paths):
    paths = sorted(paths)
    return f"{len(paths)} {what}, such as {paths[0]!r}" if paths else None


def difference(library, index):
    """How the index differs from what it must say of the library, or None."""
    photos, failing = library.expected()
    here = {path for path in index.photos if library.root_of(path) not in library.gone}
    extra = {path for path in here if path not in photos and path not in index.held}
    failures = {path for path in index.failures if library.root_of(path) not in library.gone}
    # What failed may come back with what is held.
    stale = {path for path in failures - failing if path not in photos and index.held}
    return (first("photos are not in the index", set(photos) - here)
            or first("photos are in the index with the content of another", {p for p in photos if index.photos[p][0] != photos[p]})
            or first("photos have no vector", {p for p in photos if index.photos[p][1] is None})
            or first("photos are held though they are there", index.held & set(photos))
            or first("photos are in the index that are none", extra)
            or first("broken files are not listed", failing - failures)
            or first("files are listed as failures that are none", failures - failing - stale))


class Checks:
    def __init__(self):
        self.passed, self.failed = Counter(), []
        self.holders, self.vector_of = set(), {}  # at the last rest

    def check(self, what, problem):
        """Counts, and says at once what does not hold."""
        if problem:
            self.failed.append(f"{what}: {problem}")
            print(f"FAILED: {what}: {problem}", flush=True)
        else:
            self.passed[what] += 1
        return not problem

    def of_index(self, database, index, holders):
        """`holders` are the files of settled photos, by content and path and by content and inode."""
        found = examine(database)
        self.check("the index is sound", found != "ok" and found)
        kept = {holder[0]: holder[1] for holder in sorted(holders & self.holders, key=repr)}
        again = [h for h in kept if self.vector_of[h] != index.vector_of[h]]
        self.check("nothing is encoded twice", again and f"{len(again)} of {len(kept)} contents, such as {again[0].hex()} of {kept[again[0]]!r}")
        self.holders, self.vector_of = holders, index.vector_of
        self.check("photos are counted right", index.tally != len(index.photos) and f"{index.tally} instead of {len(index.photos)}")

    def of_fresh(self, index, fresh):
        """An index of the same folders, made anew, says the same."""
        settled = {path: row for path, row in index.photos.items() if path not in index.held}
        differ = sorted(p for p in {*settled, *fresh.photos} if settled.get(p) != fresh.photos.get(p))
        problem = None
        if differ:
            here, there = settled.get(differ[0]), fresh.photos.get(differ[0])
            how = (f"only here; there {fresh.failures.get(differ[0])}" if not there else f"only there; here {index.failures.get(differ[0])}"
                   if not here else "content" if here[0] != there[0] else f"vector, {here[2]} and {there[2]}")
            problem = f"{len(differ)} photos differ, such as {differ[0]!r}: {how}"
        self.check("a new index has the same photos, contents and vectors", problem)
        if not index.held:
            problem = [f"{path!r}: here {index.failures.get(path)}, there {fresh.failures.get(path)}"
                       for path in sorted(set(index.failures) ^ set(fresh.failures))]
            self.check("a new index has the same failures", problem and f"{len(problem)}, such as {problem[0]}")

    def of_answers(self, program, words, databases, held):
        """The same questions find the same in both indexes, whatever ids photos have there."""
        answers = []
        for database in databases:
            found = subprocess.run([program, "--model", "tiny", "--db", database, "-k", "1000000", "--json", *words], capture_output=True,
                                   check=False)
            lines = [json.loads(line) for line in found.stdout.splitlines()]
            paths = [base64.b64decode(l["path_base64"]) if "path_base64" in l else os.fsencode(l["path"]) for l in lines]
            answers.append(sorted((-line["score"], path) for line, path in zip(lines, paths) if path not in held))
        self.check("a new index gives the same answers", answers[0] != answers[1] and
                   f"{words}: {len(answers[0])} and {len(answers[1])} photos")

    def of_library(self, library):
        self.check("nobody writes to photos", library.differs_from_disk())

    def of_files(self, folders):
        """What pixgrep keeps is its owner's alone, and nothing half made is left."""
        wrong, left = [], []
        for folder in folders:
            for path, _, names in os.walk(folder):
                mode = stat.S_IMODE(os.lstat(path).st_mode)
                if mode != 0o700:
                    wrong.append(f"{path} {mode:o}")
                for name in names:
                    try:
                        mode = stat.S_IMODE(os.lstat(path + "/" + name).st_mode)
                    except FileNotFoundError:
                        continue
                    if mode != 0o600:
                        wrong.append(f"{path}/{name} {mode:o}")
                    if not name.endswith((".db", ".db-wal", ".db-shm", ".pixv", ".lock", ".sock")):
                        left.append(f"{path}/{name}")
        self.check("files are their owner's alone", ", ".join(wrong))
        self.check("nothing half made is left", ", ".join(left))

    def of_daemon(self, daemon, runs):
        self.check("the daemon runs", not daemon.is_running() and f"exit code {daemon.process.returncode}")
        zombies = [pid for pid, state in daemon.children() if state == "Z"]
        self.check("no process is left unburied", zombies)
        most = max(descriptors for _, descriptors in daemon.samples)
        least = min(descriptors for _, descriptors in daemon.samples)
        self.check("descriptors stay few", (most > 64 or most > least + 16) and f"{least} to {most}")
        line, times = daemon.repeated()
        self.check("no line is told more often than once a run", times > runs and f"{times} times in {runs} runs: {line}")
