"""Builds from blobs: the queue, its ends, and the files that come of it, read by python3-faiss."""
import os
import signal
import tempfile
import threading
import time
import unittest

import faiss
import grpc
import numpy as np

from blob_case import CRC32C, SHA256, blob_digest, read, upload
from server_case import ServerCase
from vecmux_proto import Client, build, repository
from vecmuxd import SLOW, Vecmuxd

Code = grpc.StatusCode
COUNT, DIMENSION = 2000, 32
FULL, GRAPH = repository.FORM_FULL, repository.FORM_GRAPH_ONLY


def some_vectors(count=COUNT, dimension=DIMENSION, seed=1):
    return np.random.default_rng(seed).standard_normal((count, dimension), dtype=np.float32)


def put(client, base, vectors, ids=None):
    """Uploads vectors, and ids if there are some; the fields of TriggerBuild that name them."""
    upload(client, f"{base}.knnvec", vectors.tobytes())
    fields = dict(vector_blob=f"{base}.knnvec", dimension=vectors.shape[1], doc_count=len(vectors))
    if ids is not None:
        upload(client, f"{base}.knndid", ids.astype("<i4").tobytes())
        fields["doc_id_blob"] = f"{base}.knndid"
    return fields


def await_end(client, build_id):
    *_, last = client.WatchBuild(build_id=build_id)
    return last


def load(data):
    with tempfile.NamedTemporaryFile(suffix=".faiss") as file:
        file.write(data)
        file.flush()
        return faiss.read_index(file.name)


def recall(index, vectors, ids, k=10, inner_product=False):
    queries = some_vectors(50, vectors.shape[1], seed=99)
    scores = -queries @ vectors.T if inner_product else ((queries[:, None] - vectors[None]) ** 2).sum(-1)
    exact = ids[np.argsort(scores, axis=1)[:, :k]]
    _, found = index.search(queries, k)
    return np.mean([len(set(a) & set(b)) / k for a, b in zip(exact, found)])


class Builds(ServerCase):
    arguments = ("--build-memory", "200m")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.blobs = Client(cls.server.target)

    @classmethod
    def tearDownClass(cls):
        cls.blobs.close()
        super().tearDownClass()

    def built(self, **fields):
        done = await_end(self.blobs, self.blobs.TriggerBuild(**fields).build_id)
        self.assertEqual(done.state, build.STATE_COMPLETED, done)
        return done

    def check_forms(self, done, spliced):
        """Both forms have the digests that are told, and the graph-only one becomes the full one by a splice."""
        name = done.result.name
        full, graph = read(self.blobs, name), read(self.blobs, name, GRAPH, chunk_bytes=4096)
        for form, data in zip(done.result.forms, (full, graph)):
            self.assertEqual(form.total_bytes, len(data))
            self.assertEqual(form.digest, blob_digest(done.result.digest_algorithm, data, done.result.part_bytes))
        block = done.result.storage
        self.assertEqual(graph[block.offset:block.offset + 4], b"null")
        self.assertEqual(len(spliced), block.vector_bytes)
        self.assertEqual(graph[:block.offset] + block.head + spliced + graph[block.offset + 4:], full)
        return full

    def test_faiss_reads_the_result(self):
        vectors, ids = some_vectors(), np.arange(COUNT) * 3 + 7
        fields = put(self.blobs, "t/both", vectors, ids)
        for space in (build.SPACE_TYPE_L2, build.SPACE_TYPE_INNER_PRODUCT):
            done = self.built(**fields, space_type=space, result_blob=f"t/both-{space}.faiss", result_part_bytes=65536,
                              result_digest=SHA256 if space == build.SPACE_TYPE_L2 else CRC32C)
            index = load(self.check_forms(done, vectors.tobytes()))
            self.assertEqual(index.ntotal, COUNT)
            self.assertGreaterEqual(recall(index, vectors, ids, inner_product=space == 2), 0.9)

    def test_float16(self):
        vectors = some_vectors(500).astype(np.float16)
        done = self.built(**put(self.blobs, "t/half", vectors), data_type=build.DATA_TYPE_FLOAT16)
        self.assertEqual((done.result.name, done.result.storage.bytes_per_value), ("t/half.faiss", 2))
        index = load(self.check_forms(done, vectors.tobytes()))
        self.assertGreaterEqual(recall(index, vectors.astype(np.float32), np.arange(500)), 0.9)

    def test_deterministic_builds_are_the_same(self):
        fields = put(self.blobs, "t/same", some_vectors(seed=2))
        twice = [self.built(**fields, deterministic=True, result_blob=f"t/same-{i}").result for i in range(2)]
        self.assertEqual(twice[0].forms, twice[1].forms)
        self.assertEqual(read(self.blobs, "t/same-0"), read(self.blobs, "t/same-1"))

    def test_what_cannot_be_built(self):
        fields = put(self.blobs, "t/wrong", some_vectors(10), np.arange(10))

        def refused(code, *says, **other):
            self.refused(code, lambda: self.blobs.TriggerBuild(**{**fields, **other}), *says)
        refused(Code.UNIMPLEMENTED, "byte", "1.7.3", data_type=build.DATA_TYPE_BYTE)
        refused(Code.UNIMPLEMENTED, "binary", data_type=build.DATA_TYPE_BINARY)
        refused(Code.UNIMPLEMENTED, "hamming", space_type=build.SPACE_TYPE_HAMMING)
        refused(Code.INVALID_ARGUMENT, "doc_count 4", doc_count=4)
        refused(Code.INVALID_ARGUMENT, "dimension 0", dimension=0)
        refused(Code.INVALID_ARGUMENT, "m 1", m=1)
        refused(Code.INVALID_ARGUMENT, "lease_ms 5", lease_ms=5)
        refused(Code.FAILED_PRECONDITION, "1280 bytes", "1152", doc_count=9)
        refused(Code.NOT_FOUND, "t/none", vector_blob="t/none")
        refused(Code.INVALID_ARGUMENT, "doc_id_blob", doc_id_blob="../ids")
        refused(Code.ALREADY_EXISTS, "t/wrong.knndid", result_blob="t/wrong.knndid")
        refused(Code.RESOURCE_EXHAUSTED, "--build-memory", expected_memory_bytes=1 << 40)
        self.refused(Code.NOT_FOUND, lambda: self.blobs.GetBuild(build_id="0" * 32), "0" * 32)
        self.refused(Code.NOT_FOUND, lambda: list(self.blobs.WatchBuild(build_id="none")), "none")
        self.invalid(lambda: self.blobs.GetBuild(), "either")

    def test_not_a_number_fails(self):
        vectors = some_vectors(300, seed=3)
        vectors[123, 5] = np.nan
        done = await_end(self.blobs, self.blobs.TriggerBuild(**put(self.blobs, "t/nan", vectors)).build_id)
        self.assertEqual((done.state, done.error.error_class, done.error.retriable),
                         (build.STATE_FAILED, build.ERROR_CLASS_INVALID_INPUT, False))
        self.assertIn("vector 123, value 5", done.error.message)
        self.assertEqual(len(self.blobs.ListBlobs(prefix="t/nan.faiss").blobs), 0)

    def test_the_same_key_is_the_same_build(self):
        fields = put(self.blobs, "t/key", some_vectors(100, seed=4))
        ages = 2**64 // 1000 + 1  # in microseconds it is none, or a moment if the product wraps around
        first = self.blobs.TriggerBuild(**fields, idempotency_key="k", tenant_id="a", deadline_ms=ages)
        self.assertFalse(first.existing)
        again = self.blobs.TriggerBuild(**fields, idempotency_key="k", tenant_id="a", deadline_ms=60000)
        self.assertEqual((again.build_id, again.existing), (first.build_id, True))
        done = await_end(self.blobs, first.build_id)
        self.assertEqual(done.state, build.STATE_COMPLETED)
        self.assertEqual(self.blobs.GetBuild(idempotency_key="k", tenant_id="a"), done)
        self.refused(Code.FAILED_PRECONDITION,
                     lambda: self.blobs.TriggerBuild(**fields, m=8, idempotency_key="k", tenant_id="a"), first.build_id)
        self.refused(Code.NOT_FOUND, lambda: self.blobs.GetBuild(idempotency_key="k"), "k")
        self.assertEqual([item.build_id for item in self.blobs.ListBuilds(tenant_id="a").builds], [first.build_id])

    def test_the_queue(self):
        large = put(self.blobs, "t/large", some_vectors(20000, 64, seed=5))
        running = self.blobs.TriggerBuild(**large, deterministic=True, ef_construction=400)
        waiting = [self.blobs.TriggerBuild(**large, result_blob=f"t/wait-{i}", idempotency_key=f"wait-{i}")
                   for i in range(2)]
        seen = []
        for told in self.blobs.WatchBuild(build_id=running.build_id, min_interval_ms=10):
            if told.phase == build.PHASE_BUILDING and told.vectors_done > 0 and not seen:
                seen.append(told)
                self.assertEqual(told.vectors_total, 20000)
                self.assertEqual([self.blobs.GetBuild(build_id=item.build_id).queue_position for item in waiting], [1, 2])
                self.assertEqual(self.blobs.CancelBuild(build_id=waiting[0].build_id).state, build.STATE_CANCELLED)
                self.assertEqual(self.blobs.GetBuild(build_id=waiting[1].build_id).queue_position, 1)
                cancelled = self.blobs.CancelBuild(build_id=running.build_id)
                self.assertTrue(cancelled.cancelling)
        self.assertEqual(told.state, build.STATE_CANCELLED)
        self.assertLessEqual(told.vectors_done - cancelled.vectors_done, 20000 // 256)  # it ends at its next step
        self.blobs.CancelBuild(build_id=waiting[1].build_id)
        self.assertEqual(await_end(self.blobs, waiting[1].build_id).state, build.STATE_CANCELLED)
        self.assertEqual([blob.name for blob in self.blobs.ListBlobs(prefix="t/wait-").blobs], [])
        self.assertEqual(self.blobs.CancelBuild(build_id=running.build_id).state, build.STATE_CANCELLED)
        states = self.blobs.ListBuilds(states=[build.STATE_CANCELLED], page_size=1)
        self.assertEqual(states.builds[0].build_id, waiting[1].build_id)
        self.assertTrue(states.next_page_token)
        self.refused(Code.INVALID_ARGUMENT, lambda: self.blobs.ListBuilds(page_token="2nd"), 'page_token "2nd"')

    def test_nobody_waits(self):
        large = put(self.blobs, "t/nobody", some_vectors(20000, 64, seed=6))
        slow = dict(deterministic=True, ef_construction=800)
        late = self.blobs.TriggerBuild(**large, **slow, deadline_ms=300, idempotency_key="late")
        left = self.blobs.TriggerBuild(**large, **slow, lease_ms=1000, result_blob="t/left")
        held = self.blobs.TriggerBuild(**large, **slow, lease_ms=1000, result_blob="t/held")
        watcher = threading.Thread(target=lambda: await_end(self.blobs, held.build_id))
        watcher.start()
        ends = {}
        for item in (late, left):
            *_, last = self.blobs.WatchBuild(build_id=item.build_id, observer=True)
            ends[item.build_id] = last.error.error_class
        self.assertEqual(list(ends.values()), [build.ERROR_CLASS_DEADLINE, build.ERROR_CLASS_LEASE_EXPIRED])
        self.assertNotEqual(self.blobs.GetBuild(build_id=held.build_id).state, build.STATE_FAILED)
        self.blobs.CancelBuild(build_id=held.build_id)
        watcher.join()
        again = self.blobs.TriggerBuild(**large, idempotency_key="late", **slow)
        self.assertEqual((again.state, again.existing), (build.STATE_FAILED, True))
        again = self.blobs.TriggerBuild(**large, idempotency_key="late", retry_failed=True, **slow)
        self.assertEqual((again.build_id, again.attempt, again.existing), (late.build_id, 2, False))
        self.blobs.CancelBuild(build_id=late.build_id)
        await_end(self.blobs, late.build_id)

    def test_what_is_described(self):
        described = self.blobs.DescribeBuilder()
        self.assertEqual(described.library, "FAISS 1.7.3")
        self.assertEqual(described.memory_limit_bytes, 200 << 20)
        self.assertIn(build.DATA_TYPE_FLOAT16, described.data_types)


class Kept(unittest.TestCase):
    def test_builds_outlive_a_kill(self):
        vectors = some_vectors(4000, seed=7)
        with tempfile.TemporaryDirectory(prefix="vecmuxd-builds-") as data:
            server = Vecmuxd("--data", data)
            with Client(server.target) as client:
                fields = put(client, "kept", vectors)
                small = put(client, "small", vectors[:300])
                done = await_end(client, client.TriggerBuild(**small, deterministic=True, idempotency_key="s").build_id)
                running = client.TriggerBuild(**fields, deterministic=True, idempotency_key="k")
                failed = client.TriggerBuild(**small, result_blob="x", idempotency_key="f")
                client.CancelBuild(build_id=failed.build_id)
            server.stop(signal.SIGKILL)
            with Vecmuxd("--data", data) as server, Client(server.target) as client:
                self.assertEqual(client.GetBuild(build_id=done.build_id), done)
                self.assertEqual(client.GetBuild(build_id=failed.build_id).state, build.STATE_CANCELLED)
                again = client.TriggerBuild(**fields, deterministic=True, idempotency_key="k")
                self.assertEqual((again.build_id, again.attempt, again.existing), (running.build_id, 2, True))
                finished = await_end(client, running.build_id)
                self.assertEqual(finished.state, build.STATE_COMPLETED)
                self.assertEqual(load(read(client, "kept.faiss")).ntotal, 4000)

    def test_a_flipped_bit_fails_the_build_and_the_part_is_named(self):
        vectors = some_vectors(seed=8)
        with tempfile.TemporaryDirectory(prefix="vecmuxd-builds-") as data, Vecmuxd("--data", data) as server, \
                Client(server.target) as client:
            upload(client, "bad.knnvec", vectors.tobytes(), part_bytes=65536)
            blob, = os.listdir(os.path.join(data, "repository", "blobs"))
            with open(os.path.join(data, "repository", "blobs", blob, "data"), "r+b") as file:
                file.seek(3 * 65536 + 1)
                file.write(b"\x55")
            done = await_end(client, client.TriggerBuild(vector_blob="bad.knnvec", dimension=DIMENSION,
                                                         doc_count=COUNT).build_id)
            self.assertEqual(done.error.error_class, build.ERROR_CLASS_DATA_LOSS)
            self.assertIn('"bad.knnvec", part 3', done.error.message)


if __name__ == "__main__":
    unittest.main()
