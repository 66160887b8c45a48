"""A night of `pixgrepd watch` in a few minutes: see ../soak.sh, which calls this.

    soak PROGRAMS WORK MAKE_PHOTO [WRAPPER...]

The seed decides what happens in which order; how much of it happens is a matter of the clock."""
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from daemon import SOON, Daemon, Pest, it_comes_true
from drives import Drives
from invariants import Checks, Index, difference
from library import Library
from pictures import Pictures
from questions import WORDS, Questions

PROGRAMS, WORK, MAKE_PHOTO, WRAPPER = sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4:]
SECONDS = 60 * float(os.environ.get("MINUTES", "20"))
SEED = int(os.environ.get("SEED") or random.SystemRandom().randrange(10**6))
MOST_FILES = 1200
DATABASE = os.environ["XDG_DATA_HOME"] + "/pixgrep/index.db"


class Soak:
    def __init__(self):
        self.rng = random.Random(SEED)
        self.events = Counter()
        self.checks = Checks()
        vips = shutil.which("vips")
        pictures = Pictures(random.Random(SEED + 1), WORK / "pool", MAKE_PHOTO, vips)
        roots = [os.fsencode(WORK / name) for name in ("first", "second", "drive")]
        for root in roots:
            os.mkdir(root)
        self.drive = roots[2] if os.environ.get("MOUNTS") == "yes" else None
        if self.drive:
            Drives.mount(self.drive, "soakdrive")
        else:
            print("SKIP drives: mounting is not permitted; folders are renamed instead")
        self.library = Library(self.rng, pictures, roots, WORK / "journal")
        self.drives = Drives(self.rng, self.library, self.drive, WORK)
        self.daemon = Daemon(PROGRAMS, WRAPPER, WORK)
        self.pest = Pest(self.daemon.socket)
        own = [str(WORK / "pool" / f"{i}.jpg") for i in range(20)] + [str(WORK / "pool" / "none.jpg")]
        Path(own[-1]).write_bytes(b"no picture")
        self.questions = Questions(random.Random(SEED + 2), PROGRAMS, self.daemon, self.library, own, WORK)
        self.settled = {}  # photos with their hashes when the library rested
        self.deck = []
        self.hanging = []

    def expect(self, what, result, *codes):
        self.checks.check(what, result.returncode not in codes and
                          f"exit code {result.returncode}: {result.stderr[-300:].decode('utf-8', 'replace')}")

    # What disturbs.

    def hang_up(self):
        self.daemon.process.send_signal(signal.SIGHUP)
        return "SIGHUP"

    def pause(self):
        self.expect("pause", self.daemon.run("pause"), 0)
        self.change_for_a_while(20)
        self.expect("resume", self.daemon.run("resume"), 0)
        return "pause and resume"

    def rescan(self):
        self.expect("rescan", self.daemon.run("rescan", timeout=600), 0, 1)
        return "rescan"

    def index_beside(self):
        gone = self.library.gone
        self.expect("index beside the daemon", self.daemon.run("index", timeout=600), *((0, 1, 2) if gone else (0, 1)))
        return "index beside the daemon"

    def look(self):
        for arguments in (("status",), ("status", "--json", "--verbose"), ("failures",), ("failures", "--json"), ("roots",),
                          ("model", "list")):
            self.expect(" ".join(arguments), self.daemon.run(*arguments), 0)
        return "status, failures, roots, models"

    def kill(self):
        decoders = [pid for pid, _ in self.daemon.children()]
        code = self.daemon.end(signal.SIGKILL)
        self.checks.check("it runs until it is killed", code != -signal.SIGKILL and f"exit code {code}")
        self.checks.check("decoders end with it", not it_comes_true(lambda: not Daemon.still_decoding(decoders))
                          and ", ".join(Daemon.still_decoding(decoders)))
        self.change_for_a_while(20)
        self.start()
        return "kill -9 of the daemon"

    def restart(self):
        code = self.daemon.end(signal.SIGTERM)
        self.checks.check("it stops when asked", code not in (0, 3) and f"exit code {code}")
        self.change_for_a_while(20)
        self.start()
        return "stop and start"

    def kill_decoders(self):
        self.change_for_a_while(10)
        killed = it_comes_true(self.daemon.kill_a_decoder, 5)
        return "kill -9 of a decoder" if killed else None

    def overflow(self):
        most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text("ascii"))
        self.daemon.process.send_signal(signal.SIGSTOP)
        name = next(root for root in self.library.roots if root not in self.library.gone) + b"/many events"
        for _ in range(most // 3 + 1000):
            os.close(os.open(name, os.O_CREAT | os.O_WRONLY))
            os.unlink(name)
        self.change_for_a_while(10)
        self.daemon.process.send_signal(signal.SIGCONT)
        return "more events than the kernel keeps"

    def second_daemon(self):
        result = self.daemon.run("watch", timeout=600)
        self.expect("a second daemon gives way", result, 2)
        return "second daemons"

    def copy_index(self):
        copy = WORK / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for name in ("index.db", "index.db-wal"):
            if os.path.exists(f"{os.path.dirname(DATABASE)}/{name}"):
                shutil.copy(f"{os.path.dirname(DATABASE)}/{name}", copy / name)
        result = subprocess.run([PROGRAMS + "/pixgrep", "--model", "tiny", "--db", copy / "index.db", "-l", "blue"], capture_output=True,
                                check=False)
        self.expect("a copy made meanwhile is searched, or refused", result, 0, 1, 2)
        backup = str(WORK / "backup.db")
        subprocess.run(["sqlite3", DATABASE, f".backup {backup}"], check=True)
        result = subprocess.run([PROGRAMS + "/pixgrep", "--model", "tiny", "--db", backup, "-l", "-k", "10", "blue"], capture_output=True,
                                check=False)
        self.expect("a backup made meanwhile is searched", result, 0)
        return "backups of the index"

    def deaf_clients(self):
        self.pest.stop_reading()
        return "clients that stop reading"

    def mad_clients(self):
        self.pest.talk_nonsense(self.rng)
        return "clients that talk nonsense"

    def spoil_cache(self):
        for path in Path(DATABASE).parent.glob("index.*.pixv"):
            if self.rng.random() < 0.5:
                path.unlink()
            else:
                with open(path, "r+b") as file:
                    file.seek(self.rng.randrange(path.stat().st_size))
                    file.write(b"spoilt")
        return "caches of vectors spoilt"

    def retry(self):
        result = self.daemon.run("failures", "--retry")
        self.expect("failures --retry", result, 0, 2)
        return "failures --retry" if result.returncode == 0 else None

    def hang(self):
        """Two pictures, each of which a decoder may take a minute for, and longer where others compute."""
        for what in ("hang", "sleep"):
            path = self.library.roots[0] + b"/%s.jpg" % what.encode()
            self.hanging.append(path)
            self.library.fixed.add(path)
            self.library.write(path, self.library.pictures.rogue(what))
        self.events["pictures that hang decoders"] += 2

    def are_contained(self):
        """Whether no picture hangs; those that did are taken away."""
        if self.hanging and set(self.hanging) <= set(Index(DATABASE).failures):
            for path in self.hanging:
                self.library.fixed.discard(path)
                del self.library.files[path]
                os.unlink(path)
            self.hanging = []
            self.checks.check("a picture that hangs a decoder costs itself alone", None)
        return not self.hanging

    def approve(self):
        """Takes held photos out, if there are any."""
        if not Index(DATABASE).held:
            return None
        result = self.daemon.run("approve-removals")
        self.expect("approve-removals", result, 0)
        return "approve-removals"

    def root_goes(self, how):
        self.library.tell(f"root goes: {how.__name__}")
        return how() if not self.library.gone and not self.hanging else None

    def disturb(self):
        if not self.deck:
            drives = [self.drives.unplug, self.drives.shift, self.drives.cover] if self.drive else []
            self.deck = [self.hang_up, self.pause, self.rescan, self.index_beside, self.look, self.restart, self.kill_decoders,
                         self.overflow, self.second_daemon, self.copy_index, self.deaf_clients, self.mad_clients, self.spoil_cache,
                         self.retry, self.approve,
                         *(lambda how=how: self.root_goes(how) for how in (*drives, self.drives.rename, self.drives.empty))]
            if self.is_early():
                self.deck += [self.kill, self.kill]
            self.rng.shuffle(self.deck)
        disturbance = self.deck.pop()
        self.library.tell("next", disturbance.__qualname__.encode())
        done = disturbance()
        if done:
            self.events[done] += 1

    def is_early(self):
        """Lives end in the first third, so that the last one is long enough to show whether it grows."""
        return time.monotonic() - self.began < SECONDS / 3

    # The course of things.

    def start(self):
        roots = [] if self.daemon.lives else self.library.roots
        self.checks.check("it starts", not self.daemon.start(*roots) and self.daemon.err.read_text("utf-8", "replace")[-500:])

    def change_for_a_while(self, count):
        for _ in range(count):
            self.library.do_one(MOST_FILES)
            time.sleep(self.rng.random() * 0.05)

    def check_away(self):
        """What is away, or may not be read, stays in the index."""
        if not self.library.gone and not self.library.denied:
            return
        away = (*self.library.gone, *self.library.denied)
        lost = {path for path, hashed in self.settled.items()
                if any(path == a or path.startswith(a + b"/") for a in away)
                and path in self.library.files and self.library.files[path].hash == hashed and self.library.is_seen(path)}
        lost -= {*Index(DATABASE).photos, *self.library.stirred}
        self.checks.check("what is away stays in the index", f"{len(lost)} photos, such as {min(lost)!r}" if lost else None)

    def come_to_rest(self):
        """What is still wrong when nothing changes any more; None when all is as it must be."""
        until = time.monotonic() + SOON
        while True:
            generation = self.daemon.generation()
            wrong = "the daemon does not answer" if generation is None else difference(self.library, Index(DATABASE))
            time.sleep(3 if not wrong else 0.1)  # longer than anything is put off
            if not wrong and generation == self.daemon.generation() or time.monotonic() > until:
                return wrong

    def rest(self):
        """Lets everything come to rest, and checks that all is as it must be."""
        library, checks = self.library, self.checks
        library.go_on_writing(to_the_end=True)
        self.check_away()
        self.drives.bring_back()
        library.allow_all()
        self.pest.leave()
        library.tell("resting")
        wrong = self.come_to_rest()
        checks.check("what happened is in the index soon", wrong)
        if wrong:
            self.daemon.run("rescan")
            print(f"    after a rescan: {difference(library, Index(DATABASE)) or 'it is'}")
        index = Index(DATABASE)
        self.settled = {path: row[0] for path, row in index.photos.items() if path not in index.held}
        library.rested({*index.photos, *index.gone})
        checks.of_index(DATABASE, index, self.holders())
        checks.of_library(library)
        checks.of_files((os.path.dirname(DATABASE), os.environ["XDG_RUNTIME_DIR"]))
        self.daemon.sample()
        checks.of_daemon(self.daemon, index.runs)
        checks.check("it does not say that it encodes more than it does", self.daemon.encoded() > index.vector_ids and
                     f"{self.daemon.encoded()} said, {index.vector_ids} stored")
        self.compare_with_fresh(index)

    def holders(self):
        """The files of the settled photos, by content and path and by content and inode; but for what another drive displaced."""
        found = set()
        for path, hashed in self.settled.items():
            status = os.lstat(path)
            found |= {(hashed, path), (hashed, status.st_dev, status.st_ino)} if hashed not in self.drives.displaced else set()
        return found

    def compare_with_fresh(self, index):
        fresh = WORK / "fresh.db"
        for path in WORK.glob("fresh*"):
            path.unlink()
        result = self.daemon.run("index", "--quiet", "--db", str(fresh), *self.library.roots, timeout=1800)
        self.expect("a new index is made", result, 0, 1)
        self.checks.of_fresh(index, Index(fresh))
        for words in self.rng.sample(WORDS, 2):
            self.checks.of_answers(PROGRAMS + "/pixgrep", words.split(" "), (DATABASE, str(fresh)), index.held)

    def run(self):
        print(f"seed {SEED}, {SECONDS / 60:g} minutes", flush=True)
        self.began = time.monotonic()
        self.change_for_a_while(60)
        self.start()
        self.questions.start()
        rested = time.monotonic()
        hung = False
        while time.monotonic() - self.began < SECONDS:
            self.change_for_a_while(self.rng.randint(10, 60))
            self.disturb()
            if not hung and not self.library.gone and time.monotonic() - self.began > SECONDS / 2 and SECONDS >= 600:
                hung = True
                self.hang()
            if self.are_contained() and time.monotonic() - rested > max(25, SECONDS / 12):
                self.rest()
                rested = time.monotonic()
                print(f"{(rested - self.began) / 60:5.1f} min: {len(self.library.files)} files, {len(self.settled)} photos, "
                      f"{sum(self.library.counts.values())} changes, {self.questions.counts['asked']} questions, "
                      f"{len(self.checks.failed) + len(self.questions.trouble)} failed checks", flush=True)
        if not it_comes_true(self.are_contained, 4 * SOON):
            self.checks.check("a picture that hangs a decoder costs itself alone", "it is not listed as a failure")
        self.rest()
        self.end()

    def end(self):
        self.questions.over.set()
        self.questions.join()
        self.approve()
        if self.daemon.run("rescan").returncode in (0, 1):
            self.checks.check("once removals are approved, nothing else is in the index", difference(self.library, Index(DATABASE))
                              or (Index(DATABASE).held and "photos are held"))
        code = self.daemon.end(signal.SIGTERM)
        self.checks.check("it stops when asked", code not in (0, 3) and f"exit code {code}")
        self.checks.check("no process is left", not it_comes_true(lambda: not self.daemon.strays()) and ", ".join(self.daemon.strays()))
        self.checks.check("no socket is left", os.path.exists(self.daemon.socket) and self.daemon.socket)
        salvage = self.daemon.run("salvage")
        self.checks.check("salvage finds nothing to do", b": sound" not in salvage.stdout and salvage.stdout.decode())
        first, last = self.daemon.longest[0][0], self.daemon.longest[-1][0]
        self.checks.check("memory stays flat", last > 1.5 * first + 32768 and f"{first} KiB at first, {last} KiB at last")
        self.table()

    def table(self):
        print("\nwhat was done                            times")
        for name, times in sorted((self.library.counts + self.events).items()):
            print(f"  {name:38} {times:5}")
        print("\nquestions                   asked   median    worst")
        for (kind, here), seconds in sorted(self.questions.seconds.items()):
            name = kind + (", without it" if here else ", by the socket")
            print(f"  {name:25} {len(seconds):5} {1000 * statistics.median(seconds):6.0f} ms {1000 * max(seconds):6.0f} ms")
        print(f"  compared byte for byte    {self.questions.counts['compared']:5}")
        print("\nchecks                                                       held")
        for name, times in sorted(self.checks.passed.items()):
            print(f"  {name:58} {times:5}")
        failed = len(self.checks.failed) + len(self.questions.trouble)
        (first, few), (last, many) = self.daemon.longest[0], self.daemon.longest[-1]
        print(f"\n{self.daemon.lives} lives of the daemon; in the longest, {len(self.daemon.longest)} rests: private memory "
              f"{first / 1024:.1f} MiB at first, {last / 1024:.1f} at last; descriptors {few}, {many}")
        print(f"{len(self.library.files)} files at the end; {self.daemon.encoded()} pictures encoded; failed checks: {failed}")
        sys.exit(1 if failed else 0)


if __name__ == "__main__":
    Soak().run()
