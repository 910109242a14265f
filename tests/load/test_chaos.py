#!/usr/bin/python3
"""A load into a server that is killed, refuses, pushes back and drops connections: nothing is lost, nothing is old.

usage: test_chaos.py VECMUXD [test...]
"""
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import numpy as np

from harness import EMULATOR, SLOW, CliCase, lines, run

SCALE = 1 if SLOW <= 4 else 10
DISTINCT = 200000 // SCALE
REWRITTEN = 40000 // SCALE
FAULTS = ("--fault", "Upsert:unavailable:5%", "--fault", "Upsert:exhausted:pushback=50ms:2%",
          "--fault", "*:drop:after:1%")


class StubbornServer:
    """vecmuxd that keeps its data and its port over kills."""

    def __init__(self, directory):
        self.directory = directory
        self.log = open(os.path.join(directory, "log"), "a+", encoding="utf-8")
        self.port = 0

    def start(self, *arguments):
        port_file = os.path.join(self.directory, "port")
        if os.path.exists(port_file):
            os.unlink(port_file)
        self.process = subprocess.Popen(
            [*EMULATOR, sys.argv[1], "--listen", f"127.0.0.1:{self.port}", "--port-file", port_file, "--data",
             os.path.join(self.directory, "data"), *arguments], stdout=self.log, stderr=self.log)
        limit = time.monotonic() + 30 * SLOW
        while time.monotonic() < limit and self.process.poll() is None:
            if os.path.exists(port_file):
                with open(port_file, encoding="utf-8") as file:
                    self.port = int(file.read())
                return
            time.sleep(0.01)
        raise RuntimeError("vecmuxd did not start: " + self.text())

    def end(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(30 * SLOW)

    def text(self):
        self.log.flush()
        with open(self.log.name, encoding="utf-8") as file:
            return file.read()


class ChaosTest(CliCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.server = StubbornServer(self.directory)
        self.addCleanup(self.server.log.close)
        self.seed = int(os.environ.get("VMX_TEST_SEED", time.time_ns() % 10**6))
        print(f"VMX_TEST_SEED={self.seed}")

    def path(self, name):
        return os.path.join(self.directory, name)

    def write_input(self):
        """Every id once, then some again: gives the row that each id must end with."""
        chance = random.Random(self.seed)
        ids = list(range(DISTINCT)) + chance.sample(range(DISTINCT), REWRITTEN)
        array = np.random.default_rng(self.seed).standard_normal((len(ids), 4)).astype("f4")
        np.save(self.path("a.npy"), array)
        with open(self.path("ids"), "w", encoding="utf-8") as file:
            file.writelines(f"v{number}\n" for number in ids)
        return dict(zip(ids, array))

    def start_load(self):
        rate = 40000 / SCALE / SLOW
        return subprocess.Popen(
            [*EMULATOR, os.environ["VECMUX"], "load", "--json", "--endpoint", f"127.0.0.1:{self.server.port}", "--ids",
             self.path("ids"), "--batch-vectors", str(max(20, 200 // SCALE)), "--rate", str(rate), "--dead-letters",
             self.path("dead"), self.path("a.npy")],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def kill_server_twice(self, load):
        """At random moments of the load, which takes 6 s and more."""
        chance = random.Random(self.seed + 1)
        for _ in range(2):
            time.sleep(chance.uniform(0.8, 2.2) * SLOW)
            self.assertIsNone(load.poll(), "the load ended before the server was killed")
            self.server.end(signal.SIGKILL)
            time.sleep(chance.uniform(0, 0.5) * SLOW)
            self.server.start(*FAULTS, "--fault-seed", str(chance.randrange(1000)))

    def fetch_all(self, count):
        found = {}
        for at in range(0, count, 50000):
            code, out, err = run("fetch", "--endpoint", f"127.0.0.1:{self.server.port}", "-",
                                 stdin=lines(f"v{i}" for i in range(at, min(at + 50000, count))))
            self.assertEqual((code, err), (0, ""))
            found.update((record["id"], record["values"]) for record in map(json.loads, out.splitlines()))
        return found

    def test_chaos(self):
        expected = self.write_input()
        self.server.start(*FAULTS, "--fault-seed", str(self.seed))
        load = self.start_load()
        try:
            self.kill_server_twice(load)
            out, err = load.communicate(timeout=120 * SLOW)
        finally:
            load.kill()
            load.wait()
        done = json.loads(out.splitlines()[-1])
        self.assertEqual((load.returncode, err), (0, ""), out[-500:])
        self.assertEqual((done["stored"], done["failed"], done["complete"]), (DISTINCT + REWRITTEN, 0, True))
        self.assertGreater(done["retries"], 20)
        self.assertFalse(os.path.exists(self.path("dead")) and os.path.getsize(self.path("dead")))
        self.assertEqual(self.server.end(), 0)
        hits = [int(text) for text in re.findall(r"(\d+) (?:times|of \d+)", self.server.text())]
        print(f"{done['retries']} retries; the server says {hits}")

        self.server.start()
        found = self.fetch_all(DISTINCT)
        self.assertEqual(self.server.end(), 0)
        self.assertEqual(len(found), DISTINCT)
        for number, values in expected.items():
            self.assertEqual(np.array(found[f"v{number}"], "f4").tobytes(), values.tobytes(), f"v{number}")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
