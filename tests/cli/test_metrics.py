#!/usr/bin/python3
"""`vecmux metrics`, --metrics-listen, --metrics-file and --stats; the Grafana dashboard; the counts against the server's.

usage: test_metrics.py VECMUXD ROOT [test...]
"""
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from harness import EMULATOR, SLOW, ServerCase, lines, run

ROOT = sys.argv[2]
SERIES = re.compile(r'^([a-z_]+)(\{[a-z]+="[^"]*"(?:,[a-z]+="[^"]*")*\})? (\S+)$')


def parse(text):
    """{name: {labels: value}} of a Prometheus text; fails on a line that is none."""
    found = {}
    for line in text.splitlines():
        if line.startswith(("# HELP ", "# TYPE ")):
            continue
        match = SERIES.match(line)
        assert match, line
        found.setdefault(match.group(1), {})[match.group(2) or ""] = float(match.group(3))
    return found


def request(address, data, wait=10):
    """Sends bytes, gives all that comes back until the other side closes."""
    with socket.create_connection(address, timeout=wait * SLOW) as connection:
        connection.sendall(data)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer


class Load:
    """A `vecmux load` of JSON lines from a pipe: it runs until its input is closed."""

    def __init__(self, endpoint, *arguments):
        self.process = subprocess.Popen(
            [*EMULATOR, os.environ["VECMUX"], "load", "--endpoint", endpoint, "--quiet", "--metrics-listen", "127.0.0.1:0",
             *arguments, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        match = re.match(r"vecmux: metrics on http://127\.0\.0\.1:(\d+)/metrics$", line)
        assert match, line
        self.address = ("127.0.0.1", int(match.group(1)))

    def send(self, first, count):
        self.process.stdin.write(lines([{"id": f"v{i}", "values": [1, i]} for i in range(first, first + count)]))
        self.process.stdin.flush()

    def scrape(self):
        head, _, body = request(self.address, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n"), head
        assert f"Content-Length: {len(body)}\r\n".encode() in head + b"\r\n", head
        return parse(body.decode())

    def wait_until_stored(self, count):
        """The scrape that shows so many vectors stored. The load reads blocks: the last rows wait for its input's end."""
        limit = time.monotonic() + 20 * SLOW
        while True:
            found = self.scrape()
            stored = found["vecmux_writer_vectors_stored_total"][""]
            if stored >= count:
                return found
            if time.monotonic() > limit:
                raise AssertionError(f"{stored} are stored, not {count}")
            time.sleep(0.05)

    def finish(self):
        out, err = self.process.communicate(timeout=60 * SLOW)
        return self.process.returncode, out, err


class MetricsTest(ServerCase):
    def setUp(self):
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def start(self, *arguments):
        load = Load(self.server.endpoint, *arguments)
        self.addCleanup(load.process.stderr.close)
        self.addCleanup(load.process.stdout.close)
        self.addCleanup(load.process.kill)
        return load

    def test_scrapes_while_it_loads(self):
        load = self.start("--namespace", "scrapes")
        self.assertEqual(load.scrape()["vecmux_writer_vectors_taken_total"][""], 0)
        load.send(0, 5000)
        found = load.wait_until_stored(3000)
        self.assertGreaterEqual(found["vecmux_memory_send_bytes"]['{kind="files"}'], 4 << 20)
        self.assertEqual(found["vecmux_writer_vectors_failed_total"][""], 0)
        calls = found["vecmux_calls_total"]['{operation="write",status="VMX_OK"}']
        self.assertEqual(found["vecmux_writer_batches_total"][""], calls)
        self.assertEqual(found["vecmux_call_duration_seconds_count"]['{operation="write"}'], calls)
        buckets = list(found["vecmux_call_duration_seconds_bucket"].items())
        self.assertIn('le="+Inf"', buckets[-1][0])
        self.assertEqual(buckets[-1][1], calls)
        self.assertEqual([value for _, value in buckets], sorted(value for _, value in buckets))
        code, _, err = load.finish()
        self.assertEqual((code, err), (0, ""))

    def test_what_is_no_scrape(self):
        load = self.start("--namespace", "requests")
        for data, status in ((b"GET / HTTP/1.1\r\n\r\n", 404),
                             (b"GET /metricsx HTTP/1.1\r\n\r\n", 404),
                             (b"GET /metrics?x=1 HTTP/1.0\r\nHost: a\r\n\r\n", 200),
                             (b"POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 405),
                             (b"get /metrics HTTP/1.1\r\n\r\n", 405),
                             (b"GET /metrics\r\n\r\n", 400),
                             (b"GET /metrics HTTP/2.0\r\n\r\n", 400),
                             (b"GET metrics HTTP/1.1\r\n\r\n", 400),
                             (b"GET  /metrics HTTP/1.1\r\n\r\n", 400),
                             (b"GET /metrics HTTP/1.1\r\nno field\r\n\r\n", 400),
                             (b"GET /metrics HTTP/1.1\r\n folded: x\r\n\r\n", 400),
                             (b"GET /me\0trics HTTP/1.1\r\n\r\n", 400),
                             (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
                             (b"GET /metrics HTTP/1.1\r\nX: " + b"a" * 8192, 431)):
            with self.subTest(data[:40]):
                answer = request(load.address, data)
                self.assertTrue(answer.startswith(b"HTTP/1.1 %d " % status), answer[:200])
        head = request(load.address, b"HEAD /metrics HTTP/1.1\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.1 200 ") and head.endswith(b"\r\n\r\n"), head)
        self.assertIn(b"Allow: GET, HEAD\r\n", request(load.address, b"PUT /metrics HTTP/1.1\r\n\r\n"))
        self.assertEqual(load.finish()[0], 0)

    def test_slow_clients(self):
        """They hold up nobody, however many they are, and are cut off."""
        load = self.start("--namespace", "slow")
        slow = [socket.create_connection(load.address, timeout=30 * SLOW) for _ in range(20)]
        for connection in slow:
            self.addCleanup(connection.close)
            connection.sendall(b"GET /metrics HTT")
        start = time.monotonic()
        self.assertEqual(slow[0].recv(100), b"")
        self.assertLess(time.monotonic() - start, 20 * SLOW)
        self.assertGreater(time.monotonic() - start, 3)
        load.scrape()
        self.assertEqual(load.finish()[0], 0)

    def test_requests_in_pieces(self):
        load = self.start("--namespace", "pieces")
        with socket.create_connection(load.address, timeout=10 * SLOW) as connection:
            for byte in b"GET /metrics HTTP/1.1\r\n\r\n":
                connection.sendall(bytes([byte]))
                time.sleep(0.01)
            self.assertTrue(connection.recv(100).startswith(b"HTTP/1.1 200 "))
        self.assertEqual(load.finish()[0], 0)

    def test_file(self):
        path = os.path.join(self.directory, "vecmux.prom")
        load = self.start("--namespace", "file", "--metrics-file", path)
        first = os.stat(path).st_ino
        with open(path, encoding="utf-8") as file:
            self.assertEqual(parse(file.read())["vecmux_info"], {'{version="0.1.0",engine="pinecone"}': 1})
        load.send(0, 10)
        limit = time.monotonic() + 20 * SLOW
        while os.stat(path).st_ino == first and time.monotonic() < limit:
            time.sleep(0.05)
        self.assertNotEqual(os.stat(path).st_ino, first)
        load.send(10, 990)
        self.assertEqual(load.finish()[0], 0)
        with open(path, encoding="utf-8") as file:
            found = parse(file.read())
        self.assertEqual(found["vecmux_writer_vectors_stored_total"][""], 1000)
        self.assertEqual(found["vecmux_operations_running"][""], 0)
        self.assertEqual(os.listdir(self.directory), ["vecmux.prom"])

    def test_stats_at_the_end(self):
        code, out, err = run("query", "--endpoint", self.server.endpoint, "--stats", "json", "--vector", "[1, 2]")
        self.assertEqual(code, 0, err)
        stats = json.loads(err)
        self.assertEqual(stats["vecmux_calls_total"], [{"labels": {"operation": "query", "status": "VMX_OK"}, "value": 1}])
        self.assertEqual(stats["vecmux_call_duration_seconds"][0]["count"], 1)
        self.assertGreater(stats["vecmux_call_duration_seconds"][0]["p50"], 0)
        code, out, err = run("stats", "--endpoint", self.server.endpoint, "--stats", "prometheus")
        self.assertEqual((code, parse(err)["vecmux_calls_total"]), (0, {'{operation="stats",status="VMX_OK"}': 1}))

    def test_promtool(self):
        if not shutil.which("promtool"):
            self.skipTest("promtool is not installed (Debian package prometheus)")
        load = self.start("--namespace", "promtool")
        load.send(0, 5000)
        load.wait_until_stored(3000)
        text = request(load.address, b"GET /metrics HTTP/1.0\r\n\r\n").partition(b"\r\n\r\n")[2]
        done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, b""))
        self.assertEqual(load.finish()[0], 0)

    # --- without a server ---

    def test_refused(self):
        endpoint = ["stats", "--endpoint", "127.0.0.1:1"]
        for address in ("9464", "localhost:9464", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:9x", ":9464", ""):
            self.fails(2, *endpoint, "--metrics-listen", address, says=[f'--metrics-listen "{address}"', "127.0.0.1:9464"])
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = "127.0.0.1:%d" % taken.getsockname()[1]
            self.fails(1, *endpoint, "--metrics-listen", address, says=["--metrics-listen", address, "in use"])
        self.fails(1, *endpoint, "--metrics-file", "/nonexistent/x.prom", says=["--metrics-file", "/nonexistent/x.prom"])
        self.fails(2, *endpoint, "--stats", "xml", says=['--stats "xml"', "json or prometheus"])
        self.fails(2, "load", "--endpoint", "127.0.0.1:1", "--processes", "2", "--metrics-file", "x", "/dev/null",
                   says=["--metrics-file", "--processes"])

    def test_dashboard(self):
        """Each name in a query of the dashboard is a metric's, and each metric is somewhere in it."""
        with open(os.path.join(ROOT, "docs/grafana-dashboard.json"), encoding="utf-8") as file:
            dashboard = json.load(file)
        kinds = dict(line.split() for line in run("metrics")[1].splitlines())
        series = {name for name, kind in kinds.items() if kind != "histogram"}
        for name in set(kinds) - series:
            series |= {name + "_bucket", name + "_sum", name + "_count"}
        queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
        queries += [variable.get("definition", "") for variable in dashboard["templating"]["list"]]
        used = set(re.findall(r"vecmux_\w+", " ".join(queries)))
        self.assertGreater(len(queries), 30)
        self.assertEqual(used - series, set())
        self.assertEqual(series - used, set())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
