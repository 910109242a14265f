"""Loading into Milvus: `vecmux load` beside pymilvus, the same server, vectors and batches; vectors per second of client CPU.

    bench_load.py ENDPOINT [COUNT [DIMENSION [ROUNDS]]]       by scripts/servers' Python (.cache/milvus-lite/bin/python)

Each loads into a collection of its own, in turn, in every round; the median over the rounds of the ratios within a round
counts, with the smallest and the largest. pymilvus upserts rows, as its manual does, twice: with its values as numpy arrays
and as lists, which are made before its clock runs. Its start is not counted: nor is vecmux's (what the same program takes to
load nothing more than one batch less that batch's share), but the whole process, which also reads the file, is told as well.
"""
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import numpy
from pymilvus import DataType, MilvusClient

ENDPOINT = sys.argv[1]
COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 60000
DIMENSION = int(sys.argv[3]) if len(sys.argv) > 3 else 128
ROUNDS = int(sys.argv[4]) if len(sys.argv) > 4 else 5
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
    """Elapsed seconds, CPU seconds; `vectors` is a matrix or a list of lists."""
    name = make(client, "bench_pymilvus")
    started, spent = time.monotonic(), cpu(resource.RUSAGE_SELF)
    for first in range(0, COUNT, BATCH):
        rows = [{"id": str(i), "vector": vectors[i], "metadata": {}} for i in range(first, first + BATCH)]
        client.upsert(name, rows)
    return time.monotonic() - started, cpu(resource.RUSAGE_SELF) - spent


def by_vecmux(client, path, count, in_flight):
    """Elapsed seconds, CPU seconds of the whole process, for the first `count` vectors of the file."""
    name = make(client, "bench_vecmux")
    command = [os.environ["VMX_CLI"], "load", path, "--endpoint", ENDPOINT, "--set", "engine=milvus", "--collection", name,
               "--batch-vectors", str(BATCH), "--in-flight", str(in_flight), "--quiet", "--rows", str(count)]
    started, spent = time.monotonic(), cpu(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started, cpu(resource.RUSAGE_CHILDREN) - spent


def one_round(client, vectors, lists, path):
    by_list, by_array = by_pymilvus(client, lists), by_pymilvus(client, vectors)
    many, one = by_vecmux(client, path, COUNT, 8), by_vecmux(client, path, COUNT, 1)
    started = by_vecmux(client, path, BATCH, 1)
    loading = (many[0], (many[1] - started[1]) * COUNT / (COUNT - BATCH))
    return {"pymilvus, lists": by_list, "pymilvus, numpy rows": by_array, "vecmux, loading": loading,
            "vecmux, whole process": many, "vecmux, one in flight": one}


def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def main():
    vectors = numpy.random.default_rng(1).random((COUNT, DIMENSION), dtype=numpy.float32)
    lists = vectors.tolist()
    client = MilvusClient(uri="http://" + ENDPOINT)
    with tempfile.TemporaryDirectory(prefix="vecmux-bench-") as directory:
        path = os.path.join(directory, "vectors.npy")
        numpy.save(path, vectors)
        rounds = [one_round(client, vectors, lists, path) for _ in range(ROUNDS)]
    for name in ("bench_pymilvus", "bench_vecmux"):
        client.drop_collection(name)
    print(f"{COUNT} x {DIMENSION}, batches of {BATCH}, {ROUNDS} rounds; medians")
    for name in rounds[0]:
        elapsed, spent = (statistics.median(r[name][i] for r in rounds) for i in (0, 1))
        print(f"{name:24} {elapsed:7.2f} s, {spent:7.3f} s of CPU, {COUNT / spent:10.0f} vectors per CPU second")
    reached = True
    for name in ("pymilvus, lists", "pymilvus, numpy rows"):
        work = [r[name][1] / r["vecmux, loading"][1] for r in rounds]
        whole = [r[name][1] / r["vecmux, whole process"][1] for r in rounds]
        speed = [r[name][0] / r["vecmux, loading"][0] for r in rounds]
        print(f"vecmux by {name}: {spread(work)} times its vectors per CPU second, as a whole process {spread(whole)}; "
              f"{spread(speed)} times its speed")
        reached = reached and statistics.median(work) >= 10 and statistics.median(speed) >= 1
    return 0 if reached else 1


sys.exit(main())
