"""Loading into Milvus: `vecmux load` beside pymilvus, the same server, vectors and batches; vectors per second of client CPU.

    bench_load.py ENDPOINT [COUNT [DIMENSION]]       by scripts/servers' Python (.cache/milvus-lite/bin/python)

Each loads into a collection of its own, in turn, twice; the best of each counts. pymilvus upserts rows, as its manual does,
and its import is not counted; of vecmux the whole process is.
"""
import os
import resource
import subprocess
import sys
import tempfile
import time

import numpy
from pymilvus import DataType, MilvusClient

ENDPOINT = sys.argv[1]
COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 60000
DIMENSION = int(sys.argv[3]) if len(sys.argv) > 3 else 128
BATCH = 1000


def cpu(who):
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def make(client, name):
    if client.has_collection(name):
        client.drop_collection(name)
    schema = MilvusClient.create_schema(enable_dynamic_field=False)
    schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=512)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=DIMENSION)
    schema.add_field("metadata", DataType.JSON)
    client.create_collection(name, schema=schema)
    return name


def by_pymilvus(client, vectors):
    name = make(client, "bench_pymilvus")
    started, spent = time.monotonic(), cpu(resource.RUSAGE_SELF)
    for first in range(0, COUNT, BATCH):
        rows = [{"id": str(i), "vector": vectors[i], "metadata": {}} for i in range(first, first + BATCH)]
        client.upsert(name, rows)
    return time.monotonic() - started, cpu(resource.RUSAGE_SELF) - spent


def by_vecmux(client, path, in_flight):
    name = make(client, "bench_vecmux")
    command = [os.environ["VMX_CLI"], "load", path, "--endpoint", ENDPOINT, "--set", "engine=milvus", "--collection", name,
               "--batch-vectors", str(BATCH), "--in-flight", str(in_flight), "--quiet"]
    started, spent = time.monotonic(), cpu(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started, cpu(resource.RUSAGE_CHILDREN) - spent


def main():
    vectors = numpy.random.default_rng(1).random((COUNT, DIMENSION), dtype=numpy.float32)
    client = MilvusClient(uri="http://" + ENDPOINT)
    runs = {"pymilvus": [], "vecmux": [], "vecmux, one in flight": []}
    with tempfile.TemporaryDirectory(prefix="vecmux-bench-") as directory:
        path = os.path.join(directory, "vectors.npy")
        numpy.save(path, vectors)
        for _ in range(2):
            runs["pymilvus"].append(by_pymilvus(client, vectors))
            runs["vecmux"].append(by_vecmux(client, path, 8))
            runs["vecmux, one in flight"].append(by_vecmux(client, path, 1))
    for name in ("bench_pymilvus", "bench_vecmux"):
        client.drop_collection(name)
    best = {name: (min(r[0] for r in of), min(r[1] for r in of)) for name, of in runs.items()}
    print(f"{COUNT} x {DIMENSION}, batches of {BATCH}")
    for name, (elapsed, spent) in best.items():
        print(f"{name:24} {elapsed:7.2f} s, {spent:7.3f} s of CPU, {COUNT / spent:10.0f} vectors per CPU second")
    ratio = best["pymilvus"][1] / best["vecmux"][1]
    print(f"{ratio:.1f} times pymilvus's vectors per CPU second, {best['pymilvus'][0] / best['vecmux'][0]:.2f} times its speed")
    return 0 if ratio >= 10 and best["vecmux"][0] <= best["pymilvus"][0] else 1


sys.exit(main())
