"""Every RPC of vecmuxd, driven by Python's protobuf and grpcio: what is stored comes back, absent stays absent."""
import unittest

import grpc

from pinecone_proto import messages
from server_case import ServerCase, header, ids, struct, vector


class Records(ServerCase):
    arguments = ("--metric", "dotproduct", "--dimension", "2")

    def upsert(self, namespace, *vectors):
        reply, call = self.client.Upsert.with_call(messages.UpsertRequest(vectors=vectors, namespace=namespace))
        self.assertEqual(reply.upserted_count, len(vectors))
        return header(call, "x-pinecone-request-lsn")

    def fetch(self, namespace, *names):
        return self.client.Fetch(ids=names, namespace=namespace).vectors

    def test_fetch_gives_back_what_was_stored(self):
        stored = [
            vector("bare", [1, 2]),
            vector("empty", [1, 2], {}),
            vector("zeros", [0, -0.5], {"n": 0, "s": "", "b": False, "l": [], "": "empty key", "ключ": "значение"}),
            vector("full", [3, 4], {"l": ["x", ""], "n": -1.5e300}, {7: 0.5, 3: -1.0, 4294967295: 2.0}),
        ]
        self.upsert("kept", *stored)
        reply = self.client.Fetch(ids=["bare", "empty", "zeros", "full", "nobody"], namespace="kept")
        self.assertEqual(dict(reply.vectors), {item.id: item for item in stored})
        self.assertEqual(reply.namespace, "kept")
        self.assertFalse(reply.vectors["bare"].HasField("metadata"))
        self.assertTrue(reply.vectors["empty"].HasField("metadata"))
        self.assertEqual(reply.usage.read_units, 1)

    def test_upsert_replaces_the_whole_record(self):
        self.upsert("replace", vector("a", [1, 2], {"x": 1}, {1: 1.0}))
        self.upsert("replace", vector("a", [5, 6]), vector("b", [7, 8]), vector("b", [9, 9]))
        got = self.fetch("replace", "a", "b")
        self.assertEqual(got["a"], vector("a", [5, 6]))
        self.assertEqual(got["b"], vector("b", [9, 9]))

    def test_default_namespace_has_two_names(self):
        self.upsert("", vector("one", [1, 1]))
        self.upsert("__default__", vector("two", [1, 1]))
        self.assertEqual(sorted(self.fetch("", "one", "two")), ["one", "two"])
        self.assertEqual(ids(self.client.List(namespace="__default__")), ["one", "two"])
        self.assertEqual(self.client.DescribeIndexStats().namespaces["__default__"].vector_count, 2)

    def test_query_gives_only_what_was_asked_for(self):
        self.upsert("query", vector("a", [1, 0], {"k": "a"}, {1: 1.0}), vector("b", [0, 1]))
        bare = self.client.Query(vector=[1, 0], top_k=5, namespace="query")
        self.assertEqual(ids(bare), ["a", "b"])
        self.assertEqual([match.score for match in bare.matches], [1.0, 0.0])
        self.assertEqual(bare.namespace, "query")
        self.assertEqual(bare.usage.read_units, 1)
        for match in bare.matches:
            self.assertFalse(match.values or match.HasField("metadata") or match.HasField("sparse_values"))
        full = self.client.Query(vector=[1, 0], top_k=1, namespace="query", include_values=True, include_metadata=True)
        self.assertEqual(full.matches[0], messages.ScoredVector(
            id="a", score=1, values=[1, 0], metadata=struct({"k": "a"}),
            sparse_values=messages.SparseValues(indices=[1], values=[1])))

    def test_query_by_id(self):
        self.upsert("by-id", vector("a", [1, 0]), vector("b", [2, 0]))
        self.assertEqual(ids(self.client.Query(id="a", top_k=2, namespace="by-id")), ["b", "a"])
        self.assertEqual(ids(self.client.Query(id="nobody", top_k=2, namespace="by-id")), [])

    def test_reads_of_an_unknown_namespace_are_empty(self):
        self.assertEqual(ids(self.client.Query(vector=[1, 0], top_k=1, namespace="nowhere")), [])
        self.assertEqual(len(self.fetch("nowhere", "a")), 0)
        self.assertEqual(ids(self.client.List(namespace="nowhere")), [])
        reply = self.client.FetchByMetadata(namespace="nowhere", filter=struct({"a": 1}))
        self.assertEqual((len(reply.vectors), reply.HasField("pagination")), (0, False))
        self.assertNotIn("nowhere", self.client.DescribeIndexStats().namespaces)

    def test_update_by_id(self):
        self.upsert("update", vector("a", [1, 2], {"keep": "x", "change": 1}, {1: 1.0}))
        reply = self.client.Update(id="a", namespace="update", set_metadata=struct({"change": "y", "new": True}))
        self.assertFalse(reply.HasField("matched_records"))
        expected = vector("a", [1, 2], {"keep": "x", "change": "y", "new": True}, {1: 1.0})
        self.assertEqual(self.fetch("update", "a")["a"], expected)
        self.client.Update(id="a", namespace="update", values=[3, 4])
        self.client.Update(id="a", namespace="update",
                           sparse_values=messages.SparseValues(indices=[9], values=[2]))
        expected = vector("a", [3, 4], {"keep": "x", "change": "y", "new": True}, {9: 2.0})
        self.assertEqual(self.fetch("update", "a")["a"], expected)
        self.client.Update(id="nobody", namespace="update", values=[3, 4])
        self.assertEqual(len(self.fetch("update", "nobody")), 0)
        self.assertEqual(ids(self.client.Query(vector=[1, 0], top_k=1, namespace="update")), ["a"])

    def test_update_by_filter(self):
        self.upsert("many", *(vector(f"v{i}", [1, i], {"n": i}) for i in range(10)))
        request = {"namespace": "many", "filter": struct({"n": {"$lt": 4}}), "set_metadata": struct({"low": True})}
        dry = self.client.Update(dry_run=True, **request)
        self.assertEqual((dry.HasField("matched_records"), dry.matched_records), (True, 4))
        self.assertEqual(dict(self.fetch("many", "v0")["v0"].metadata), {"n": 0})
        self.assertEqual(self.client.Update(**request).matched_records, 4)
        found = self.client.FetchByMetadata(namespace="many", filter=struct({"low": True})).vectors
        self.assertEqual(sorted(found), ["v0", "v1", "v2", "v3"])
        self.assertEqual(dict(found["v2"].metadata), {"n": 2, "low": True})
        none = self.client.Update(namespace="many", filter=struct({"n": 99}), set_metadata=struct({"low": True}))
        self.assertEqual((none.HasField("matched_records"), none.matched_records), (True, 0))
        # with filter and id the filter selects
        self.assertEqual(self.client.Update(id="v9", **request).matched_records, 4)

    def test_delete(self):
        self.upsert("delete", *(vector(f"v{i}", [1, i], {"n": i}) for i in range(20)))
        self.client.Delete(namespace="delete", ids=["v0", "v19", "nobody"])
        self.client.Delete(namespace="delete", filter=struct({"n": {"$gte": 10}}))
        self.assertEqual(ids(self.client.List(namespace="delete")), [f"v{i}" for i in range(1, 10)])
        self.assertEqual(ids(self.client.Query(vector=[0, 1], top_k=20, namespace="delete")),
                         [f"v{i}" for i in range(9, 0, -1)])
        self.client.Delete(namespace="delete", delete_all=True)
        self.assertEqual(ids(self.client.List(namespace="delete")), [])
        self.assertEqual(self.client.DescribeIndexStats().namespaces["delete"].vector_count, 0)
        self.upsert("delete", vector("new", [1, 1]))
        self.assertEqual(ids(self.client.List(namespace="delete")), ["new"])

    def test_writes_to_an_unknown_namespace(self):
        for invoke in (lambda: self.client.Delete(namespace="nowhere", ids=["a"]),
                       lambda: self.client.Delete(namespace="nowhere", delete_all=True),
                       lambda: self.client.Update(namespace="nowhere", id="a", values=[1, 2]),
                       lambda: self.client.Update(namespace="nowhere", filter=struct({"a": 1}), dry_run=True)):
            self.refused(grpc.StatusCode.NOT_FOUND, invoke, "nowhere")

    def test_list_pages_in_bytewise_order(self):
        names = sorted(f"{prefix}{i}" for prefix in ("a#", "B", "a", "~") for i in range(60))
        self.upsert("list", *(vector(name, [1, 1]) for name in reversed(names)))
        for prefix, limit in ((None, None), (None, 7), ("a", 50), ("a#", 60), ("zz", 5)):
            request = messages.ListRequest(namespace="list", prefix=prefix, limit=limit)
            expected = [name for name in names if name.startswith(prefix or "")]
            got, pages = [], 0
            while True:
                reply = self.client.List(request)
                self.assertLessEqual(len(reply.vectors), limit or 100)
                got += ids(reply)
                pages += 1
                self.assertLessEqual(pages, 100)
                if not reply.HasField("pagination"):
                    break
                request.pagination_token = reply.pagination.next
            self.assertEqual(got, expected)
            self.assertEqual(pages, max(1, -(-len(expected) // (limit or 100))))

    def test_fetch_by_metadata_pages(self):
        self.upsert("pages", *(vector(f"v{i:03}", [1, i], {"even": i % 2 == 0}) for i in range(250)))
        request = messages.FetchByMetadataRequest(namespace="pages", filter=struct({"even": True}))
        sizes, got = [], []
        while True:
            reply = self.client.FetchByMetadata(request)
            sizes.append(len(reply.vectors))
            got += sorted(reply.vectors)
            self.assertLessEqual(len(sizes), 10)
            if not reply.HasField("pagination"):
                break
            request.pagination_token = reply.pagination.next
        self.assertEqual(sizes, [100, 25])
        self.assertEqual(got, [f"v{i:03}" for i in range(0, 250, 2)])
        self.assertEqual(reply.vectors["v248"], vector("v248", [1, 248], {"even": True}))
        self.assertEqual(len(self.client.FetchByMetadata(namespace="pages", filter=struct({"even": False}),
                                                         limit=10000).vectors), 125)

    def test_ten_thousand_results(self):
        count = 10001
        for start in range(0, count, 1000):
            self.upsert("big", *(vector(f"v{i:05}", [1, i], {"n": i}) for i in range(start, min(start + 1000, count))))
        for request in ({"vector": [0, 1]}, {"vector": [0, 1], "filter": struct({"n": {"$gte": 1}})},
                        {"vector": [0, 1], "sparse_vector": messages.SparseValues(indices=[1], values=[1])}):
            reply = self.client.Query(top_k=10000, namespace="big", include_metadata=True, **request)
            self.assertEqual(ids(reply), [f"v{i:05}" for i in range(10000, 0, -1)])
            self.assertEqual(reply.matches[17].metadata["n"], 9983)
        found = self.client.FetchByMetadata(namespace="big", filter=struct({"n": {"$gte": 1}}), limit=10000)
        self.assertEqual((len(found.vectors), found.HasField("pagination")), (10000, False))


class Namespaces(ServerCase):
    arguments = ("--metric", "euclidean")

    def test_life_of_a_namespace(self):
        made = self.client.CreateNamespace(name="life")
        self.assertEqual(made, messages.NamespaceDescription(name="life"))
        self.refused(grpc.StatusCode.ALREADY_EXISTS, lambda: self.client.CreateNamespace(name="life"), "life")
        self.client.Upsert(vectors=[vector("a", [1, 2, 3], {"x": "y"})], namespace="life")
        described = self.client.DescribeNamespace(namespace="life")
        self.assertEqual((described.name, described.record_count), ("life", 1))
        self.assertGreater(described.size_bytes, 12)
        self.assertFalse(described.HasField("schema") or described.HasField("indexed_fields"))
        self.client.DeleteNamespace(namespace="life")
        for invoke in (lambda: self.client.DescribeNamespace(namespace="life"),
                       lambda: self.client.DeleteNamespace(namespace="life")):
            self.refused(grpc.StatusCode.NOT_FOUND, invoke, "life")
        self.assertEqual(len(self.client.Fetch(ids=["a"], namespace="life").vectors), 0)
        self.assertNotIn("life", self.client.DescribeIndexStats().namespaces)

    def test_schema_comes_back(self):
        schema = messages.MetadataSchema()
        for field in ("genre", "year"):
            schema.fields[field].filterable = True
        made = self.client.CreateNamespace(name="schema", schema=schema)
        self.assertEqual(made.schema, schema)
        self.assertEqual(sorted(made.indexed_fields.fields), ["genre", "year"])
        self.assertEqual(self.client.DescribeNamespace(namespace="schema").schema, schema)
        listed = self.client.ListNamespaces(prefix="schema").namespaces
        self.assertEqual([item.schema for item in listed], [schema])
        schema.fields["year"].filterable = False
        self.invalid(lambda: self.client.CreateNamespace(name="other", schema=schema), "year")

    def test_list_namespaces(self):
        names = [f"ns-{i:03}" for i in range(130)]
        for name in reversed(names):
            self.client.CreateNamespace(name=name)
        request = messages.ListNamespacesRequest(prefix="ns-")
        first = self.client.ListNamespaces(request)
        self.assertEqual([item.name for item in first.namespaces], names[:100])
        self.assertEqual((first.HasField("total_count"), first.total_count), (True, 130))
        request.pagination_token = first.pagination.next
        second = self.client.ListNamespaces(request)
        self.assertEqual([item.name for item in second.namespaces], names[100:])
        self.assertFalse(second.HasField("pagination"))
        none = self.client.ListNamespaces(prefix="zz")
        self.assertEqual((len(none.namespaces), none.HasField("total_count"), none.total_count), (0, True, 0))

    def test_stats(self):
        self.client.Upsert(vectors=[vector("a", [1, 2, 3])], namespace="stats")
        stats = self.client.DescribeIndexStats()
        self.assertEqual((stats.metric, stats.vector_type, stats.dimension), ("euclidean", "dense", 3))
        self.assertEqual(stats.namespaces["stats"].vector_count, 1)
        self.assertEqual(stats.total_vector_count, sum(item.vector_count for item in stats.namespaces.values()))
        self.assertEqual(self.client.DescribeIndexStats(filter=struct({})).dimension, 3)
        self.invalid(lambda: self.client.DescribeIndexStats(filter=struct({"a": 1})), "filter")


class Sparse(ServerCase):
    arguments = ("--vector-type", "sparse")

    def test_sparse_index(self):
        self.client.Upsert(vectors=[vector("a", sparse={1: 2.0, 5: 1.0}), vector("b", sparse={5: 3.0}),
                                    vector("c", sparse={9: 1.0})], namespace="s")
        query = messages.SparseValues(indices=[5, 1], values=[1, 1])
        reply = self.client.Query(sparse_vector=query, top_k=10, namespace="s", include_values=True)
        self.assertEqual([(match.id, match.score) for match in reply.matches], [("a", 3.0), ("b", 3.0)])
        self.assertEqual(list(reply.matches[0].sparse_values.indices), [1, 5])
        self.assertEqual(ids(self.client.Query(id="b", top_k=1, namespace="s")), ["b"])
        stats = self.client.DescribeIndexStats()
        self.assertEqual((stats.HasField("dimension"), stats.metric, stats.vector_type), (False, "dotproduct", "sparse"))

    def test_dense_values_are_refused(self):
        self.invalid(lambda: self.client.Upsert(vectors=[vector("a", [1.0], sparse={1: 1.0})]), "sparse")
        self.invalid(lambda: self.client.Upsert(vectors=[vector("a")]), "sparse")
        self.invalid(lambda: self.client.Query(vector=[1], top_k=1), "sparse")


if __name__ == "__main__":
    unittest.main()
