#!/usr/bin/python3
"""Every scenario for a moment against vecmuxd --discard: the JSON is whole, operations succeed, the server has seen as
many calls as were counted."""
import json
import os
import subprocess
import unittest

from vecmuxd import SLOW, Vecmuxd

SECONDS = ("--seconds", str(0.5 * max(1, SLOW / 4)), "--warm-up", "0.1", "--dimension", "64")
SCENARIOS = {"query": [], "upsert": ["--batch", "20", "--payload", "50"], "latency": [], "scale": ["--in-flight", "1,200"],
             "mixed": ["--ids", "uniform", "--id-count", "100"], "channels": ["--in-flight", "1,3"], "decode": [],
             "load": ["--batch", "20"]}

in_real_time = unittest.skipIf(SLOW > 10, "an emulator keeps no rate")


def run(program, *arguments):
    emulator = os.environ.get("VMX_EMULATOR", "").split()
    return subprocess.run([*emulator, os.environ[program], *arguments], capture_output=True, text=True, check=False,
                          timeout=60 * SLOW)


class Smoke(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Vecmuxd("--discard", "--discard-reply", "5,64,metadata")

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop()[0] == 0

    def measure(self, program, scenario, *arguments):
        done = run(program, scenario, "--endpoint", self.server.target, "--json", *SECONDS, *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual((report["scenario"], report["failed"]), (scenario, False))
        self.assertIn("grpc-core", report["versions"])
        for row in report["rows"]:
            self.check_row(row)
        return report

    def check_row(self, row):
        self.assertGreater(row["operations"], 0)
        self.assertEqual(row["errors"], 0)
        if "memory" not in row:  # a load measures no latency
            self.assertEqual(sum(count for _, count in row["histogram"]), row["operations"])
        self.assertGreater(row["cpu_us_per_op"], 0)
        self.assertGreater(row["peak_rss_kb"], 1000)
        latency = row["latency_us"]
        order = [latency[name] for name in ("min", "p50", "p90", "p99", "p99.9", "p99.99", "max")]
        self.assertEqual(order, sorted(order))
        self.assertAlmostEqual(row["ops_per_s"], row["operations"] / row["seconds"], delta=1)

    def test_every_scenario_both_ways(self):
        for mode in ([], ["--driven"]):
            for scenario, arguments in SCENARIOS.items():
                with self.subTest(scenario, mode=mode):
                    report = self.measure("VMX_BENCH", scenario, *arguments, *mode)
                    self.assertEqual(report["client"], "vecmux driven" if mode else "vecmux background")
                    row = report["rows"][-1]
                    self.assertIsNotNone(row["allocations_per_op"])
                    self.assertEqual(row["attempts"], row["operations"])

    def test_what_is_read_is_what_was_sent(self):
        row = self.measure("VMX_BENCH", "decode", "--driven")["rows"][0]
        self.assertEqual(row["payload_bytes_per_op"], 64 * 4 + 5 * 64 * 4)
        self.assertNotEqual(row["checksum"], 0)

    def test_load_of_a_fixed_size(self):
        row = self.measure("VMX_BENCH", "load", "--vectors", "5001", "--batch", "100", "--set", "memory.limit.bytes=1m")["rows"][0]
        self.assertEqual(row["operations"], 51)
        self.assertEqual(self.measure("VMX_BENCH", "load", "--lend", "--driven")["rows"][0]["errors"], 0)
        memory = row["memory"]
        self.assertEqual((memory["limit_bytes"], memory["end_bytes"]), (1 << 20, 0))
        self.assertTrue(100 * 64 * 4 < memory["peak_bytes"] <= 1 << 20, memory)
        self.assertGreater(memory["peak_anon_kb"], 500)

    def test_floors(self):
        for program in ("VMX_RAW_CORE", "VMX_RAW_CORE_HANDOFF"):
            for scenario in ("query", "latency", "scale", "decode", "upsert", "load"):
                with self.subTest(program, scenario=scenario):
                    self.measure(program, scenario, *SCENARIOS[scenario])

    @in_real_time
    def test_processes_add_up(self):
        row = self.measure("VMX_BENCH", "query", "--processes", "2", "--driven", "--rate", "100", "--seconds", "1")["rows"][0]
        self.assertAlmostEqual(row["ops_per_s"], 200, delta=30)

    @in_real_time
    def test_open_loop_keeps_its_rate(self):
        for mode in ([], ["--driven"]):
            row = self.measure("VMX_BENCH", "query", "--rate", "200", "--seconds", "1", *mode)["rows"][0]
            self.assertAlmostEqual(row["ops_per_s"], 200, delta=30)

    def test_wrong_arguments_are_named(self):
        for arguments in (["nonsense"], ["query", "--dimension", "0"], ["query", "--in-flight", "x"],
                          ["query", "--set", "no.such.property=1"], ["query", "--weights", "1,2"], []):
            done = run("VMX_BENCH", *arguments)
            self.assertNotEqual(done.returncode, 0, arguments)
            self.assertTrue(done.stderr.startswith("bench: "), done.stderr)

    def test_no_server_is_a_failure(self):
        done = run("VMX_BENCH", "query", "--endpoint", "127.0.0.1:1", "--json", "--set", "retry.max.attempts=1", *SECONDS)
        self.assertNotEqual(done.returncode, 0)
        self.assertGreater(json.loads(done.stdout)["rows"][0]["errors"], 0)


class OpenLoop(unittest.TestCase):
    @in_real_time
    def test_a_pause_counts_for_all_that_were_meant_to_start(self):
        """Coordinated omission: the server holds calls back until nothing has come for 50 ms; with 100 calls/s meant to
        start and one at a time, the queue of those that wait grows, and so must their latency."""
        with Vecmuxd("--discard", "--discard-hold", "1000") as server:
            done = run("VMX_BENCH", "query", "--endpoint", server.target, "--json", *SECONDS, "--rate", "100", "--in-flight",
                       "1", "--seconds", "1", "--warm-up", "0")
            row = json.loads(done.stdout)["rows"][0]
            self.assertLess(row["ops_per_s"], 25)
            self.assertGreater(row["latency_us"]["max"], 400e3)


if __name__ == "__main__":
    unittest.main()
