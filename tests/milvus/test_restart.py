"""The full Milvus is killed and started again while the bulk writer loads into it: nothing is lost, nothing is there twice.

VMX_KILL is the signal (KILL, or TERM).
"""
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time

os.environ["VMX_MILVUS_SERVER"] = "milvus"

import servers
from driver import Driver

COUNT, DIMENSION = 60000, 64
RATE = 4000
ENOUGH = 120000


def write_npy(path):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({COUNT}, {DIMENSION}), }}"
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
        for row in range(COUNT):
            file.write(struct.pack(f"<{DIMENSION}f", row, *[1.0] * (DIMENSION - 1)))


def count(driver):
    answer = driver(op="count", collection="restart", timeout_ms=ENOUGH)
    return answer["count"] if answer.get("status") == "VMX_OK" else answer["error"]["message"]


def flush(driver):
    """A server that was killed takes up its log again only when the leases of its former self have ended."""
    for _ in range(60):
        answer = driver(op="flush", collection="restart", timeout_ms=ENOUGH)
        if answer["status"] == "VMX_OK":
            break
        time.sleep(2)
    return answer["status"] + " " + answer["error"]["message"]


def main():
    server = servers.Server()
    try:
        with tempfile.TemporaryDirectory(prefix="vecmux-restart-") as directory:
            path = os.path.join(directory, "vectors.npy")
            write_npy(path)
            with Driver(engine="milvus", endpoint=server.endpoint) as driver:
                made = driver(op="ensure", collection="restart", dimension=DIMENSION, metric="euclidean", timeout_ms=ENOUGH)
                assert made["status"] == "VMX_OK", made["error"]
            load = subprocess.Popen([os.environ["VMX_CLI"], "load", path, "--endpoint", server.endpoint, "--set",
                                     "engine=milvus", "--collection", "restart", "--rate", str(RATE), "--quiet", "--json",
                                     "--batch-vectors", "1000", "--timeout-ms", "20000"], stdout=subprocess.PIPE, text=True)
            time.sleep(5)
            os.kill(server.pid(), getattr(signal, "SIG" + os.environ.get("VMX_KILL", "KILL")))
            print("killed, and started again", flush=True)
            time.sleep(1)
            started = time.monotonic()
            server.start()
            print(f"healthy after {time.monotonic() - started:.1f} s", flush=True)
            output, _ = load.communicate(timeout=280)
            print(output.strip().splitlines()[-1], flush=True)
            with Driver(engine="milvus", endpoint=server.endpoint) as driver:
                # a server that was killed may come back with the collection not loaded: ensure loads it
                loaded = driver(op="ensure", collection="restart", dimension=DIMENSION, metric="euclidean",
                                timeout_ms=ENOUGH)
                flushed = flush(driver)
                print("loaded again:", loaded["status"], "flushed:", flushed, flush=True)
                stored = count(driver)
                ids = driver(op="list", collection="restart", timeout_ms=ENOUGH)["ids"]
                sample = [str(i) for i in range(0, COUNT, 601)]
                rows = driver(op="fetch", collection="restart", ids=sample, timeout_ms=ENOUGH)["matches"]
    finally:
        server.close()
    right = {row["id"] for row in rows if row["values"][0] == float(row["id"])}
    print(f"load's exit code {load.returncode}, {stored} records, {len(set(ids))} distinct ids, "
          f"{len(right)} of {len(sample)} looked at are right")
    return not (load.returncode == 0 and stored == COUNT and len(set(ids)) == COUNT == len(ids) and
                right == set(sample))


sys.exit(main())
