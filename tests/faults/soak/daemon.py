"""pixgrepd watch while it is looked at: its lives, what it says, and the processes and files that are its own."""
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections import Counter

PROTOCOL = 2
SOON = int(os.environ.get("PATIENCE", "240"))  # seconds; what takes longer is taken for never


def it_comes_true(condition, patience=SOON):
    """The condition's value, as soon as it is one."""
    until = time.monotonic() + patience
    while True:
        value = condition()
        if value or time.monotonic() > until:
            return value
        time.sleep(0.1)


class Daemon:
    def __init__(self, programs, wrapper, work):
        self.programs, self.wrapper = programs, wrapper
        self.out, self.err = work / "watch.out", work / "watch.err"
        self.socket = os.environ["XDG_RUNTIME_DIR"] + "/pixgrep.sock"
        self.process = None
        self.lives = 0
        self.exits = Counter()
        self.samples = []   # [resident KiB, descriptors] of the life at hand
        self.longest = []   # the same of the longest one

    def run(self, *arguments, **options):
        return subprocess.run([*self.wrapper, self.programs + "/pixgrepd", *arguments], capture_output=True, check=False, **options)

    def start(self, *roots):
        """Starts it and waits until it has looked at everything."""
        self.lives += 1
        told = self.count_told()
        with open(self.out, "ab") as out, open(self.err, "ab") as err:
            self.process = subprocess.Popen([*self.wrapper, self.programs + "/pixgrepd", "watch", *roots], stdout=out, stderr=err)
        self.samples = []
        return it_comes_true(lambda: self.count_told() > told or self.process.poll() is not None) and self.is_running()

    def count_told(self):
        return self.out.read_bytes().count(b" watched\n") if self.out.exists() else 0

    def is_running(self):
        return self.process.poll() is None

    def end(self, number):
        """Sends the signal, waits, and gives the exit code."""
        self.process.send_signal(number)
        try:
            self.process.wait(SOON)
        except subprocess.TimeoutExpired:
            return None
        self.exits[self.process.returncode] += 1
        return self.process.returncode

    def ask(self, *requests):
        """The answers to requests, or None when nobody answers."""
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(SOON)
                client.connect(self.socket)
                answers = []
                for request in requests:
                    client.sendall(json.dumps(request).encode() + b"\n")
                    line = b""
                    while not line.endswith(b"\n"):
                        part = client.recv(65536)
                        if not part:
                            return None
                        line += part
                    answers.append(json.loads(line))
                return answers
        except OSError:
            return None

    def generation(self):
        """What changes with every change of the index; None when the daemon does not tell."""
        answers = self.ask({"call": "hello", "protocol": PROTOCOL})
        return answers and answers[0].get("generation")

    # Its processes.

    def children(self):
        """Process ids and states of its children."""
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                        fields = file.read().rpartition(")")[2].split()
                except OSError:
                    continue
                if int(fields[1]) == self.process.pid:
                    found.append((int(entry), fields[0]))
        return found

    @staticmethod
    def still_decoding(pids):
        """Those that are decoders still, with what they do; their numbers may be another's by now."""
        found = []
        for pid in pids:
            try:
                program = os.readlink(f"/proc/{pid}/exe")
                with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                    state = file.read().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if "/pixgrep-decode" in program:
                found.append(f"{program} ({pid}), state and parent {state}")
        return found

    def strays(self):
        """What runs of these programs, besides the daemon and its children."""
        own = {self.process.pid, *(pid for pid, _ in self.children())} if self.is_running() else set()
        found = []
        for entry in os.listdir("/proc"):
            try:
                program = os.readlink(f"/proc/{entry}/exe") if entry.isdigit() else ""
            except OSError:
                continue
            if program.startswith(os.path.dirname(self.programs)) and int(entry) not in own:
                found.append(f"{program} ({entry})")
        return found

    def kill_a_decoder(self):
        for pid, _ in self.children():
            try:
                os.kill(pid, signal.SIGKILL)
                return True
            except ProcessLookupError:
                continue
        return False

    def sample(self):
        """Notes its memory and descriptors."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            anonymous = int(re.search(r"RssAnon:\s+(\d+)", file.read())[1])
        self.samples.append((anonymous, len(os.listdir(f"/proc/{self.process.pid}/fd"))))
        if len(self.samples) > len(self.longest):
            self.longest = self.samples

    # What it said.

    def encoded(self):
        """How many pictures it says to have encoded, in all its lives."""
        said = re.findall(rb"; ([\d,]+) encoded in ", self.out.read_bytes())
        return sum(int(count.replace(b",", b"")) for count in said)

    def repeated(self):
        """The line of its standard error that came most often, and how often."""
        return max(Counter(self.err.read_text("utf-8", "replace").splitlines()).items(), key=lambda line: line[1], default=("", 0))


class Pest:
    """Clients of the control socket that misbehave, until they are let go."""

    def __init__(self, path):
        self.path, self.clients = path, []

    def connect(self, data):
        client = socket.socket(socket.AF_UNIX)
        client.setblocking(False)
        try:
            client.connect(self.path)
            client.send(data)
        except OSError:
            pass
        self.clients.append(client)

    def stop_reading(self):
        """Questions whose answers nobody takes."""
        for _ in range(5):
            self.connect(b'{"call":"hello","protocol":%d}\n{"call":"status"}\n' % PROTOCOL * 2000)

    def talk_nonsense(self, rng):
        for data in (rng.randbytes(5000), b"\n" * 3000, b'{"call":"search","vectors":[[' + b"1," * 50000, b"[" * 100000 + b"\n",
                     b'{"call":"st', b'{"call":"encode_image"}\n{"call":"encode_text","ids":[[' + b"1," * 70 + b"1]]}\n"):
            self.connect(data)

    def leave(self):
        for client in self.clients:
            client.close()
        self.clients = []
