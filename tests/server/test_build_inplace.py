"""Graphs in place: recall, deletes, later upserts, filters."""
import tempfile
import time
import unittest

import grpc
import numpy as np

from pinecone_proto import Client as IndexClient
from server_case import ServerCase, struct, vector
from vecmux_proto import Client, build
from vecmuxd import Vecmuxd

COUNT, DIMENSION = 3000, 24
Code = grpc.StatusCode


def some_vectors(count, seed):
    return np.random.default_rng(seed).standard_normal((count, DIMENSION), dtype=np.float32)


def store(client, namespace, vectors, first=0):
    for at in range(0, len(vectors), 500):
        client.Upsert(namespace=namespace, vectors=[
            vector(f"v{first + at + i}", row, {"even": (first + at + i) % 2 == 0, "hundredth": (first + at + i) % 100 == 0})
            for i, row in enumerate(vectors[at:at + 500])])


class InPlace(ServerCase):
    arguments = ("--metric", "euclidean")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.builds = Client(cls.server.target)

    @classmethod
    def tearDownClass(cls):
        cls.builds.close()
        super().tearDownClass()

    def build(self, namespace, **fields):
        begun = self.builds.TriggerBuild(in_place=dict(namespace=namespace), ef_search=200, **fields)
        *_, done = self.builds.WatchBuild(build_id=begun.build_id)
        self.assertEqual(done.state, build.STATE_COMPLETED, done)
        return done

    def state(self, done):
        return self.builds.GetBuild(build_id=done.build_id).in_place

    def matches(self, namespace, query, top_k=10, filter_=None):
        request = dict(namespace=namespace, vector=query, top_k=top_k)
        if filter_:
            request["filter"] = struct(filter_)
        return self.client.Query(**request).matches

    def recall(self, namespace, live, filter_=None, top_k=10):
        """`live` maps ids to vectors; scores must be exact, whichever were found."""
        ids = list(live)
        matrix = np.array([live[i] for i in ids])
        shares = []
        for query in some_vectors(30, seed=77):
            distances = ((matrix - query) ** 2).sum(1)
            exact = {ids[i] for i in np.argsort(distances)[:top_k]}
            found = self.matches(namespace, query, top_k, filter_)
            self.assertEqual(len(found), min(top_k, len(ids)))
            for match in found:
                self.assertAlmostEqual(match.score, float(((live[match.id] - query) ** 2).sum()), places=3)
            shares.append(len(exact & {match.id for match in found}) / len(exact))
        return np.mean(shares)

    def test_deletes_upserts_and_filters(self):
        vectors = some_vectors(COUNT, seed=1)
        store(self.client, "n", vectors)
        live = {f"v{i}": row for i, row in enumerate(vectors)}
        done = self.build("n")
        self.assertEqual((self.state(done).graph_vectors, self.state(done).tombstones, self.state(done).beside),
                         (COUNT, 0, 0))
        self.assertGreaterEqual(self.recall("n", live), 0.95)

        nearest = {match.id for query in some_vectors(30, seed=77) for match in self.matches("n", query, 5)}
        self.client.Delete(namespace="n", ids=sorted(nearest))
        for gone in nearest:
            del live[gone]
        later = some_vectors(200, seed=2)
        store(self.client, "n", later, first=COUNT)
        live.update({f"v{COUNT + i}": row for i, row in enumerate(later)})
        moved = [name for name in ("v1", "v2", "v3", "v4") if name in live]
        for name, query in zip(moved, some_vectors(30, seed=77)):
            self.client.Update(namespace="n", id=name, values=query)
            live[name] = query
        state = self.state(done)
        self.assertEqual((state.tombstones, state.beside), (len(nearest) + len(moved), 200 + len(moved)))
        self.assertEqual(self.matches("n", live[moved[0]], 1)[0].id, moved[0])
        self.assertGreaterEqual(self.recall("n", live), 0.95)

        hundredth = {name: row for name, row in live.items() if int(name[1:]) % 100 == 0}
        self.assertEqual(self.recall("n", hundredth, {"hundredth": {"$eq": True}}), 1)
        even = {name: row for name, row in live.items() if int(name[1:]) % 2 == 0}
        self.assertGreaterEqual(self.recall("n", even, {"even": {"$eq": True}}), 0.95)
        self.assertEqual(self.recall("n", live, top_k=400), 1)

        again = self.build("n", deterministic=True)
        self.assertFalse(self.builds.GetBuild(build_id=done.build_id).HasField("in_place"))
        self.assertEqual((self.state(again).graph_vectors, self.state(again).beside), (len(live), 0))
        self.assertGreaterEqual(self.recall("n", live), 0.95)
        self.client.DeleteNamespace(namespace="n")
        self.assertFalse(self.builds.GetBuild(build_id=again.build_id).HasField("in_place"))
        store(self.client, "n", vectors[:50])
        self.assertEqual(self.recall("n", {f"v{i}": row for i, row in enumerate(vectors[:50])}), 1)

    def test_writes_while_it_is_built(self):
        vectors = some_vectors(COUNT, seed=3)
        store(self.client, "busy", vectors)
        live = {f"v{i}": row for i, row in enumerate(vectors)}
        begun = self.builds.TriggerBuild(in_place=dict(namespace="busy"), deterministic=True, ef_construction=400,
                                         ef_search=200)
        limit = time.monotonic() + 60
        while self.builds.GetBuild(build_id=begun.build_id).state == build.STATE_QUEUED and time.monotonic() < limit:
            time.sleep(0.005)
        self.client.Delete(namespace="busy", ids=[f"v{i}" for i in range(0, 300, 3)])
        for i in range(0, 300, 3):
            del live[f"v{i}"]
        store(self.client, "busy", some_vectors(50, seed=4), first=1)
        live.update({f"v{1 + i}": row for i, row in enumerate(some_vectors(50, seed=4))})
        *_, done = self.builds.WatchBuild(build_id=begun.build_id)
        self.assertEqual(done.state, build.STATE_COMPLETED, done)
        state = self.state(done)
        self.assertEqual(state.graph_vectors - state.tombstones + state.beside, len(live))
        self.assertGreaterEqual(self.recall("busy", live), 0.95)

    def test_cancelled_and_refused(self):
        store(self.client, "few", some_vectors(4, seed=5))
        self.refused(Code.FAILED_PRECONDITION,
                     lambda: self.builds.TriggerBuild(in_place=dict(namespace="few")), "few", "4")
        self.refused(Code.NOT_FOUND, lambda: self.builds.TriggerBuild(in_place=dict(namespace="none")), "none")
        self.invalid(lambda: self.builds.TriggerBuild(in_place=dict(namespace="few"), vector_blob="x"), "in_place")
        vectors = some_vectors(COUNT, seed=6)
        store(self.client, "cancel", vectors)
        begun = self.builds.TriggerBuild(in_place=dict(namespace="cancel"), deterministic=True, ef_construction=2000)
        self.builds.CancelBuild(build_id=begun.build_id)
        *_, done = self.builds.WatchBuild(build_id=begun.build_id)
        self.assertEqual(done.state, build.STATE_CANCELLED)
        self.assertEqual(self.recall("cancel", {f"v{i}": row for i, row in enumerate(vectors)}), 1)


class Kept(unittest.TestCase):
    def test_a_graph_is_built_again_after_a_restart(self):
        with tempfile.TemporaryDirectory(prefix="vecmuxd-inplace-") as data:
            for attempt in (1, 2):
                with Vecmuxd("--data", data) as server, IndexClient(server.target) as index, \
                        Client(server.target) as builds:
                    if attempt == 1:
                        store(index, "n", some_vectors(400, seed=7))
                        build_id = builds.TriggerBuild(in_place=dict(namespace="n")).build_id
                    *_, done = builds.WatchBuild(build_id=build_id)
                    self.assertEqual((done.state, done.attempt), (build.STATE_COMPLETED, attempt))
                    self.assertEqual(done.in_place.graph_vectors, 400)


if __name__ == "__main__":
    unittest.main()
