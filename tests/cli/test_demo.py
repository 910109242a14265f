#!/usr/bin/python3
"""The demo: what it reports is what an independent computation finds, and it fails when a claim is wrong.

usage: test_demo.py VECMUXD ROOT DEMO [--whole]; --whole loads all 60,000 images
"""
import os
import pty
import re
import subprocess
import sys
import unittest

from harness import EMULATOR, SLOW, ServerCase

ROOT, DEMO = sys.argv[2:4]
VECTORS, QUERIES = (60000, 1000) if "--whole" in sys.argv else (1500, 30)


class DemoTest(ServerCase):
    def command(self, vectors, *more):
        return [*EMULATOR, DEMO, "--endpoint", self.server.endpoint, "--vectors", str(vectors), "--queries",
                str(QUERIES), *more]

    def demo(self, vectors, *more):
        return subprocess.run(self.command(vectors, *more), capture_output=True, text=True, timeout=100 * SLOW,
                              check=False)

    def test_report(self):
        dump = os.path.join(self.server.directory.name, "neighbours")
        done = self.demo(VECTORS, "--dump-neighbours", dump)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertRegex(done.stdout, rf"stored, by DescribeIndexStats +{VECTORS:,}  all of them: yes")
        self.assertRegex(done.stdout, rf"results of the plain queries +{10 * QUERIES:,}  10 for each: yes")
        self.assertRegex(done.stdout, rf"results of the filtered queries +{10 * QUERIES:,}  all match the filter: yes")
        share = float(re.search(r"with the query's label +([\d.]+)", done.stdout).group(1))
        self.assertGreater(share, 0.75 if VECTORS == 60000 else 0.5)
        self.assertGreaterEqual(done.stdout.count(" s left\n"), 2, "plain lines: not a terminal")
        self.assertNotIn("\r", done.stdout)
        stats, = self.vecmux("stats")
        self.assertEqual(stats["namespaces"], [{"name": "fashion-mnist", "vector_count": VECTORS}])

        check = ["/usr/bin/python3", os.path.join(ROOT, "scripts/check_neighbours.py"), dump, "--vectors", str(VECTORS)]
        done = subprocess.run(check, capture_output=True, text=True, timeout=100 * SLOW, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(dump, "r+", encoding="utf-8") as file:
            rows = file.read().split()
            rows[0] = str((int(rows[0]) + 1) % VECTORS)
            file.seek(0)
            for i in range(0, len(rows), 10):
                file.write(" ".join(rows[i : i + 10]) + "\n")
            file.truncate()
        done = subprocess.run(check, capture_output=True, text=True, timeout=100 * SLOW, check=False)
        self.assertEqual(done.returncode, 1, "one wrong neighbour is found")
        self.assertIn("query 0", done.stderr)

    def test_a_wrong_count_is_found(self):
        self.assertEqual(self.demo(700).returncode, 0)
        done = self.demo(600)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"stored, by DescribeIndexStats +700  all of them: NO")

    def test_bar_on_a_terminal(self):
        main, side = pty.openpty()
        with subprocess.Popen(self.command(1500), stdout=side) as process:
            os.close(side)
            text = b""
            while True:
                try:
                    part = os.read(main, 4096)
                except OSError:  # the other side is closed
                    break
                if not part:
                    break
                text += part
            self.assertEqual(process.wait(100 * SLOW), 0)
        os.close(main)
        self.assertRegex(text.decode(), r"\r\[#+\] 1,500 of 1,500 vectors  [\d.]+ MB/s  0.0 s left")

    @unittest.skipIf(VECTORS == 60000, "build_fashion builds them")
    def test_builds(self):
        self.assertEqual(self.demo(VECTORS).returncode, 0)
        script = ["/usr/bin/python3", os.path.join(ROOT, "scripts/demo_build.py"), "--endpoint", self.server.endpoint,
                  "--vecmux", os.environ["VECMUX"], "--queries", str(QUERIES), "--vectors"]
        done = subprocess.run([*script, str(VECTORS)], capture_output=True, text=True, timeout=240 * SLOW, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(done.stdout.count(": yes"), 4, done.stdout)
        done = subprocess.run([*script, str(VECTORS // 2)], capture_output=True, text=True, timeout=240 * SLOW,
                              check=False)
        self.assertEqual(done.returncode, 1, "half of the neighbours are not in the file")
        self.assertRegex(done.stdout, r"recall@10 of FAISS in the file .*: NO")

    def test_wrong_arguments(self):
        for arguments, code in ((["--vectors", "9"], 2), (["--data", "/nonexistent"], 1), (["--nonsense"], 2)):
            done = self.demo(10, *arguments)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertNotEqual(done.stderr, "")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
