#!/usr/bin/python3
"""bench/train: a build that is optimized from a run. Its programs work, a second time nothing is built again, and what cannot be
is said."""
import json
import os
import subprocess
import tempfile
import time
import unittest

from vecmuxd import Vecmuxd

ROOT = os.environ["VMX_SOURCE_DIR"]
TRAIN_LIMIT_S = 1200


def train(*arguments):
    return subprocess.run([os.path.join(ROOT, "bench", "train"), *arguments], capture_output=True, text=True, check=False,
                          timeout=TRAIN_LIMIT_S)


class Train(unittest.TestCase):
    def test_a_trained_build_works_and_stays(self):
        with tempfile.TemporaryDirectory(prefix="vecmux-train-") as directory:
            first = train(directory)
            self.assertEqual(first.returncode, 0, first.stderr)
            programs = os.path.join(directory, "bin")
            self.assertIn(programs, first.stdout)
            bench, note = os.path.join(programs, "vecmux-bench"), os.path.join(directory, "trained")
            made = os.stat(bench).st_mtime_ns, os.stat(note).st_mtime_ns
            begin = time.monotonic()
            self.assertEqual(train(directory).returncode, 0)
            self.assertEqual((os.stat(bench).st_mtime_ns, os.stat(note).st_mtime_ns), made, time.monotonic() - begin)
            os.environ["VMX_VECMUXD"] = os.path.join(programs, "vecmuxd")
            server = Vecmuxd("--discard")
            done = subprocess.run([bench, "query", "--endpoint", server.target, "--json", "--seconds", "0.5"], capture_output=True,
                                  text=True, check=False, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertGreater(json.loads(done.stdout)["rows"][0]["operations"], 100)
            self.assertEqual(server.stop()[0], 0)
            self.check_installation(directory)

    def check_installation(self, directory):
        with tempfile.TemporaryDirectory(prefix="vecmux-train-") as prefix:
            done = subprocess.run(["cmake", "--install", directory, "--prefix", prefix], capture_output=True, text=True, check=False,
                                  timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            done = subprocess.run([os.path.join(prefix, "bin", "vecmux"), "--version"], capture_output=True, text=True, check=False,
                                  timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_usage(self):
        self.assertEqual((train("--help").returncode, train("--x").returncode, train("a", "b").returncode), (0, 2, 2))

    def test_a_profile_of_no_kind_is_refused(self):
        with tempfile.TemporaryDirectory(prefix="vecmux-train-") as directory:
            done = subprocess.run(["cmake", "-S", ROOT, "-B", directory, "-DVECMUX_PROFILE=uses"], capture_output=True, text=True,
                                  check=False, timeout=60)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn('VECMUX_PROFILE is "uses"; give generate, use or nothing', " ".join(done.stderr.split()))


if __name__ == "__main__":
    unittest.main()
