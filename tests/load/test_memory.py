#!/usr/bin/python3
"""2,000,000 vectors of 768 values (6 GB) through the bulk writer in 32 MiB, on its own and with a server that stalls
under deadlines of 1 s, inside a memory cgroup of 128 MiB where the system lets us make one.

usage: test_memory.py VECMUXD VECMUX_BENCH [test...]
VMX_TEST_FULL=1 takes the full numbers; without it a tenth of the vectors and a shorter stall.
"""
import json
import os
import resource
import signal
import subprocess
import sys
import time
import unittest

from harness import SLOW, Server

FULL = os.environ.get("VMX_TEST_FULL") == "1"
VECTORS = 2000000 if FULL else 200000
STALL_S = 20 if FULL else 4
BATCH = 610
LIMIT = 32 << 20
OVERHEAD_KB = 24 << 10
CGROUP_BYTES = 128 << 20


class Cgroup:
    """A memory cgroup of this process's own, version 1 or 2."""

    def __init__(self):
        v1 = "/sys/fs/cgroup/memory"
        root, limit, self.peak_file = ((v1, "memory.limit_in_bytes", "memory.max_usage_in_bytes") if os.path.isdir(v1)
                                       else ("/sys/fs/cgroup", "memory.max", "memory.peak"))
        self.path = os.path.join(root, f"vecmux-test-{os.getpid()}")
        os.mkdir(self.path)
        try:
            self.write(limit, str(CGROUP_BYTES))
        except OSError:
            self.remove()
            raise

    def write(self, name, text):
        with open(os.path.join(self.path, name), "w", encoding="ascii") as file:
            file.write(text)

    def enter(self):
        self.write("cgroup.procs", str(os.getpid()))

    def peak(self):
        path = os.path.join(self.path, self.peak_file)
        if not os.path.exists(path):
            return 0
        with open(path, encoding="ascii") as file:
            return int(file.read())

    def remove(self):
        os.rmdir(self.path)


class MemoryTest(unittest.TestCase):
    def setUp(self):
        self.server = Server("--discard")
        self.addCleanup(lambda: self.assertEqual(self.server.stop(), 0))
        try:
            self.cgroup = Cgroup()
            self.addCleanup(self.cgroup.remove)
        except OSError as error:
            self.cgroup = None
            print(f"no memory cgroup ({error}): ulimit -v {CGROUP_BYTES * 8 >> 20} MiB of addresses instead")

    def limit(self):
        """In the child, before the bench."""
        if self.cgroup:
            self.cgroup.enter()
        else:
            resource.setrlimit(resource.RLIMIT_AS, (CGROUP_BYTES * 8, CGROUP_BYTES * 8))

    def start(self, *arguments):
        return subprocess.Popen(
            [sys.argv[2], "load", "--json", "--endpoint", self.server.endpoint, "--vectors", str(VECTORS), "--batch",
             str(BATCH), "--set", f"memory.limit.bytes={LIMIT}", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=self.limit)

    def check(self, bench):
        try:
            out, err = bench.communicate(timeout=240 * SLOW)
        finally:
            bench.kill()
            bench.wait()
        self.assertEqual((bench.returncode, err), (0, ""), out)
        row = json.loads(out)["rows"][0]
        memory = row["memory"]
        print(f"{VECTORS} x 768 in {row['seconds']:.1f} s: {memory}, attempts {row['attempts']} of {row['operations']} batches, "
              f"cgroup peak {self.cgroup.peak() >> 20 if self.cgroup else '?'} MiB")
        self.assertGreaterEqual(row["operations"], VECTORS // BATCH)  # that all vectors are stored the bench has checked
        self.assertEqual(row["errors"], 0)
        self.assertEqual(memory["end_bytes"], 0)
        self.assertLessEqual(memory["peak_bytes"], LIMIT)
        self.assertLess(memory["peak_anon_kb"], (LIMIT >> 10) + OVERHEAD_KB)
        return row

    def test_on_its_own(self):
        self.check(self.start())

    def test_server_that_stalls(self):
        """The server does nothing for a while in the middle; every call has a deadline of 1 s."""
        bench = self.start("--set", "call.timeout.ms=1000")
        time.sleep(1.0 if FULL else 0.3)
        self.assertIsNone(bench.poll(), "the load ended before the stall")
        self.server.process.send_signal(signal.SIGSTOP)
        try:
            time.sleep(STALL_S)
        finally:
            self.server.process.send_signal(signal.SIGCONT)
        row = self.check(bench)
        self.assertGreater(row["seconds"], STALL_S)
        self.assertGreater(row["attempts"], row["operations"])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
