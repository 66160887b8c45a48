"""The folders of photos, what a person and their programs do to them, and what the index must say of them.

Whatever is done to the disk is noted here first: `files` says what each path holds, `ever` all paths that held a file since the
library rested, and `before` those since the rest before."""
import os
import stat
import subprocess
import time
from collections import Counter

PHOTO_ENDINGS = (b"jpg", b"jpeg", b"png", b"ppm", b"gif", b"tif", b"webp", b"heic", b"cr2")
ODD_NAMES = (b"-rf", b"new\nline", b"\xff\xfe\x80 latin", "\U0001F602 \u00e9\u0301".encode(), b"tab\tand 'quotes\"",
             b"back\\slash \\n", b"%s %n", b" blank ", b"$(touch x)", b"long" * 60, b"a;b&c|d", b"*?[x]", b"\x1b[31mred", b"...")


class File:
    __slots__ = ("hash", "good", "size")

    def __init__(self, content):
        self.hash, self.good, self.size = content.hash, content.good, len(content.data)


class Library:
    def __init__(self, rng, pictures, roots, journal):
        self.rng, self.pictures = rng, pictures
        self.roots = roots
        self.gone = set()       # roots that are away, or have something else in their place
        self.files = {}         # path -> File
        self.folders = set(roots)
        self.nomedia = set()
        self.links = set()      # symbolic links, and files that are none
        self.denied = set()     # files and folders that may not be read for a while
        self.writing = []       # [path, open file, content, bytes written]
        self.ever, self.before = set(), set()
        self.stirred = set()    # since then moved or hidden, perhaps back again before anybody looked
        self.counts = Counter()
        self.fixed = set()      # files that are left as they are
        self.names = 0
        self.journal = open(journal, "wb", buffering=0)  # pylint: disable=consider-using-with
        for root in roots:      # so that no root is ever empty
            self.fixed.add(root + b"/anchor.png")
            self.write(root + b"/anchor.png", pictures.good())

    # What must be true.

    def is_seen(self, path):
        """Whether a walk comes to the file and takes it for a photo."""
        root = self.root_of(path)
        parts = path[len(root) + 1:].split(b"/")
        if any(part.startswith(b".") for part in parts) or parts[-1].rpartition(b".")[2].lower() not in PHOTO_ENDINGS:
            return False
        folder = os.path.dirname(path)
        while len(folder) >= len(root):
            if folder in self.nomedia:
                return False
            folder = os.path.dirname(folder)
        return True

    def expected(self):
        """Photos with their hashes, and the paths that must be listed as failures; of roots that are here."""
        photos, failures = {}, set()
        for path, file in self.files.items():
            if self.root_of(path) not in self.gone and self.is_seen(path):
                if file.good:
                    photos[path] = file.hash
                else:
                    failures.add(path)
        return photos, failures

    def rested(self, indexed):
        """From now on only questions that were asked before are answered with other paths than these and those to come."""
        self.before = self.ever
        self.ever = {*self.files, *self.links, *indexed}
        self.stirred = set()

    def was_there(self, path):
        return path in self.ever or path in self.before

    # Where things are.

    def root_of(self, path):
        return next(root for root in self.roots if path == root or path.startswith(root + b"/"))

    def is_free(self, path):
        """Whether the path may be touched now."""
        return self.root_of(path) not in self.gone and not any(
            path == other or path.startswith(other + b"/") or other.startswith(path + b"/") and path not in self.roots
            for other in (*self.denied, *(entry[0] for entry in self.writing)))

    def some_folder(self, proper=False):
        """A folder, or one that is no root; None: there is none."""
        chosen = [f for f in sorted(self.folders) if self.is_free(f) and not (proper and f in self.roots)]
        return self.rng.choice(chosen) if chosen else None

    def some_file(self, wanted=lambda file: True):
        chosen = [p for p in sorted(self.files) if wanted(self.files[p]) and p not in self.fixed and self.is_free(p)]
        return self.rng.choice(chosen) if chosen else None

    def new_name(self, ending):
        self.names += 1
        stem = b"%d" % self.names
        if self.rng.random() < 0.2:
            stem = self.rng.choice(ODD_NAMES) + stem
        if self.rng.random() < 0.02:
            stem = b"." + stem
        ending = ending.upper() if self.rng.random() < 0.1 else ending
        return stem + b"." + ending

    def new_path(self, content, folder=None):
        folder = folder or self.some_folder()
        path = folder + b"/" + self.new_name(content.ending.encode())
        return path if len(path) < 4000 else self.roots[0] + b"/" + self.new_name(content.ending.encode())

    # What is done.

    def tell(self, what, *paths):
        """A line of the journal, to find out from how something came about."""
        self.journal.write(b"\t".join((b"%.3f %s" % (time.time(), what.encode()), *(repr(p)[2:-1].encode() for p in paths))) + b"\n")

    def note(self, path, file):
        self.tell("file", path, file.hash.hex()[:8].encode(), b"good" if file.good else b"bad")
        self.ever.add(path)
        self.files[path] = file

    def write(self, path, content):
        self.note(path, File(content))
        with open(path, "wb") as out:
            out.write(content.data)

    def make_folder(self, path):
        self.tell("folder", path)
        self.folders.add(path)
        os.mkdir(path)

    def below(self, folder, among):
        return [p for p in among if p.startswith(folder + b"/")]

    def renamed(self, old, new):
        """Everything at or below `old` is at `new` from now on."""
        self.tell("rename", old, new)
        # With those that are gone: the index may learn of that later than of the new name.
        self.ever |= {new + p[len(old):] for p in self.ever if p == old or p.startswith(old + b"/")}
        self.stirred |= {old, *self.below(old, self.files)}
        yield
        for path in [p for p in (old, *self.below(old, self.files)) if p in self.files]:
            self.files[new + path[len(old):]] = self.files.pop(path)
        for paths in (self.folders, self.nomedia, self.links):
            moved = {p for p in paths if p == old or p.startswith(old + b"/")}
            paths -= moved
            paths |= {new + p[len(old):] for p in moved}

    def rename(self, old, new):
        step = self.renamed(old, new)
        next(step)
        try:
            os.rename(old, new)
        except OSError:  # to another file system
            subprocess.run([b"mv", b"-T", b"--", old, new], check=True)
        next(step, None)

    def forget(self, folder):
        for path in self.below(folder, self.files):
            del self.files[path]
        for paths in (self.folders, self.nomedia, self.links):
            paths -= {p for p in paths if p == folder or p.startswith(folder + b"/")}

    def add_one(self):
        content = self.pictures.good()
        self.write(self.new_path(content), content)
        return "files added"

    def add_bad(self):
        content = self.pictures.bad()
        self.write(self.new_path(content), content)
        return "broken files added"

    def add_batch(self):
        parent = self.some_folder()
        if len(parent) > 2000:
            return None
        folder = parent + b"/" + self.rng.choice((b"batch ", b"\xc3\xa9t\xc3\xa9 ", b"-f", b"\xfe")) + b"%d" % self.names
        self.names += 1
        self.make_folder(folder)
        for _ in range(self.rng.randint(10, 90)):
            content = self.pictures.good() if self.rng.random() < 0.97 else self.pictures.bad()
            self.write(self.new_path(content, folder), content)
        return "batches added"

    def add_deep(self):
        folder = self.some_folder()
        for _ in range(self.rng.randint(2, 6)):
            self.names += 1
            name = b"%d" % self.names + self.rng.choice((b"", b"x" * 200, b" d\n", "\U0001F30A".encode()))
            if len(folder) + len(name) > 3000:
                break
            folder += b"/" + name
            self.make_folder(folder)
        content = self.pictures.good()
        self.write(self.new_path(content, folder), content)
        return "folders made"

    def add_slow(self):
        """Opened now, written and closed later."""
        content = self.pictures.good()
        path = self.new_path(content)
        self.ever.add(path)
        self.writing.append([path, open(path, "wb", buffering=0), content, 0])
        return "files written slowly"

    def go_on_writing(self, to_the_end=False):
        for entry in list(self.writing):
            path, out, content, written = entry
            part = len(content.data) if to_the_end else max(1, len(content.data) // 6)
            out.write(content.data[written:written + part])
            entry[3] += part
            if entry[3] >= len(content.data):
                out.close()
                self.writing.remove(entry)
                self.note(path, File(content))

    def copy(self):
        path = self.some_file()
        folder = self.some_folder()
        if path is None or len(folder) > 3500:
            return None
        to = folder + b"/" + self.new_name(os.path.splitext(path)[1][1:] or b"bak")
        self.note(to, self.files[path])
        subprocess.run([b"cp", *([b"-p"] if self.rng.random() < 0.5 else []), b"--", path, to], check=True)
        return "files copied"

    def some_lone_file(self, wanted=lambda file: True):
        """One without hard links: of a change behind the back of another name the kernel tells nothing."""
        path = self.some_file(wanted)
        return path if path and os.lstat(path).st_nlink == 1 else None

    def change(self):
        path = self.some_lone_file()
        if path is None:
            return None
        content = self.pictures.good()
        self.note(path, File(content))
        with open(path, "r+b") as out:
            out.write(content.data)
            out.truncate()
        return "files changed in place"

    def corrupt(self):
        path = self.some_lone_file(lambda file: file.good)
        if path is None:
            return None
        self.write(path, self.pictures.bad())
        return "files corrupted"

    def mend(self):
        path = self.some_lone_file(lambda file: not file.good)
        if path is None:
            return None
        self.write(path, self.pictures.good())
        return "files mended"

    def replace(self):
        """As careful programs save: beside it, then renamed over it."""
        path = self.some_file()
        if path is None:
            return None
        content = self.pictures.good()
        part = os.path.dirname(path) + b"/" + self.rng.choice((b".saving.jpg", b"saving.part", b"saving.jpg"))
        self.ever.add(part)
        with open(part, "wb") as out:
            out.write(content.data)
        self.note(path, File(content))
        os.rename(part, path)
        return "files replaced by rename"

    def move(self):
        path, folder = self.some_file(), self.some_folder()
        if path is None or len(folder) > 3500:
            return None
        self.rename(path, folder + b"/" + self.new_name(os.path.splitext(path)[1][1:] or b"bak"))
        return "files moved"

    def swap(self):
        one, other = self.some_file(), self.some_file()
        if one is None or one == other or self.root_of(one) != self.root_of(other):
            return None
        between = os.path.dirname(one) + b"/between.png"
        self.rename(one, between)
        self.rename(other, one)
        self.rename(between, other)
        return "pairs of files swapped"

    def rename_away(self):
        """To a name that is no photo's, or back to one."""
        path = self.some_file()
        if path is None:
            return None
        to = path[:-4] if path.endswith(b".bak") else path + b".bak"
        if to in self.files or len(os.path.basename(to)) > 255:
            return None
        self.rename(path, to)
        return "files renamed to no photo and back"

    def move_folder(self):
        folder, parent = self.some_folder(proper=True), self.some_folder()
        if folder is None or parent == folder or parent.startswith(folder + b"/"):
            return None
        self.names += 1
        if max(map(len, [folder, *self.below(folder, self.files), *self.below(folder, self.folders)])) - len(folder) + len(parent) > 3500:
            return None
        to = (os.path.dirname(folder) if self.rng.random() < 0.4 else parent) + b"/moved %d" % self.names
        across = self.root_of(folder) != self.root_of(to)
        self.rename(folder, to)
        return "folders moved to another root" if across else "folders renamed or moved"

    def remove(self):
        path = self.some_file()
        if path is None:
            return None
        self.tell("remove", path)
        del self.files[path]
        os.unlink(path)
        return "files removed"

    def remove_folder(self):
        folder = self.some_folder(proper=True)
        if folder is None or len(self.below(folder, self.files)) > 250:
            return None
        self.tell("remove folder", folder)
        subprocess.run([b"rm", b"-r", b"--", folder], check=True)
        self.forget(folder)
        return "folders removed"

    def link(self):
        path, folder = self.some_file(), self.some_folder()
        if path is None or len(folder) > 3500 or self.root_of(path) != self.root_of(folder):
            return None
        to = folder + b"/" + self.new_name(os.path.splitext(path)[1][1:] or b"bak")
        self.note(to, self.files[path])
        try:
            os.link(path, to)
        except OSError:
            del self.files[to]
            return None
        return "hard links made"

    def symlink(self):
        folder = self.some_folder()
        if len(folder) > 3500:
            return None
        to = folder + b"/" + self.new_name(b"jpg")
        self.links.add(to)
        self.ever.add(to)
        if self.rng.random() < 0.2:
            os.mkfifo(to)
            return "pipes made"
        os.symlink(self.rng.choice((self.some_file() or b"nowhere", folder, b"/dev/zero", b"..", b"nowhere", to)), to)
        return "symbolic links made"

    def touch(self):
        path = self.some_file()
        if path is None:
            return None
        os.utime(path, ns=(self.rng.randrange(10**18), self.rng.randrange(10**18)))
        return "files touched"

    def hide(self):
        folder = self.some_folder(proper=True)
        if folder is None or folder in self.nomedia:
            return None
        self.tell("hide", folder)
        self.stirred |= set(self.below(folder, self.files))
        self.nomedia.add(folder)
        os.close(os.open(folder + b"/.nomedia", os.O_CREAT | os.O_WRONLY))
        return ".nomedia made"

    def unhide(self):
        folders = [f for f in sorted(self.nomedia) if self.is_free(f)]
        if not folders:
            return None
        folder = self.rng.choice(folders)
        self.tell("show", folder)
        self.nomedia.discard(folder)
        os.unlink(folder + b"/.nomedia")
        return ".nomedia removed"

    def deny(self):
        path = self.some_file() if self.rng.random() < 0.7 else self.some_folder(proper=True)
        if path is None:
            return None
        self.tell("deny", path)
        self.denied.add(path)
        os.chmod(path, 0)
        return "files and folders denied"

    def allow_all(self):
        for path in sorted(self.denied):
            self.tell("allow", path)
            os.chmod(path, 0o755 if path in self.folders else 0o644)
        self.denied.clear()

    OPERATIONS = ((add_one, 16), (add_bad, 5), (add_batch, 2), (add_deep, 2), (add_slow, 5), (copy, 6), (change, 8), (corrupt, 4),
                  (mend, 4), (replace, 7), (move, 9), (swap, 4), (rename_away, 4), (move_folder, 3), (remove, 9), (remove_folder, 1), (link, 3),
                  (symlink, 2), (touch, 4), (hide, 1), (unhide, 2), (deny, 1))

    def do_one(self, most):
        """One thing that happens to the library; one that is too large shrinks."""
        operations = self.OPERATIONS
        if len(self.files) > most:
            operations = ((Library.remove, 3), (Library.remove_folder, 1), (Library.move, 1))
        operation = self.rng.choices([o for o, _ in operations], [w for _, w in operations])[0]
        done = operation(self)
        if done:
            self.counts[done] += 1
        self.go_on_writing()

    # What lies on the disk, to see that nobody else wrote there.

    def differs_from_disk(self):
        """The first path that is not as it was left, or None."""
        found = {}
        for root in self.roots:
            if root in self.gone:
                continue
            for folder, _, names in os.walk(root):
                for name in names:
                    path = folder + b"/" + name
                    status = os.lstat(path)
                    if stat.S_ISREG(status.st_mode) and name != b".nomedia":
                        found[path] = status.st_size
        noted = {path: file.size for path, file in self.files.items() if self.root_of(path) not in self.gone}
        return next((p for p in {**found, **noted} if found.get(p) != noted.get(p)), None)
