"""What the Python peers share: the options of vecmux-bench that they understand, the measurement, the same JSON.

A peer makes a Work and calls main(client, versions, make_work). Only Python's own library is used here: peers run in
environments of their own.
"""
import argparse
import json
import math
import random
import resource
import sys
import time

QUERIES = 64
MAX_BATCH = 1000
ID_BYTES = 17
FRAMING_BYTES = 24
LEVELS = {"latency": [1], "upsert": [8], "decode": [4]}
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "p99.99": 0.9999}


def parse(argv=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("scenario", choices=("query", "latency", "decode", "decode-alone", "upsert"))
    parser.add_argument("--endpoint", default="127.0.0.1:5081")
    parser.add_argument("--tls-ca")
    parser.add_argument("--in-flight", type=lambda text: [int(item) for item in text.split(",")])
    parser.add_argument("--dimension", type=int, default=768)
    parser.add_argument("--top-k", type=int, default=10)
    parser.add_argument("--batch", type=int, default=0)
    parser.add_argument("--batch-bytes", type=int, default=1900000)
    parser.add_argument("--lend", action="store_true")  # vecmux's own
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--warm-up", type=float, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    options.in_flight = options.in_flight or LEVELS.get(options.scenario, [32])
    if not options.batch:
        options.batch = min(MAX_BATCH, options.batch_bytes // (4 * options.dimension + ID_BYTES + FRAMING_BYTES))
    options.with_values = options.scenario.startswith("decode")
    if options.with_values:
        options.top_k = max(options.top_k, 100)
    return options


def random_vectors(options, count):
    """Lists of floats that float32 holds exactly."""
    source = random.Random(options.seed)
    return [[source.randrange(-(1 << 20), 1 << 20) / (1 << 20) for _ in range(options.dimension)] for _ in range(count)]


def vector_id(number):
    return f"item-{number:012d}"


def bucket_of(value):
    """As histogram.c."""
    if value < 256:
        return value
    exponent = value.bit_length() - 1
    return 256 + (exponent - 8) * 128 + ((value >> (exponent - 7)) & 127)


class Meter:
    """A warm-up, then a window in which operations are counted. Times are ns of time.monotonic_ns."""

    def __init__(self, options):
        self.begin = time.monotonic_ns() + int(options.warm_up * 1e9)
        self.length = int(options.seconds * 1e9)
        self.end = self.window = None
        self.latencies = []
        self.errors = 0
        self.over = False

    def open(self, now):
        self.before = resource.getrusage(resource.RUSAGE_SELF)
        self.window = now
        self.end = now + self.length

    def close(self, now):
        self.after = resource.getrusage(resource.RUSAGE_SELF)
        self.seconds = (now - self.window) / 1e9
        self.over = True

    def record(self, start, now, good=True):
        """Counts an operation that has ended; False when the window is over."""
        if self.over:
            return False
        if self.window is None:
            if now >= self.begin:
                self.open(now)
        elif now >= self.end:
            self.close(now)
        elif good:
            self.latencies.append(now - start)
        else:
            self.errors += 1
        return not self.over

    def row(self, label, in_flight, payload_bytes, checksum=0.0):
        latencies = sorted(self.latencies)
        count = len(latencies)
        done = max(1, count + self.errors)
        user = self.after.ru_utime - self.before.ru_utime
        system = self.after.ru_stime - self.before.ru_stime
        switches = sum(getattr(self.after, name) - getattr(self.before, name) for name in ("ru_nvcsw", "ru_nivcsw"))
        histogram = {}
        for latency in latencies:
            bucket = bucket_of(latency)
            histogram[bucket] = histogram.get(bucket, 0) + 1
        quantile = lambda q: latencies[min(count, max(1, math.ceil(q * count))) - 1] / 1e3 if count else 0.0
        latency_us = {"min": quantile(0), "mean": sum(latencies) / max(1, count) / 1e3, "max": quantile(1)}
        latency_us.update({name: quantile(q) for name, q in QUANTILES.items()})
        return {
            "label": label, "in_flight": in_flight, "channels": 1, "operations": count, "errors": self.errors,
            "attempts": None, "seconds": self.seconds, "ops_per_s": count / self.seconds,
            "payload_mb_per_s": count * payload_bytes / self.seconds / 1e6, "payload_bytes_per_op": payload_bytes,
            "wire_bytes_per_op": None, "cpu_us_per_op": (user + system) * 1e6 / done,
            "user_us_per_op": user * 1e6 / done, "system_us_per_op": system * 1e6 / done,
            "switches_per_op": switches / done, "allocations_per_op": None, "peak_rss_kb": self.after.ru_maxrss,
            "rss_bytes_per_call": None, "checksum": checksum, "latency_us": latency_us,
            "histogram": sorted(histogram.items()),
        }


def measure_decoding(options, decode, received, payload_bytes):
    """The row of `decode`, which reads the bytes of a reply that has been received once; the copy it is given is fresh."""
    meter = Meter(options)
    checksum = 0.0
    going_on = True
    while going_on:
        fresh = bytes(bytearray(received))
        started = time.monotonic_ns()
        checksum += decode(fresh)
        going_on = meter.record(started, time.monotonic_ns())
    row = meter.row("values", 1, payload_bytes, checksum)
    mean_us = row["latency_us"]["mean"]  # there is no waiting in it: it is CPU
    row.update(cpu_us_per_op=mean_us, user_us_per_op=mean_us, system_us_per_op=0.0, ops_per_s=1e6 / mean_us,
               payload_mb_per_s=payload_bytes / mean_us, seconds=mean_us * row["operations"] / 1e6)
    return row


def print_report(client, versions, options, rows):
    settings = {key: value for key, value in vars(options).items() if key not in ("json", "scenario")}
    report = {"client": client, "scenario": options.scenario, "versions": versions, "settings": settings,
              "failed": not rows or any(row["operations"] == 0 for row in rows), "rows": rows}
    if options.json:
        print(json.dumps(report))
    else:
        for row in rows:
            print(f"{client} {options.scenario} {row['label']}: {row['ops_per_s']:.0f} op/s, "
                  f"{row['cpu_us_per_op']:.1f} us CPU per op, mean latency {row['latency_us']['mean']:.1f} us, "
                  f"{row['errors']} errors")
    sys.exit(1 if report["failed"] else 0)
