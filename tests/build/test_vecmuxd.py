"""Remote builds by `vecmux build` on a real vecmuxd: the same file in both forms, kills of either side, a full disk, a
build in place; and, as Fashion, a real data set.

usage: test_vecmuxd.py VECMUX [case...]
"""
import filecmp
import gzip
import json
import os
import random
import subprocess
import sys
import time
import unittest

import faiss
import numpy as np

from build_case import SLOW, BuildCase
from vecmux_proto import Client
from vecmuxd import Vecmuxd

FASHION = "/usr/share/datasets/fashion-mnist"


class Real(BuildCase):
    kills = 2
    small_graph = ("--deterministic", "--m", "8", "--ef-construction", "40")

    def serve(self, *arguments, port=None):
        listen = ["--listen", f"127.0.0.1:{port}"] if port else []
        return Vecmuxd("--data", self.path("data"), *listen, *arguments)

    def names(self):
        return sorted(set(super().names()) - {"data"})

    def kept_blobs(self):
        return os.listdir(self.path("data/repository/blobs"))

    def test_both_forms_give_one_file_and_nothing_stays_behind(self):
        with self.serve() as server:
            _, full = self.build(server.target, "--deterministic")
            _, graph = self.build(server.target, "--deterministic", "--graph-only", out="graph.faiss")
            self.assertTrue(graph["graph_only"])
            self.assertLess(graph["downloaded_bytes"], full["downloaded_bytes"] - self.vectors.nbytes)
            self.assertEqual(self.read("graph.faiss"), self.read())
            _, half = self.build(server.target, "--deterministic", "--type", "float16", out="half.faiss")
            self.build(server.target, "--deterministic", "--type", "float16", "--graph-only", out="half-graph.faiss")
            self.assertEqual(self.read("half.faiss"), self.read("half-graph.faiss"))
            self.assertEqual(half["uploaded_bytes"], self.vectors.nbytes // 2 + self.ids.nbytes)
            self.assertEqual(self.kept_blobs(), [])
        self.check_search()

    def blob_bytes(self):
        return self.vectors.nbytes + self.ids.nbytes

    def build_whole(self, server):
        """The file that all others must be, and how long it took."""
        begin = time.monotonic()
        self.build(server.target, *self.small_graph, out="whole.faiss")
        return time.monotonic() - begin

    def await_moment(self, client, kill, rng, whole_s):
        """Every other moment lies within the upload, at a byte of it; the others anywhere."""
        if kill % 2:
            time.sleep(rng.uniform(0, whole_s))
            return
        received = lambda: client.DescribeRepository().received_bytes  # noqa: E731
        until = received() + rng.uniform(0, self.blob_bytes())
        limit = time.monotonic() + 10 * SLOW
        while received() < until and time.monotonic() < limit:
            pass

    def check_sent(self, sent, what):
        """Of each kill, the bytes that were uploaded in all."""
        ratio = sum(sent) / len(sent) / self.blob_bytes()
        print(f"{what} killed {len(sent)} times: {ratio:.3f} x the blobs uploaded, at most "
              f"{max(sent) / self.blob_bytes():.3f} x", flush=True)
        self.assertLessEqual(ratio, 1.3)
        self.assertGreaterEqual(ratio, 1)

    def kill_client(self, server, words, wait):
        """False: it had been whole before, whether the process had ended or not; called again it would begin anew."""
        process = self.start(server.target, *words)
        wait()
        process.kill()
        process.communicate()
        return self.names() != ["out.faiss", "whole.faiss"]

    def test_the_client_is_killed(self):
        rng = random.Random(11)
        sent, late = [], 0
        with self.serve() as server, Client(server.target) as client:
            whole_s = self.build_whole(server)
            while len(sent) < self.kills:
                before, i = client.DescribeRepository().received_bytes, len(sent)
                words = [*self.small_graph, "--graph-only", "--key", f"killed{i}-{late}"]
                in_time = self.kill_client(server, words, lambda i=i: self.await_moment(client, i, rng, 0.8 * whole_s))
                if in_time:
                    self.build(server.target, *words)
                    sent.append(client.DescribeRepository().received_bytes - before)
                late += not in_time
                self.assertLessEqual(late, 5 + self.kills / 2)
                self.assertEqual(self.read(), self.read("whole.faiss"), f"kill {i}")
                self.assertEqual(self.names(), ["out.faiss", "whole.faiss"])
                os.unlink(self.path("out.faiss"))
            self.assertEqual(self.kept_blobs(), [])
        self.check_sent(sent, "the client")

    def test_the_server_is_killed(self):
        rng = random.Random(12)
        sent = []
        server = self.serve()
        try:
            whole_s = self.build_whole(server)
            for i in range(self.kills):
                process = self.start(server.target, *self.small_graph, "--key", f"server{i}")
                with Client(server.target) as client:
                    self.await_moment(client, i, rng, whole_s)
                port = server.port
                server.process.kill()
                server.stop()
                server = self.serve(port=port)
                printed, said = process.communicate(timeout=50 * SLOW)
                self.assertEqual(process.returncode, 0, said)
                sent.append(json.loads(printed.splitlines()[-1])["uploaded_bytes"])
                self.assertEqual(self.read(), self.read("whole.faiss"), f"kill {i}")
                os.unlink(self.path("out.faiss"))
            self.assertEqual(self.kept_blobs(), [])
        finally:
            server.stop()
        self.check_sent(sent, "the server")

    def test_the_server_is_killed_while_blobs_are_deleted(self):
        """The file has its name when that begins."""
        rng = random.Random(13)
        server = self.serve()
        try:
            for i in range(3 * self.kills):
                process = self.start(server.target, *self.small_graph, "--key", f"deleting{i}")
                while not os.path.exists(self.path("out.faiss")) and process.poll() is None:
                    pass
                time.sleep(rng.uniform(0, 0.01))
                port = server.port
                server.process.kill()
                server.stop()
                server = self.serve(port=port)
                printed, said = process.communicate(timeout=50 * SLOW)
                self.assertEqual((process.returncode, json.loads(printed.splitlines()[-1])["blobs_left"]), (0, 0), said)
                os.unlink(self.path("out.faiss"))
                self.assertEqual(self.kept_blobs(), [], f"kill {i}")
        finally:
            server.stop()

    def test_a_full_disk_is_told_and_leaves_what_was_there(self):
        own = ["unshare", "--user", "--map-root-user", "--mount"]
        allowed = subprocess.run([*own, "true"], capture_output=True, text=True, check=False)
        if allowed.returncode != 0:
            self.skipTest(f"no mount of one's own: {allowed.stderr.strip()}")
        small = self.path("small")
        os.mkdir(small)
        script = ('mount -t tmpfs -o size=256k none "$1" || exit 77; echo old > "$1/out.faiss"; shift; "$@"; code=$?; '
                  'cat "$small/out.faiss"; ls "$small"; exit $code')
        with self.serve() as server:
            words = self.command(server.target, "--out", f"{small}/out.faiss", self.path("vectors.npy"))
            done = subprocess.run([*own, "sh", "-c", script, "sh", small, *words], capture_output=True, text=True,
                                  timeout=50 * SLOW, env=dict(os.environ, small=small))
        if done.returncode not in (0, 1):
            self.skipTest(f"no mount of one's own: {done.stderr}")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr.splitlines()[-1], r"build \(download\): .*No space left on device.*build it locally")
        self.assertEqual(done.stdout, "old\nout.faiss\n")

    def test_in_place(self):
        records = "".join(json.dumps({"id": f"v{i}", "values": row.tolist()}) + "\n"
                          for i, row in enumerate(self.vectors[:500]))
        with self.serve("--metric", "euclidean") as server:
            run = lambda *words, text=None: subprocess.run(  # noqa: E731
                [self.vecmux, words[0], "--endpoint", server.target, *words[1:]], input=text, capture_output=True,
                text=True, timeout=50 * SLOW, check=True).stdout
            run("upsert", text=records)
            job = json.loads(run("trigger", "--quiet"))
            self.assertEqual((job["state"], job["namespace"]), ("completed", ""))
            for _ in range(8):  # the operation's end and that of its stream come in any order
                job = json.loads(run("trigger", "--quiet"))
            self.assertEqual(json.loads(run("build", "status", job["id"]))["id"], job["id"])
            self.assertEqual(json.loads(run("build", "list").splitlines()[0])["id"], job["id"])


class Many(Real):
    """The kills of Real, more of them and on more vectors."""
    rows, dimension, kills = 5000, 128, 20


def images(name):
    with gzip.open(f"{FASHION}/{name}") as file:
        return np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 784).astype(np.float32)


class Fashion(BuildCase):
    dimension = 784

    def setUp(self):
        super().setUp()
        self.vectors = images("train-images-idx3-ubyte.gz")
        self.ids = np.arange(len(self.vectors), dtype=np.int32)[::-1].copy()
        np.save(self.path("vectors.npy"), self.vectors)
        self.ids.tofile(self.path("ids.knndid"))

    def fetch(self, server, *arguments, out):
        sets = ["build.part.bytes=8m", "build.chunk.bytes=1m"]
        words = ["--ef-search", "64", "--m", "16", "--key", "fashion", "--keep-blobs", *arguments]
        process = self.start(server.target, *words, sets=sets, out=out)
        printed, said = process.communicate(timeout=250 * SLOW)
        self.assertEqual(process.returncode, 0, said)
        return [json.loads(line) for line in printed.splitlines()]

    def test_built_once_and_fetched_in_both_forms(self):
        with Vecmuxd("--data", self.path("data")) as server:
            job, full = self.fetch(server, out="out.faiss")
            same_job, graph = self.fetch(server, "--graph-only", out="graph.faiss")
        self.assertEqual((same_job["id"], graph["uploaded_bytes"]), (job["id"], 0))
        self.assertTrue(filecmp.cmp(self.path("graph.faiss"), self.path("out.faiss"), shallow=False))
        size = os.path.getsize(self.path("out.faiss"))
        self.assertGreater(full["downloaded_bytes"], size)
        self.assertLessEqual(graph["downloaded_bytes"], 0.06 * size)
        index = faiss.read_index(self.path("graph.faiss"))
        self.assertEqual(faiss.downcast_index(index.index).hnsw.efSearch, 64)
        recall = self.check_search("graph.faiss", queries=images("t10k-images-idx3-ubyte.gz")[:500])
        print(f"60,000 x 784: {size:,} bytes, of which graph-only moved {graph['downloaded_bytes']:,} "
              f"({graph['downloaded_bytes'] / size:.2%}); recall@10 {recall:.4f}")


if __name__ == "__main__":
    BuildCase.vecmux = sys.argv.pop(1)
    if len(sys.argv) == 1:
        sys.argv.append("Real")
    unittest.main()
