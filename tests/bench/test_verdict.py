#!/usr/bin/python3
"""bench/run --quick as scripts/test.sh --perf runs it: it ends with 0 when the ratios are good, with 1 when one is bad or cannot
be told. The clients are made up: they print what they are told to have measured. And the order of the clients in a round."""
import json
import os
import stat
import subprocess
import sys
import tempfile
import unittest

ROOT = os.environ["VMX_SOURCE_DIR"]
sys.path.insert(0, os.path.join(ROOT, "bench"))

from runner import measure  # noqa: E402

CLIENT = """#!/bin/sh
echo >> "$0.calls"
[ "$(wc -l < "$0.calls")" -gt 5 ] && cat <<'LATER' || cat <<'FIRST'
{later}
LATER
{first}
FIRST
"""


def report(cpu_us, rate=1000.0):
    row = {"label": "made up", "operations": 10, "errors": 0, "ops_per_s": rate, "cpu_us_per_op": cpu_us,
           "allocations_per_op": 0.0, "latency_us": {"p50": cpu_us, "p99": cpu_us}}
    return {"client": "made up", "versions": "", "settings": {}, "failed": False, "rows": [row]}


class Verdict(unittest.TestCase):
    def run_with(self, ours, theirs, *arguments, first=None):
        """Of bench/run --quick, with clients that print these reports; ours None: it fails. `first`: what ours says in the
        five rounds of the first measurement."""
        with tempfile.TemporaryDirectory(prefix="vecmux-bench-test-") as directory:
            os.symlink(os.environ["VMX_VECMUXD"], os.path.join(directory, "vecmuxd"))
            text = lambda said: json.dumps(said) if said else "bench: made up to fail"  # noqa: E731
            for name, said in (("vecmux-bench", ours), ("raw_core", theirs), ("raw_core_handoff", theirs)):
                before = first if name == "vecmux-bench" and first else said
                path = os.path.join(directory, name)
                with open(path, "w", encoding="utf-8") as file:
                    file.write(CLIENT.format(first=text(before), later=text(said)))
                os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)
            return subprocess.run([os.path.join(ROOT, "bench", "run"), "--quick", "--programs", directory, *arguments], capture_output=True,
                                  text=True, timeout=120, check=False)

    def test_good_ratios(self):
        done = self.run_with(report(12.0), report(10.0))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("1.200 (1.200 to 1.200)", done.stdout)
        self.assertNotIn("NOT", done.stdout)

    def test_what_was_disturbed_is_measured_again(self):
        done = self.run_with(report(12.0), report(10.0), "--only", "query", first=report(30.0))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("NOT REACHED", done.stdout)
        self.assertIn("measured again: query", done.stdout)

    def test_too_much_cpu(self):
        done = self.run_with(report(30.0), report(10.0), "--only", "query")
        self.assertEqual(done.returncode, 1)
        self.assertIn("NOT REACHED", done.stdout)

    def test_too_slow(self):
        done = self.run_with(report(10.0, 200.0), report(10.0, 1000.0), "--only", "query")
        self.assertEqual(done.returncode, 1)
        self.assertIn("operations/s / raw_core", [line for line in done.stdout.splitlines() if "NOT REACHED" in line][0])

    def test_a_client_that_fails(self):
        done = self.run_with(None, report(10.0), "--only", "query")
        self.assertEqual(done.returncode, 1)
        self.assertIn("NOT MEASURED", done.stdout)


class Order(unittest.TestCase):
    def test_all_in_each_round_and_not_always_after_the_same(self):
        clients = list("ABCDE")
        before = {client: set() for client in clients}
        for number in range(11):
            found = measure.order(clients, number)
            self.assertEqual(sorted(found), clients)
            for first, second in zip(found, found[1:]):
                before[second].add(first)
        for client, found in before.items():
            self.assertEqual(len(found), 2, client)
        self.assertEqual({measure.order(clients, number)[0] for number in range(10)}, set(clients))

    def test_slow_clients_are_in_five_rounds(self):
        self.assertEqual(measure.slow_rounds(11), {0, 2, 5, 7, 10})
        self.assertEqual(measure.slow_rounds(3), {0, 1, 2})
        self.assertEqual(measure.slow_rounds(1), {0})


if __name__ == "__main__":
    unittest.main()
