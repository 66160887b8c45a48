"""Roots that go away and come back: drives that are unmounted or covered, folders that are renamed or emptied."""
import os
import subprocess
import time


def run(*command):
    return subprocess.run(command, capture_output=True, check=True)


class Drives:
    def __init__(self, rng, library, drive, work):
        """`drive` is the root that is a mounted drive, or None."""
        self.rng, self.library, self.drive, self.work = rng, library, drive, os.fsencode(work)
        self.returns = {}       # what brings a root back
        self.displaced = set()  # contents whose paths held another's for a while

    @staticmethod
    def mount(point, source):
        os.makedirs(point, exist_ok=True)
        run("mount", "-t", "tmpfs", "-o", "size=200m,mode=700", source, point)

    def unmount(self, point):
        for _ in range(100):
            if subprocess.run(("umount", point), capture_output=True, check=False).returncode == 0:
                return
            time.sleep(0.1)
        run("umount", "-l", point)

    def finish_writing(self):
        self.library.go_on_writing(to_the_end=True)
        self.library.allow_all()

    def take(self, root, come_back):
        self.library.gone.add(root)
        self.returns[root] = come_back

    def bring_back(self):
        """Every root that is away; gives those that were."""
        back = list(self.returns)
        for root in back:
            self.returns.pop(root)()
            self.library.gone.discard(root)
        return back

    def unplug(self):
        """Really unmounted; what comes back is another tmpfs of the same name, with the same files."""
        self.finish_writing()
        saved = self.work + b"/saved"
        run("rm", "-rf", saved)
        run("cp", "-a", self.drive, saved)
        self.unmount(self.drive)

        def plug_in():
            staging = self.work + b"/staging"
            self.mount(staging, "soakdrive")
            run("cp", "-a", saved + b"/.", staging)
            run("mount", "--move", staging, self.drive)
        self.take(self.drive, plug_in)
        return "drives unplugged and plugged in"

    def shift(self):
        """Mounted elsewhere for a while."""
        self.finish_writing()
        elsewhere = self.work + b"/elsewhere"
        os.makedirs(elsewhere, exist_ok=True)
        run("mount", "--move", self.drive, elsewhere)
        self.take(self.drive, lambda: run("mount", "--move", elsewhere, self.drive))
        return "drives mounted elsewhere and back"

    def cover(self):
        """Another drive in its place, with photos of its own, some under the names of others."""
        self.finish_writing()
        names = [os.path.basename(p) for p in self.library.files if os.path.dirname(p) == self.drive][:3] + [b"stranger.png"]
        self.mount(self.drive, "stranger")
        for name in names:
            if self.drive + b"/" + name in self.library.files:
                self.displaced.add(self.library.files[self.drive + b"/" + name].hash)
            self.library.ever.add(self.drive + b"/" + name)
            with open(self.drive + b"/" + name, "wb") as out:
                out.write(self.library.pictures.good().data)
        self.take(self.drive, lambda: self.unmount(self.drive))
        return "drives with another in their place"

    def rename(self):
        self.finish_writing()
        root = self.rng.choice([r for r in self.library.roots if r not in (self.drive, *self.library.gone)])
        os.rename(root, root + b".away")
        self.take(root, lambda: os.rename(root + b".away", root))
        return "roots renamed away and back"

    def empty(self):
        self.finish_writing()
        root = self.rng.choice([r for r in self.library.roots if r not in (self.drive, *self.library.gone)])
        os.rename(root, root + b".away")
        os.mkdir(root)

        def fill():
            os.rmdir(root)
            os.rename(root + b".away", root)
        self.take(root, fill)
        return "roots replaced by an empty folder"
