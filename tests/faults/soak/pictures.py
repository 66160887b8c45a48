"""What the files of the soak hold: pictures, each with pixels or bytes of its own, and what only looks like one."""
import hashlib
import struct
import subprocess
import zlib
from pathlib import Path

CAMERAS = ("Alpha 7", "X100V", "EOS R5", "Pixel 8")
ROGUES = ("crash", "abort", "end", "babble", "hog", "overflow the stack")


class Content:
    """The bytes of a file; a good one becomes a photo of the index, any other a failure."""
    __slots__ = ("data", "hash", "good", "ending")

    def __init__(self, data, good, ending):
        self.data, self.good, self.ending = data, good, ending
        self.hash = hashlib.sha256(data).digest()


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width, height, rows):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


class Pictures:
    def __init__(self, rng, folder, make_photo, vips):
        """Cameras' JPEGs, and other formats made of them, lie in `folder`; all else is drawn when it is wanted."""
        self.rng = rng
        self.number = 0
        self.jpegs, self.others = [], []
        folder.mkdir()
        for i in range(60):
            path = folder / f"{i}.jpg"
            facts = [f"time=20{10 + i % 14}:{1 + i % 12:02}:{1 + i % 28:02} 12:30:{i % 60:02}", f"camera={CAMERAS[i % 4]}",
                     f"orientation={1 + i % 8}", f"place={48 + i / 50:.2f},{2 + i / 70:.2f}"]
            subprocess.run([make_photo, path, str(160 + 8 * i), str(480 - 4 * i), str(i), *facts[:4 if i % 3 else 2]], check=True)
            self.jpegs.append(path.read_bytes())
            for ending in ("webp", "tif", "gif", "png") if vips and i < 8 else ():
                copy = folder / f"{i}.{ending}"
                if subprocess.run([vips, "copy", path, copy], capture_output=True, check=False).returncode == 0:
                    self.others.append((copy.read_bytes(), ending))

    def squares(self):
        """A picture of a few coloured squares: its sides and its rows of pixels."""
        across, down, side = self.rng.randint(1, 6), self.rng.randint(1, 6), self.rng.randint(3, 12)
        colours = [[self.rng.randbytes(3) for _ in range(across)] for _ in range(down)]
        return across * side, down * side, [b"".join(c * side for c in row) for row in colours for _ in range(side)]

    def good(self):
        self.number += 1
        kind = self.rng.random()
        tag = b"picture %d" % self.number
        tag += b"." * (self.number % 97)  # files of the same moment seldom have the same size, too
        if kind < 0.45:
            width, height, rows = self.squares()
            return Content(b"P6\n# %s\n%d %d\n255\n" % (tag, width, height) + b"".join(rows), True, "ppm")
        if kind < 0.65:
            width, height, rows = self.squares()
            return Content(png(width, height, b"".join(b"\0" + row for row in rows)) + tag, True, "png")
        if kind < 0.93 or not self.others:
            jpeg = self.rng.choice(self.jpegs)
            return Content(jpeg[:2] + b"\xff\xfe" + struct.pack(">H", len(tag) + 2) + tag + jpeg[2:], True, "jpg")
        data, ending = self.rng.choice(self.others)
        return Content(data + tag, True, ending)

    def bad(self):
        self.number += 1
        tag = b"%d" % self.number
        kind = self.rng.randrange(8)
        if kind == 0:
            jpeg = self.rng.choice(self.jpegs)
            return Content(jpeg[:2] + b"\xff\xfe" + struct.pack(">H", len(tag) + 2) + tag + jpeg[2:len(jpeg) // 2], False, "jpg")
        if kind == 1:
            return Content(b"P6\n# %s\n400 400\n255\n" % tag + self.rng.randbytes(5000), False, "ppm")
        if kind == 2:
            width, height, rows = self.squares()
            return Content(png(width, height + 900, b"".join(b"\0" + row for row in rows)) + tag, False, "png")
        if kind == 3:
            return Content(png(60000, 60000, bytes(180001 * 20)) + tag, False, "png")
        if kind == 4:
            return Content(b"GIF89a\xff\xff\xff\xff\0\0\0," + tag, False, "gif")
        if kind == 5:
            return Content(self.rng.randbytes(self.rng.randint(1, 4000)) + tag, False, self.rng.choice(("jpg", "heic", "webp", "cr2")))
        if kind == 6:
            return Content(b"", False, "jpeg")
        return self.rogue(self.rng.choice(ROGUES))

    def rogue(self, what):
        self.number += 1
        return Content(b"ROGUE %s\n%d" % (what.encode(), self.number), False, "jpg")
