"""Runs the program of tests/peer/driver.h and talks with it.

    with Driver(endpoint=stub.target, **{"io.threads": 0}) as driver:
        answer = driver(op="query", dense=[1, 2], top_k=3)

`driver.opened` says how opening the client went. The program is named by the environment variable VMX_DRIVER; it must
end with exit code 0, so that a sanitizer's complaint fails the test. Every wait has a limit, scaled by VMX_TEST_SLOW;
a command's own timeout comes on top.
"""
import json
import os
import subprocess
import threading

SLOW = float(os.environ.get("VMX_TEST_SLOW", "1"))
LIMIT_S = 20 * SLOW


class Driver:
    def __init__(self, **properties):
        arguments = [f"{name}={value}" for name, value in properties.items()]
        environment = dict(os.environ)
        environment.setdefault("TSAN_OPTIONS", "ignore_noninstrumented_modules=1")
        self.process = subprocess.Popen([environment["VMX_DRIVER"], *arguments], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, encoding="utf-8", env=environment)
        self.opened = self._read()

    def _read(self, limit_s=LIMIT_S):
        watchdog = threading.Timer(limit_s, self.process.kill)
        watchdog.start()
        line = self.process.stdout.readline()
        watchdog.cancel()
        if not line:
            raise RuntimeError(f"the driver ended with {self.process.wait(LIMIT_S)} and no answer")
        return json.loads(line)

    def __call__(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return self._read(LIMIT_S + command.get("timeout_ms", 0) / 1000)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.process.stdin.close()
        try:
            code = self.process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.process.stdout.close()
        if code != 0 and kind is None:
            raise RuntimeError(f"the driver ended with {code}")
