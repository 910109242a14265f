#!/usr/bin/python3
"""h2load: what HTTP/2 itself costs: the same request as bytes, by the load generator of nghttp2; replies are not even
looked at. It tells no percentiles; CPU is that of its process, start and end included.

usage: h2load.py query|latency|upsert|decode [options of vecmux-bench]
"""
import re
import resource
import struct
import subprocess
import tempfile

import peer


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def floats(values):
    return struct.pack(f"<{len(values)}f", *values)


def message(options):
    """The path and the encoded message (field numbers: proto/pinecone/vector_service.proto)."""
    if options.scenario == "upsert":
        vectors = peer.random_vectors(options, options.batch)
        return "/VectorService/Upsert", b"".join(
            field(1, field(1, peer.vector_id(i).encode()) + field(2, floats(values))) for i, values in enumerate(vectors))
    flags = bytes([4 << 3, 1, 5 << 3, 1]) if options.with_values else b""
    vector = peer.random_vectors(options, 1)[0]
    return "/VectorService/Query", bytes([2 << 3]) + varint(options.top_k) + flags + field(7, floats(vector))


def microseconds(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()
    return float(number) * {"us": 1, "ms": 1e3, "s": 1e6}[unit]


def measure(options, in_flight):
    path, content = message(options)
    scheme = "https" if options.tls_ca else "http"
    with tempfile.NamedTemporaryFile() as body:
        body.write(b"\0" + struct.pack(">I", len(content)) + content)
        body.flush()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            ["h2load", "-t1", "-c1", f"-m{in_flight}", f"-D{max(1, round(options.seconds))}", f"-d{body.name}", "-w24", "-W24",
             "-Hcontent-type: application/grpc", "-Hte: trailers", "-Hx-pinecone-api-version: 2026-07",
             f"{scheme}://{options.endpoint}{path}"], capture_output=True, text=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = float(re.search(r"finished in ([\d.]+)s", done.stdout).group(1))
    good = int(re.search(r"(\d+) succeeded", done.stdout).group(1))
    errors = int(re.search(r"(\d+) failed", done.stdout).group(1))
    low, high, mean = re.search(r"time for request:\s+(\S+)\s+(\S+)\s+(\S+)", done.stdout).groups()
    user, system = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    latency = {"min": microseconds(low), "max": microseconds(high), "mean": microseconds(mean)}
    latency.update({name: None for name in peer.QUANTILES})
    payload = 4 * options.dimension * (options.batch if options.scenario == "upsert" else 1)
    total = max(1, good + errors)
    return {"label": f"{in_flight} in flight", "in_flight": in_flight, "channels": 1, "operations": good, "errors": errors,
            "attempts": None, "seconds": seconds, "ops_per_s": good / seconds,
            "payload_mb_per_s": good * payload / seconds / 1e6, "payload_bytes_per_op": payload,
            "wire_bytes_per_op": None, "cpu_us_per_op": (user + system) * 1e6 / total,
            "user_us_per_op": user * 1e6 / total, "system_us_per_op": system * 1e6 / total, "switches_per_op": None,
            "allocations_per_op": None, "peak_rss_kb": after.ru_maxrss, "rss_bytes_per_call": None, "checksum": 0.0,
            "latency_us": latency, "histogram": []}


def main():
    options = peer.parse()
    version = subprocess.run(["h2load", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    peer.print_report("h2load", version, options, [measure(options, in_flight) for in_flight in options.in_flight])


main()
