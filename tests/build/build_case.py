"""What the tests of remote builds share: a folder, vectors in files, and `vecmux build`."""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

import faiss
import numpy as np

SLOW = float(os.environ.get("VMX_TEST_SLOW", "1"))


class BuildCase(unittest.TestCase):
    rows, dimension = 1500, 32
    vecmux = None

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="vecmux-build-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        rng = np.random.default_rng(7)
        self.vectors = rng.standard_normal((self.rows, self.dimension), dtype=np.float32)
        self.ids = rng.permutation(10 * self.rows)[: self.rows].astype(np.int32)
        np.save(self.path("vectors.npy"), self.vectors)
        self.ids.tofile(self.path("ids.knndid"))

    def path(self, name):
        return os.path.join(self.folder, name)

    def command(self, address, *arguments, sets=()):
        pairs = [f"build.part.bytes=65536", "build.chunk.bytes=8192", "build.poll.interval.ms=50", *sets]
        words = [self.vecmux, "build", "--endpoint", address, "--any-size", "--doc-ids", self.path("ids.knndid")]
        for pair in pairs:
            words += ["--set", pair]
        return [*words, *arguments]

    def start(self, address, *arguments, sets=(), out="out.faiss"):
        words = self.command(address, "--out", self.path(out), *arguments, self.path("vectors.npy"), sets=sets)
        return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def build(self, address, *arguments, sets=(), out="out.faiss", code=0):
        """The JSON lines that it prints (the job, the figures), or its last line on stderr."""
        process = self.start(address, *arguments, sets=sets, out=out)
        printed, said = process.communicate(timeout=50 * SLOW)
        self.assertEqual(process.returncode, code, said)
        return [json.loads(line) for line in printed.splitlines()] if code == 0 else said.splitlines()[-1]

    def read(self, name="out.faiss"):
        with open(self.path(name), "rb") as file:
            return file.read()

    def names(self):
        return sorted(set(os.listdir(self.folder)) - {"vectors.npy", "ids.knndid"})

    def check_search(self, name="out.faiss", vectors=None, metric=faiss.METRIC_L2, queries=None):
        """FAISS loads the file, and its answers have the right ids; the recall@10."""
        vectors = self.vectors if vectors is None else vectors
        queries = vectors[:100] if queries is None else queries
        index = faiss.read_index(self.path(name))
        self.assertEqual(index.ntotal, len(vectors))
        exact = faiss.IndexFlat(self.dimension, metric)
        exact.add(vectors)
        _, found = index.search(queries, 10)
        _, right = exact.search(queries, 10)
        hits = sum(len(set(self.ids[r]) & set(f)) for r, f in zip(right, found))
        self.assertGreaterEqual(hits / (10 * len(queries)), 0.95)
        return hits / (10 * len(queries))
