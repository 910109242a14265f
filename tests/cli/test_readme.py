#!/usr/bin/python3
"""The README's program is examples/first.c, and does what the README says. usage: test_readme.py VECMUXD ROOT FIRST"""
import os
import re
import subprocess
import sys
import unittest

from harness import EMULATOR, SLOW, ServerCase, lines

ROOT, FIRST = sys.argv[2:4]


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def first(endpoint):
    return subprocess.run([*EMULATOR, FIRST, endpoint], capture_output=True, text=True, timeout=60 * SLOW, check=False)


class ReadmeTest(ServerCase):
    def test_program(self):
        readme = read("README.md")
        blocks = re.findall(r"^```c\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
        self.assertEqual(blocks, [read("examples/first.c")])

        records = re.search(r"red '(\[.*?\])' green '(\[.*?\])' blue '(\[.*?\])'", readme)
        values = [[float(x) for x in text.strip("[]").split(",")] for text in records.groups()]
        names = ("red", "green", "blue")
        self.vecmux("upsert", stdin=lines({"id": name, "values": v} for name, v in zip(names, values)))
        done = first(self.server.endpoint)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        claimed = re.search(r"It prints `(.*?)`, `(.*?)` and `(.*?)`", readme)
        self.assertEqual(done.stdout.splitlines(), list(claimed.groups()))

    def test_a_failure_is_told(self):
        done = first("nonsense")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn('"nonsense"', done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
