"""Starts and stops vecmuxd for tests.

    with Vecmuxd("--metric", "euclidean") as server:
        ... server.target is "127.0.0.1:PORT" ...

The program is named by the environment variable VMX_VECMUXD, and runs under VMX_EMULATOR (valgrind) if that is set. The
server listens on a free loopback port, is stopped by its own process id, and must end with exit code 0 (so that a
sanitizer's complaint fails the test); its stderr is shown when it does not. Every wait has a limit, scaled by
VMX_TEST_SLOW. Usable by any test that runs with PYTHONPATH=<source>/tests/peer.
"""
import os
import signal
import subprocess
import tempfile
import time

SLOW = float(os.environ.get("VMX_TEST_SLOW", "1"))
START_LIMIT_S = 30 * SLOW
STOP_LIMIT_S = 30 * SLOW


def command(*arguments):
    path = os.environ.get("VMX_VECMUXD")
    if not path:
        raise RuntimeError("VMX_VECMUXD does not name the program")
    return [*os.environ.get("VMX_EMULATOR", "").split(), path, *arguments]


def sanitizer_environment():
    """gRPC core and FAISS are not instrumented: without this the thread sanitizer sees races that are none."""
    environment = dict(os.environ)
    environment.setdefault("TSAN_OPTIONS", "ignore_noninstrumented_modules=1")
    return environment


class Vecmuxd:
    """A running server; `arguments` are added to its command line."""

    def __init__(self, *arguments):
        self._directory = tempfile.TemporaryDirectory(prefix="vecmuxd-test-")
        port_file = os.path.join(self._directory.name, "port")
        self._log = open(os.path.join(self._directory.name, "log"), "w+", encoding="utf-8", errors="replace")
        self.process = subprocess.Popen(
            command("--listen", "127.0.0.1:0", "--port-file", port_file, *arguments),
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, env=sanitizer_environment())
        try:
            self.port = self._await_port(port_file)
        except BaseException:
            self.process.kill()
            self._finish()
            raise
        self.target = f"127.0.0.1:{self.port}"

    def _await_port(self, port_file):
        limit = time.monotonic() + START_LIMIT_S
        while time.monotonic() < limit:
            if os.path.exists(port_file):
                with open(port_file, encoding="ascii") as file:
                    return int(file.read())
            if self.process.poll() is not None:
                raise RuntimeError(f"vecmuxd ended with {self.process.returncode}: {self.log()}")
            time.sleep(0.01)
        raise RuntimeError(f"vecmuxd did not listen within {START_LIMIT_S} s: {self.log()}")

    def log(self):
        """What it has printed so far."""
        with open(self._log.name, encoding="utf-8", errors="replace") as file:
            return file.read()

    def _finish(self):
        self.process.wait(STOP_LIMIT_S)
        text = self.log()
        self._log.close()
        self._directory.cleanup()
        return text

    def stop(self, signal_number=signal.SIGTERM):
        """Asks it to stop; gives its exit code and what it printed."""
        if self.process.poll() is None:
            self.process.send_signal(signal_number)
        try:
            self.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise RuntimeError(f"vecmuxd did not stop within {STOP_LIMIT_S} s: {self._finish()}") from None
        return self.process.returncode, self._finish()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        code, text = self.stop()
        if code != 0:
            raise RuntimeError(f"vecmuxd ended with {code}: {text}")
