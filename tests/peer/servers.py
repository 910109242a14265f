"""Servers for tests: real ones by scripts/servers/, and vecmuxd.

    with server() as endpoint: ...
    with server("qdrant-edge") as endpoint: ...

Which Milvus is VMX_MILVUS_SERVER's word (milvus-lite, or milvus); MILVUS_ENDPOINT or QDRANT_ENDPOINT names one that runs.
Where it cannot be had the test is skipped: exit code 77, and the reason as the last line ("SKIP name: reason"; where it
is known already that line is in VMX_SERVERS_SKIP). VMX_LIMIT_S is after how long the test ends by itself, with its servers, before ctest kills it;
VMX_UNTIL the moment, in seconds since 1970, when all tests end so.
"""
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time

SOURCE = os.environ["VMX_SOURCE_DIR"]
NAME = os.environ.get("VMX_MILVUS_SERVER", "milvus-lite")
IS_LITE = NAME == "milvus-lite"


def end(number, _):
    """By an exception, so that whoever has started a server stops it."""
    sys.exit("the test's time is over" if number == signal.SIGALRM else "the test was told to end")


def skip(reason):
    print(reason, flush=True)
    sys.exit(77)


signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGALRM, end)
LIMITS = [int(os.environ["VMX_LIMIT_S"])] if "VMX_LIMIT_S" in os.environ else []
LIMITS += [int(os.environ["VMX_UNTIL"]) - int(time.time())] if "VMX_UNTIL" in os.environ else []
if LIMITS:
    signal.alarm(max(1, min(LIMITS)))


def script(name):
    return os.path.join(SOURCE, "scripts", "servers", name + ".sh")


def skip_known(name):
    for line in os.environ.get("VMX_SERVERS_SKIP", "").splitlines():
        if line.startswith(f"SKIP {name}:"):
            skip(line)


def install(name):
    """The server's packages."""
    skip_known(name)
    done = subprocess.run([script(name), "install"], stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        print(done.stderr.strip().splitlines()[-1], flush=True)
        sys.exit(done.returncode)


class Server:
    """A server on a directory of its own; stop and start keep its data and its endpoint."""

    def __init__(self, name=NAME):
        skip_known(name)
        self.name = name
        self.directory = tempfile.TemporaryDirectory(prefix=f"vecmux-{name}-")
        self.endpoint = self.start()

    def _run(self, command):
        return subprocess.run([script(self.name), command, self.directory.name], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=600)

    def start(self):
        started = self._run("start")
        if started.returncode == 77:
            skip(started.stderr.strip().splitlines()[-1])
        if started.returncode != 0:
            raise RuntimeError(started.stderr)
        return started.stdout.strip()

    def pid(self):
        return int(read(os.path.join(self.directory.name, "pid")))

    def stop(self):
        self._run("stop")

    def close(self):
        self.stop()
        self.directory.cleanup()


@contextlib.contextmanager
def server(name=NAME):
    running_one = os.environ.get("QDRANT_ENDPOINT" if name.startswith("qdrant") else "MILVUS_ENDPOINT")
    if running_one:
        yield running_one
        return
    running = Server(name)
    try:
        yield running.endpoint
    finally:
        running.close()


def read(path):
    """The file's text; "" where there is none yet."""
    if not os.path.exists(path):
        return ""
    with open(path) as file:
        return file.read().strip()


@contextlib.contextmanager
def vecmuxd(*options):
    with tempfile.TemporaryDirectory(prefix="vecmux-") as directory:
        port_file = os.path.join(directory, "port")
        process = subprocess.Popen([os.environ["VMX_VECMUXD"], "--listen", "127.0.0.1:0", "--port-file", port_file,
                                    *options], stderr=subprocess.DEVNULL)
        try:
            limit = time.monotonic() + 20 * float(os.environ.get("VMX_TEST_SLOW", "1"))
            while not read(port_file):
                if process.poll() is not None or time.monotonic() > limit:
                    raise RuntimeError("vecmuxd did not start")
                time.sleep(0.02)
            yield "127.0.0.1:" + read(port_file)
        finally:
            process.terminate()
            process.wait(20)


# milvus-lite takes one writer at a time on a collection.
ONE_AT_A_TIME = {"channel.count": 1, "channel.max.streams": 1} if IS_LITE else {}
