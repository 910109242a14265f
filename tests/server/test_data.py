"""vecmuxd --data: what was answered is there after a restart, whatever it was."""
import os
import signal
import unittest

import grpc

from data_case import DataCase, frames, state
from pinecone_proto import Client, messages
from server_case import header, struct, vector

QUERY = {"vector": [0.3, 1.0, -0.2]}


def schema(*fields):
    message = messages.MetadataSchema()
    for field in fields:
        message.fields[field].filterable = True
    return message


class AllKinds(DataCase):
    """Every kind of write, and what is refused, then a restart."""

    def ignore(self, invoke):
        with self.assertRaises(grpc.RpcError):
            invoke()

    def write_all(self, client):
        client.CreateNamespace(name="made", schema=schema("year", "genre"))
        client.CreateNamespace(name="empty")
        client.Upsert(namespace="many", vectors=[
            vector(f"id{i}", [i % 7 - 3.0, i / 10, 1.0], {"n": i, "even": i % 2 == 0, "tags": ["a", str(i)]})
            for i in range(300)])
        client.Upsert(vectors=[vector("bare", [1, 2, 3]), vector("nothing", [3, 2, 1], {}),
                               vector("mixed", [1, 0, 0], {"x": "y"}, sparse={5: 0.5, 900: 2.0})])
        client.Upsert(namespace="many", vectors=[vector("id7", [9, 9, 9]), vector("id7", [8, 8, 8], {"last": True})])
        client.Update(namespace="many", id="id1", values=[4, 5, 6])
        client.Update(namespace="many", id="id2", set_metadata=struct({"n": "text", "new": 1.5}))
        client.Update(id="mixed", sparse_values=messages.SparseValues(indices=[1, 2], values=[3, 4]))
        client.Update(namespace="many", id="unknown", values=[4, 5, 6])
        client.Update(namespace="many", filter=struct({"even": True}), set_metadata=struct({"found": True}))
        client.Update(namespace="many", filter=struct({"even": True}), set_metadata=struct({"dry": 1}), dry_run=True)
        client.Delete(namespace="many", ids=["id3", "id299", "unknown"])
        client.Delete(namespace="many", filter=struct({"n": {"$gte": 250}}))
        client.Upsert(namespace="made", vectors=[vector("first", [1, 1, 1], {"year": 1999})])
        client.Upsert(namespace="cleared", vectors=[vector("gone", [1, 1, 1])])
        client.Delete(namespace="cleared", delete_all=True)
        client.Upsert(namespace="twice", vectors=[vector("gone", [1, 1, 1])])
        client.DeleteNamespace(namespace="twice")
        client.Upsert(namespace="twice", vectors=[vector("back", [1, 1, 2])])
        client.Upsert(namespace="gone", vectors=[vector("gone", [1, 1, 1])])
        client.DeleteNamespace(namespace="gone")

    def write_wrong(self, client):
        self.ignore(lambda: client.Upsert(vectors=[vector("short", [1, 2])]))
        self.ignore(lambda: client.CreateNamespace(name="made"))
        self.ignore(lambda: client.DeleteNamespace(namespace="never"))
        self.ignore(lambda: client.Delete(namespace="never", ids=["a"]))
        self.ignore(lambda: client.Update(namespace="never", id="a", values=[1, 2, 3]))
        self.ignore(lambda: client.Update(id="bare", set_metadata=struct({"big": "x" * 41000})))

    def check_restart(self, way):
        server = self.server("--metric", "dotproduct")
        with Client(server.target) as client:
            self.write_all(client)
            size = self.size()
            self.write_wrong(client)
            self.assertEqual(self.size(), size, "what is refused is not logged")
        before = state(server.target, **QUERY)
        self.assertEqual(sorted(before[1]), ["__default__", "cleared", "empty", "made", "many", "twice"])
        server.stop(way)
        for _ in range(2):
            with self.server() as server:
                self.assertEqual(state(server.target, **QUERY), before)
                self.assertIn("replayed", server.log())
                self.assertNotIn("dropped", server.log())
                with Client(server.target) as client:
                    self.refused(grpc.StatusCode.NOT_FOUND, lambda: client.DescribeNamespace(namespace="gone"))

    def test_stopped(self):
        self.check_restart(signal.SIGTERM)

    def test_killed(self):
        self.check_restart(signal.SIGKILL)

    def test_sparse(self):
        with self.server("--vector-type", "sparse") as server:
            with Client(server.target) as client:
                client.Upsert(vectors=[vector("a", sparse={1: 1.0, 7: 2.5}), vector("b", [], {"k": 1}, {7: 1.0})])
                client.Update(id="a", sparse_values=messages.SparseValues(indices=[3], values=[3]))
            before = state(server.target)
        with self.server() as server:
            self.assertEqual(state(server.target), before)

    def test_writes_that_wait_for_the_index_delay_are_not_lost(self):
        server = self.server("--index-delay-ms", "3600000")
        with Client(server.target) as client:
            client.Upsert(vectors=[vector("a", [1, 2], {"n": 1}), vector("b", [2, 1])])
            client.Update(id="a", set_metadata=struct({"m": 2}))
            client.Delete(ids=["b"])
            self.assertEqual(client.DescribeIndexStats().total_vector_count, 0)
        server.stop(signal.SIGKILL)
        with self.server() as server, Client(server.target) as client:
            found = client.Fetch(ids=["a", "b"]).vectors
            self.assertEqual(list(found), ["a"])
            self.assertEqual(list(found["a"].values), [1, 2])

    def test_lsns_go_on(self):
        def upsert(target, namespace):
            with Client(target) as client:
                request = messages.UpsertRequest(vectors=[vector("a", [1, 2])], namespace=namespace)
                return header(client.Upsert.with_call(request)[1], "x-pinecone-request-lsn")

        with self.server() as server:
            self.assertEqual([upsert(server.target, "a") for _ in range(3)], [1, 2, 3])
            self.assertEqual(upsert(server.target, "b"), 1)
            with Client(server.target) as client:
                client.DeleteNamespace(namespace="b")
        with self.server() as server:
            self.assertEqual((upsert(server.target, "a"), upsert(server.target, "b")), (4, 2))
        with self.server() as server:
            self.assertEqual((upsert(server.target, "a"), upsert(server.target, "b")), (5, 3))


class Options(DataCase):
    def test_what_is_remembered(self):
        with self.server("--metric", "euclidean", "--dimension", "3"):
            pass
        with self.server() as server, Client(server.target) as client:
            stats = client.DescribeIndexStats()
            self.assertEqual((stats.metric, stats.dimension, stats.vector_type), ("euclidean", 3, "dense"))
        self.server("--metric", "euclidean", "--dimension", "3", "--vector-type", "dense").stop()
        self.refuses("--metric cosine", "euclidean", self.data, arguments=("--metric", "cosine"))
        self.refuses("--vector-type sparse", "dense", arguments=("--vector-type", "sparse"))
        self.refuses("--dimension 4", "3", self.log, arguments=("--dimension", "4"))

    def test_the_dimension_of_the_first_upsert(self):
        with self.server() as server, Client(server.target) as client:
            client.Upsert(vectors=[vector("a", [1, 2, 3, 4])])
            client.Delete(delete_all=True)
        self.refuses("--dimension 5", "4", arguments=("--dimension", "5"))
        with self.server() as server, Client(server.target) as client:
            self.assertEqual(client.DescribeIndexStats().dimension, 4)
            self.refused(grpc.StatusCode.INVALID_ARGUMENT,
                         lambda: client.Upsert(vectors=[vector("a", [1, 2, 3, 4, 5])]), "4")

    def test_a_dimension_given_later(self):
        with self.server():
            pass
        with self.server("--dimension", "6"):
            pass
        self.refuses("--dimension 7", "6", arguments=("--dimension", "7"))

    def test_a_sparse_log(self):
        with self.server("--vector-type", "sparse"):
            pass
        self.refuses("--dimension", "sparse", arguments=("--dimension", "4"))
        self.refuses("--vector-type dense", "sparse", arguments=("--vector-type", "dense"))

    def test_mistakes(self):
        self.refuses("--data", "--discard", arguments=("--discard",), code=2)
        self.data = "/nowhere/at/all"
        self.refuses("/nowhere/at/all", "No such file")
        self.data = "/dev/null"
        self.refuses("/dev/null", "directory")

    def test_it_says_where_writes_go(self):
        with self.server() as server:
            self.assertIn(self.data, server.log())
            self.assertNotIn("memory", server.log())
        with self.server("--data-sync") as server:
            self.assertIn("on the disk", server.log())


class Lock(DataCase):
    def test_two_servers(self):
        with self.server() as server, Client(server.target) as client:
            client.Upsert(vectors=[vector("a", [1, 2])])
            self.refuses(self.data, "another vecmuxd", str(server.process.pid))
            client.Upsert(vectors=[vector("b", [1, 2])])
            self.assertEqual(client.DescribeIndexStats().total_vector_count, 2)
        server = self.server()
        server.stop(signal.SIGKILL)
        self.server().stop()


class Compaction(DataCase):
    """The log is over 16 MiB and three times what is live."""

    def fill(self, client, rounds):
        for number in range(rounds):
            client.Upsert(namespace="same", vectors=[
                vector(f"id{i}", [number + 1.0, i + 1.0] + [0.5] * 1022, {"round": number}) for i in range(400)])

    def small(self, client):
        client.CreateNamespace(name="made", schema=schema("year"))
        client.Upsert(namespace="made", vectors=[vector("m", [1.0] * 1024, {"year": 7}, {3: 1.5})])
        client.Upsert(namespace="other", vectors=[vector("o", [2.0] * 1024), vector("p", [3.0] * 1024, {})])
        client.Upsert(namespace="gone", vectors=[vector("g", [2.0] * 1024)])
        client.DeleteNamespace(namespace="gone")

    def check(self, before, lsn):
        query = {"vector": [1.0] * 1024}
        with self.server() as server:
            self.assertEqual(state(server.target, **query), before)
            with Client(server.target) as client:
                request = messages.UpsertRequest(vectors=[vector("g", [2.0] * 1024)], namespace="gone")
                self.assertEqual(header(client.Upsert.with_call(request)[1], "x-pinecone-request-lsn"), lsn)
                client.DeleteNamespace(namespace="gone")
            self.assertEqual(state(server.target, **query), before)
            text = server.log()
        return text

    def test_at_the_start(self):
        server = self.server("--index-delay-ms", "1", "--metric", "dotproduct")  # so that it does not compact itself
        with Client(server.target) as client:
            self.small(client)
            self.fill(client, 13)
            while client.Fetch(ids=["id399"], namespace="same").vectors["id399"].values[:1] != [13.0]:
                pass
        before = state(server.target, vector=[1.0] * 1024)
        server.stop(signal.SIGKILL)
        self.assertGreater(self.size(), 16 << 20)
        with open(self.log + ".new", "wb") as file:
            file.write(b"left over")
        self.assertIn("compacted", self.check(before, 2))
        self.assertLess(self.size(), 3 << 20)
        self.assertNotIn("compacted", self.check(before, 3))
        self.assertFalse(os.path.exists(self.log + ".new"))

    def test_while_it_runs(self):
        with self.server("--metric", "dotproduct") as server:
            with Client(server.target) as client:
                self.small(client)
                self.fill(client, 25)
            before = state(server.target, vector=[1.0] * 1024)
            self.assertIn("compacted", server.log())
        self.assertLess(self.size(), 20 << 20)
        self.assertEqual(before[1]["same"][1], 25)
        self.check(before, 2)

    def test_what_is_live_stays_as_it_is(self):
        with self.server() as server, Client(server.target) as client:
            for number in range(11):
                client.Upsert(vectors=[vector(f"{number}-{i}", [1.0] * 1024) for i in range(400)])
        self.assertGreater(self.size(), 16 << 20)
        with self.server() as server:
            self.assertNotIn("compacted", server.log())
        self.assertEqual(len(frames(self.log)), 12)


if __name__ == "__main__":
    unittest.main()
