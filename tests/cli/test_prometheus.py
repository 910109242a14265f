#!/usr/bin/python3
"""Debian's prometheus scrapes a `vecmux load`, and its own HTTP API gives the series back.

Skipped (exit 77) where prometheus is not installed. usage: test_prometheus.py VECMUXD
"""
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse
import urllib.request

import numpy as np

from harness import EMULATOR, SLOW, Server

ROWS, DIMENSION = 400000, 16

CONFIG = """
global:
  scrape_interval: 500ms
  scrape_timeout: 400ms
scrape_configs:
  - job_name: vecmux
    static_configs:
      - targets: ["{address}"]
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class PrometheusTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.server = Server("--discard")
        self.addCleanup(self.server.stop)

    def path(self, name):
        return os.path.join(self.directory, name)

    def start(self, name, *command):
        """A child that is stopped by its own pid; its output is in the directory."""
        with open(self.path(name + ".log"), "w", encoding="utf-8") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.directory)
        self.addCleanup(self.stop, process)
        return process

    @staticmethod
    def stop(process):
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(20 * SLOW)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def start_load(self):
        """Slow enough to last as long as prometheus needs; gives the address to scrape."""
        np.save(self.path("rows.npy"), np.random.default_rng(5).random((ROWS, DIMENSION)).astype("float32"))
        address = f"127.0.0.1:{free_port()}"
        self.start("load", *EMULATOR, os.environ["VECMUX"], "load", "--quiet", "--endpoint", self.server.endpoint, "--rate",
                   str(int(4000 / SLOW)), "--metrics-listen", address, self.path("rows.npy"))
        return address

    def start_prometheus(self, address):
        with open(self.path("prometheus.yml"), "w", encoding="utf-8") as file:
            file.write(CONFIG.format(address=address))
        self.api = f"127.0.0.1:{free_port()}"
        return self.start("prometheus", "prometheus", "--config.file", self.path("prometheus.yml"), "--storage.tsdb.path",
                          self.path("data"), "--web.listen-address", self.api, "--log.level", "warn")

    def ask(self, query):
        """The result of an instant query: [(labels, value)]."""
        url = f"http://{self.api}/api/v1/query?" + urllib.parse.urlencode({"query": query})
        with urllib.request.urlopen(url, timeout=10 * SLOW) as answer:
            result = json.load(answer)["data"]["result"]
        return [(series["metric"], float(series["value"][1])) for series in result]

    def wait_for(self, query, holds):
        """Asks until the one series' value is as it should be."""
        limit = time.monotonic() + 40 * SLOW
        found = None
        while time.monotonic() < limit:
            try:
                found = self.ask(query)
            except OSError:
                found = None # it is still starting
            if found and holds(found[0][1]):
                return found[0]
            time.sleep(0.25)
        with open(self.path("prometheus.log"), encoding="utf-8") as log, open(self.path("load.log"), encoding="utf-8") as load:
            self.fail(f"{query}: {found}\n{log.read()}\n{load.read()}")

    def test_scrape(self):
        self.start_prometheus(self.start_load())
        self.wait_for("up", lambda value: value == 1)
        labels, _ = self.wait_for("vecmux_writer_vectors_stored_total", lambda value: value > 2000)
        self.assertEqual(labels["job"], "vecmux")
        self.wait_for("sum(vecmux_calls_total) / sum(vecmux_writer_batches_total)", lambda value: value == 1)
        self.wait_for("rate(vecmux_writer_vectors_stored_total[5s])", lambda value: value > 100 / SLOW)
        self.wait_for("histogram_quantile(0.99, sum by (operation, le) (rate(vecmux_call_duration_seconds_bucket[10s])))",
                      lambda value: 0 < value < 60)
        self.wait_for("vecmux_channels{state='ready'}", lambda value: value > 0)


if __name__ == "__main__":
    if not shutil.which("prometheus"):
        print("skipped: prometheus is not installed (Debian package prometheus)")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1])
