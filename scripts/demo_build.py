#!/usr/bin/python3
"""The demo's index builds: one in place over what the demo has loaded, one from a file, and whether they are right.

1. Queries the loaded images exactly, has vecmuxd build a graph over them, and queries again: how many of the exact
   neighbours does the graph find?
2. Uploads the same vectors from a file, has an index built, and downloads it in full and without its vectors; both files
   must be the same, and FAISS must find the same neighbours in them.
"""
import argparse
import filecmp
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time

import faiss
import numpy

NAMESPACE, TOP_K, MIN_RECALL = "fashion-mnist", 10, 0.95


def images(directory, name, count):
    with gzip.open(f"{directory}/{name}") as file:
        pixels = numpy.frombuffer(file.read(16 + count * 784), numpy.uint8, offset=16)
    return pixels.reshape(-1, 784).astype(numpy.float32)


class Demo:
    def __init__(self, arguments, folder):
        self.vecmux, self.endpoint, self.folder = arguments.vecmux, arguments.endpoint, folder
        self.vectors = images(arguments.data, "train-images-idx3-ubyte.gz", arguments.vectors)
        self.queries = images(arguments.data, "t10k-images-idx3-ubyte.gz", arguments.queries)
        self.wrong = 0

    def path(self, name):
        return os.path.join(self.folder, name)

    def run(self, command, *words):
        """The JSON lines that `vecmux command` prints; its progress goes to our stderr."""
        done = subprocess.run([self.vecmux, command, "--endpoint", self.endpoint, *words], stdout=subprocess.PIPE,
                              text=True, check=False)
        if done.returncode != 0:
            sys.exit("demo_build.py: vecmux " + command + " failed")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def say(self, what, figure, claim, holds):
        self.wrong += not holds
        print(f"{what:40} {figure:>14}  {claim}: {'yes' if holds else 'NO'}")

    def query(self):
        """The neighbours' rows by the server, and how many queries it answered in a second."""
        with open(self.path("queries"), "w", encoding="utf-8") as file:
            file.writelines(json.dumps({"vector": row.tolist()}) + "\n" for row in self.queries)
        start = time.monotonic()
        answers = self.run("query", "--namespace", NAMESPACE, "--top-k", str(TOP_K), "--file", self.path("queries"))
        rate = len(answers) / (time.monotonic() - start)
        rows = [[int(match["id"].rpartition("-")[2]) for match in answer["matches"]] for answer in answers]
        return numpy.array(rows), rate

    def judge(self, what, rows, exact):
        hits = sum(len(set(mine) & set(right)) for mine, right in zip(rows, exact))
        recall = hits / (TOP_K * len(exact))
        self.say(f"recall@{TOP_K} of {what}", f"{recall:.4f}", f"at least {MIN_RECALL}", recall >= MIN_RECALL)

    def in_place(self):
        print(f"\nBuilding a graph in place over {len(self.vectors):,} images")
        exact, exact_rate = self.query()
        job, = self.run("trigger", "--namespace", NAMESPACE)
        rows, rate = self.query()
        print(f"built in {(job['finished_ms'] - job['started_ms']) / 1000:.1f} s; queries in a second: {exact_rate:.0f} "
              f"exact, {rate:.0f} from the graph")
        self.judge("queries of the graph", rows, exact)
        return exact

    def build(self, out, *more):
        return self.run("build", "--space", "cosine", "--any-size", "--key", "demo", "--out", self.path(out), *more,
                        self.path("vectors.npy"))

    def remote(self, exact):
        print(f"\nBuilding an index of a file of {len(self.vectors):,} vectors")
        numpy.save(self.path("vectors.npy"), self.vectors)
        _, full = self.build("full.faiss", "--keep-blobs")
        _, graph = self.build("graph.faiss", "--graph-only")
        size = os.path.getsize(self.path("full.faiss"))
        print(f"uploaded {full['uploaded_bytes']:,} bytes; the file has {size:,}")
        share = graph["downloaded_bytes"] / size
        self.say("graph-only, of the file's bytes", f"{share:.2%}", "at most 6 %", share <= 0.06)
        same = filecmp.cmp(self.path("full.faiss"), self.path("graph.faiss"), shallow=False)
        self.say("full and graph-only", "", "the same file", same)
        index = faiss.read_index(self.path("graph.faiss"))
        queries = self.queries.copy()
        faiss.normalize_L2(queries)
        self.judge("FAISS in the file", index.search(queries, TOP_K)[1], exact)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vecmux", required=True, help="the program")
    parser.add_argument("--endpoint", required=True, help="a vecmuxd that vecmux-demo has loaded")
    parser.add_argument("--vectors", type=int, default=60000)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vecmux-demo-") as folder:
        demo = Demo(arguments, folder)
        demo.remote(demo.in_place())
    return min(demo.wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
