"""Runs `vecmux` and, where a test needs one, a `vecmuxd` of its own on a free loopback port.

The tool comes from the environment variable VECMUX, the server from the test's first argument. Everything that waits
has a limit, scaled by VMX_TEST_SLOW. VMX_EMULATOR is put before both.
"""
import json
import os
import subprocess
import sys
import tempfile
import time
import unittest

SLOW = float(os.environ.get("VMX_TEST_SLOW", "1"))
EMULATOR = os.environ.get("VMX_EMULATOR", "").split()


class Server:
    """A vecmuxd that is stopped by its own pid; stop() gives its exit code."""

    def __init__(self, *arguments):
        self.directory = tempfile.TemporaryDirectory()
        port_file = os.path.join(self.directory.name, "port")
        command = [*EMULATOR, sys.argv[1], "--listen", "127.0.0.1:0", "--port-file", port_file, *arguments]
        self.log = open(os.path.join(self.directory.name, "log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        self.endpoint = "127.0.0.1:" + self.read_port(port_file)

    def read_port(self, port_file):
        limit = time.monotonic() + 20 * SLOW
        while time.monotonic() < limit and self.process.poll() is None:
            if os.path.exists(port_file):
                with open(port_file, encoding="utf-8") as file:
                    port = file.read().strip()
                if port:
                    return port
            time.sleep(0.02)
        self.stop()
        raise RuntimeError("vecmuxd did not start")

    def stop(self):
        self.process.terminate()
        try:
            code = self.process.wait(20 * SLOW)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.log.seek(0)
        if code != 0:
            print(self.log.read())
        self.log.close()
        self.directory.cleanup()
        return code


def run(*arguments, stdin="", env=None):
    """Runs vecmux; gives (exit code, stdout, stderr)."""
    done = subprocess.run([*EMULATOR, os.environ["VECMUX"], *arguments], input=stdin, capture_output=True, text=True,
                          timeout=60 * SLOW, check=False, env={**os.environ, **(env or {})})
    return done.returncode, done.stdout, done.stderr


def lines(values):
    return "".join(json.dumps(value) + "\n" for value in values)


class CliCase(unittest.TestCase):
    maxDiff = None

    def fails(self, code, *arguments, stdin="", says=()):
        """vecmux ends with the code, prints one line on stderr, and the line has each of the texts."""
        got, _, err = run(*arguments, stdin=stdin)
        self.assertEqual(got, code, err)
        self.assertEqual(err.count("\n"), 1, err)
        self.assertTrue(err.startswith("vecmux: "), err)
        for text in says:
            self.assertIn(text, err)


class ServerCase(CliCase):
    """Every test has an empty server of its own."""

    server_arguments = ()

    def setUp(self):
        self.server = Server(*self.server_arguments)
        self.addCleanup(lambda: self.assertEqual(self.server.stop(), 0))

    def vecmux(self, command, *arguments, stdin=""):
        """Runs a command that must succeed in silence; gives its output, a value for each line."""
        code, out, err = run(command, "--endpoint", self.server.endpoint, *arguments, stdin=stdin)
        self.assertEqual((code, err), (0, ""))
        return [json.loads(line) for line in out.splitlines()]

    def refuses(self, command, *arguments, code=1, stdin="", says=()):
        self.fails(code, command, "--endpoint", self.server.endpoint, *arguments, stdin=stdin, says=says)
