"""One wrong input each: the code, and a text that names the thing and the limit. And the last right input beside it."""
import unittest

import grpc

from pinecone_proto import REQUESTS, messages, path
from server_case import ServerCase, struct, vector

GOOD = [1.0, 2.0, 3.0, 4.0]


def sparse(count, value=1.0):
    return messages.SparseValues(indices=range(count), values=[value] * count)


class Limits(ServerCase):
    arguments = ("--metric", "dotproduct", "--dimension", "4")

    def setUp(self):
        self.client.Upsert(vectors=[vector("kept", GOOD, {"a": 1})])

    def upsert(self, *vectors, namespace=""):
        return self.client.Upsert(vectors=vectors, namespace=namespace)

    def test_upsert(self):
        self.upsert(*(vector(f"v{i}", GOOD) for i in range(1000)))
        self.upsert(vector("i" * 512, GOOD))
        cases = [
            ([], "vectors"),
            ([vector(f"v{i}", GOOD) for i in range(1001)], "1001", "1000"),
            ([vector("", GOOD)], "empty"),
            ([vector("i" * 513, GOOD)], "513", "512"),
            ([vector("é", GOOD)], "ASCII"),
            ([vector("a", [1, 2, 3])], "dimension 3", "4"),
            ([vector("a", [1] * 20001)], "20001", "20000"),
            ([vector("a")], "'a'", "no dense values"),
            ([vector("a", [0, 0, 0, 0])], "non-zero"),
            ([vector("a", [1, 2, 3, float("nan")])], "'a'", "value 3"),
            ([vector("a", [float("-inf"), 2, 3, 4])], "'a'", "value 0"),
            ([vector("a", GOOD, sparse={})], "empty"),
        ]
        for vectors, *says in cases:
            self.invalid(lambda: self.upsert(*vectors), *says)
        self.invalid(lambda: self.upsert(vector("a", GOOD), namespace="n" * 513), "513", "512")
        self.invalid(lambda: self.upsert(vector("a", GOOD), namespace="ñ"), "ASCII")

    def test_a_refused_upsert_stores_nothing(self):
        self.invalid(lambda: self.upsert(vector("first", GOOD), vector("second", [1]), namespace="nothing"))
        self.assertNotIn("nothing", self.client.DescribeIndexStats().namespaces)

    def test_sparse_values(self):
        def one(indices, values):
            item = vector("a", GOOD)
            item.sparse_values.indices.extend(indices)
            item.sparse_values.values.extend(values)
            return lambda: self.upsert(item)
        one(range(2048), [1.0] * 2048)()
        self.invalid(one(range(2049), [1.0] * 2049), "2049", "2048")
        self.invalid(one([1, 2], [1.0]), "2 indices", "1 values")
        self.invalid(one([5, 1, 5], [1.0] * 3), "index 5 twice")
        self.invalid(one([1], [float("inf")]), "'a'")

    def test_metadata(self):
        overhead = vector("a", GOOD, {"k": ""}).metadata.ByteSize() + 6  # longer lengths take more bytes
        self.upsert(vector("a", GOOD, {"k": "x" * (40960 - overhead)}))
        self.invalid(lambda: self.upsert(vector("a", GOOD, {"k": "x" * 41000})), "40960")
        for wrong, says in (({"k": None}, "null"), ({"k": {"nested": 1}}, "object"), ({"k": [1, 2]}, "list"),
                            ({"k": ["a", {"b": 1}]}, "list"), ({"k": float("nan")}, "number")):
            self.invalid(lambda: self.upsert(vector("a", GOOD, wrong)), "'k'", says)
            self.invalid(lambda: self.client.Update(id="kept", set_metadata=struct(wrong)), "'k'", says)
        self.invalid(lambda: self.upsert(vector("a", GOOD, {"$k": 1})), "$k")
        self.invalid(lambda: self.upsert(vector("a", GOOD, {"two\nlines" + "ä" * 60: None})), "two?lines")
        no_kind = vector("a", GOOD)
        no_kind.metadata.fields["k"].SetInParent()
        self.invalid(lambda: self.upsert(no_kind), "'k'")

    def test_request_size(self):
        self.invalid(lambda: self.upsert(*(vector(f"v{i}", GOOD, {"k": "x" * 30000}) for i in range(80))), "2MB")

    def test_query(self):
        def query(**fields):
            return lambda: self.client.Query(**{"top_k": 1, **fields})
        query(vector=GOOD, top_k=10000)()
        query(vector=GOOD, scan_factor=0.5, max_candidates=1)()
        cases = [
            ({"vector": GOOD, "top_k": 0}, "top_k", "10000"),
            ({"vector": GOOD, "top_k": 10001}, "10001", "10000"),
            ({}, "id or a vector"),
            ({"vector": GOOD, "id": "kept"}, "not both"),
            ({"sparse_vector": sparse(1), "id": "kept"}, "not both"),
            ({"vector": [1, 2]}, "dimension 2", "4"),
            ({"vector": [1, 2, 3, float("nan")]}, "value 3"),
            ({"vector": GOOD, "sparse_vector": sparse(2049)}, "2049", "2048"),
            ({"vector": GOOD, "sparse_vector": sparse(0)}, "empty"),
            ({"id": "i" * 513}, "513", "512"),
            ({"vector": GOOD, "scan_factor": 0.4}, "scan_factor"),
            ({"vector": GOOD, "scan_factor": 4.1}, "scan_factor"),
            ({"vector": GOOD, "top_k": 5, "max_candidates": 4}, "max_candidates"),
            ({"vector": GOOD, "max_candidates": 100001}, "100000"),
            ({"vector": GOOD, "queries": [messages.QueryVector(values=GOOD, top_k=1)]}, "queries"),
            ({"vector": GOOD, "filter": struct({"a": {"$like": 1}})}, "$like"),
            ({"vector": GOOD, "filter": struct({"a": None})}, "'a'"),
            ({"vector": GOOD, "filter": struct({"a": {"$in": list(range(10001))}})}, "10001", "10000"),
            ({"vector": GOOD, "namespace": "n" * 513}, "512"),
        ]
        for fields, *says in cases:
            self.invalid(query(**fields), *says)

    def test_result_size(self):
        for start in range(0, 200, 50):
            self.upsert(*(vector(f"v{start + i}", GOOD, {"k": "x" * 30000}) for i in range(50)), namespace="large")
        self.assertEqual(len(self.client.Query(vector=GOOD, top_k=100, include_metadata=True,
                                               namespace="large").matches), 100)
        self.invalid(lambda: self.client.Query(vector=GOOD, top_k=200, include_metadata=True, namespace="large"), "4MB")
        first = self.client.FetchByMetadata(namespace="large", filter=struct({"k": {"$exists": True}}), limit=1000)
        self.assertTrue(100 < len(first.vectors) < 200 and first.HasField("pagination"))
        rest = self.client.FetchByMetadata(namespace="large", filter=struct({"k": {"$exists": True}}), limit=1000,
                                           pagination_token=first.pagination.next)
        self.assertEqual((len(first.vectors) + len(rest.vectors), rest.HasField("pagination")), (200, False))

    def test_fetch_list_and_pages(self):
        self.assertEqual(list(self.client.Fetch(ids=["kept"] + [f"x{i}" for i in range(999)]).vectors), ["kept"])
        cases = [
            (self.client.Fetch, {"ids": []}, "ids"),
            (self.client.Fetch, {"ids": [f"v{i}" for i in range(1001)]}, "1001", "1000"),
            (self.client.Fetch, {"ids": ["a", ""]}, "empty"),
            (self.client.List, {"limit": 0}, "limit is 0", "100"),
            (self.client.List, {"limit": 101}, "limit is 101", "100"),
            (self.client.List, {"pagination_token": "no token"}, "no token"),
            (self.client.FetchByMetadata, {}, "empty"),
            (self.client.FetchByMetadata, {"filter": struct({})}, "empty"),
            (self.client.FetchByMetadata, {"filter": struct({"a": 1}), "limit": 10001}, "10001", "10000"),
            (self.client.FetchByMetadata, {"filter": struct({"a": 1}), "limit": 0}, "limit is 0"),
            (self.client.FetchByMetadata, {"filter": struct({"a": 1}), "pagination_token": "f"}, "'f'"),
            (self.client.ListNamespaces, {"limit": 101}, "limit is 101", "100"),
            (self.client.ListNamespaces, {"pagination_token": "?"}, "'?'"),
        ]
        for invoke, fields, *says in cases:
            self.invalid(lambda: invoke(**fields), *says)

    def test_update_and_delete(self):
        cases = [
            (self.client.Update, {"id": "kept"}, "needs values"),
            (self.client.Update, {"values": GOOD}, "empty"),
            (self.client.Update, {"id": "kept", "values": [1]}, "dimension 1", "4"),
            (self.client.Update, {"filter": struct({}), "set_metadata": struct({"a": 1})}, "empty"),
            (self.client.Update, {"filter": struct({"a": 1})}, "metadata"),
            (self.client.Update, {"filter": struct({"a": 1}), "values": GOOD}, "filter"),
            (self.client.Update, {"filter": struct({"a": 1}), "sparse_values": sparse(1)}, "filter"),
            (self.client.Update, {"id": "kept", "set_metadata": struct({"k": "x" * 41000})}, "40960"),
            (self.client.Delete, {}, "exactly one"),
            (self.client.Delete, {"ids": ["a"], "delete_all": True}, "exactly one"),
            (self.client.Delete, {"ids": ["a"], "filter": struct({"a": 1})}, "exactly one"),
            (self.client.Delete, {"filter": struct({})}, "empty"),
            (self.client.Delete, {"ids": [f"v{i}" for i in range(1001)]}, "1001", "1000"),
            (self.client.CreateNamespace, {"name": ""}, "empty"),
            (self.client.CreateNamespace, {"name": "n" * 513}, "513", "512"),
        ]
        for invoke, fields, *says in cases:
            self.invalid(lambda: invoke(**fields), *says)

    def test_metadata_may_not_grow_over_the_limit(self):
        self.upsert(vector("a", GOOD, {"k": "x" * 30000, "n": 1}), vector("b", GOOD, {"n": 1}), namespace="grow")
        more = struct({"more": "y" * 20000})
        self.invalid(lambda: self.client.Update(id="a", set_metadata=more, namespace="grow"), "40960")
        self.invalid(lambda: self.client.Update(filter=struct({"n": 1}), set_metadata=more, namespace="grow"), "40960")
        stored = self.client.Fetch(ids=["a", "b"], namespace="grow").vectors
        self.assertEqual([("more" in stored[name].metadata.fields) for name in ("a", "b")], [False, False])


class NoSparse(ServerCase):
    arguments = ("--metric", "cosine")

    def test_sparse_values_need_dotproduct(self):
        self.invalid(lambda: self.client.Upsert(vectors=[vector("a", GOOD, sparse={1: 1.0})]), "dotproduct", "cosine")
        self.invalid(lambda: self.client.Query(vector=GOOD, sparse_vector=sparse(1), top_k=1), "dotproduct")

    def test_the_first_upsert_fixes_the_dimension(self):
        self.assertFalse(self.client.DescribeIndexStats().HasField("dimension"))
        self.invalid(lambda: self.client.Upsert(vectors=[vector("a", [1, 2]), vector("b", [1])]), "'b'")
        self.client.Upsert(vectors=[vector("a", [1, 2])])
        self.invalid(lambda: self.client.Upsert(vectors=[vector("a", [1])]), "dimension 1", "2")
        self.assertEqual(self.client.DescribeIndexStats().dimension, 2)


def nested_value(depth):
    """The bytes of a google.protobuf.Value: lists in lists (6 = list_value; 1 = values)."""
    data = b""
    for _ in range(depth):
        data = b"\x0a" + varint(len(data)) + data if data else b""
        data = b"\x32" + varint(len(data)) + data
    return data


def varint(number):
    data = b""
    while number > 0x7f:
        data += bytes([number & 0x7f | 0x80])
        number >>= 7
    return data + bytes([number])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


class Malformed(ServerCase):
    def test_bytes_that_are_no_message(self):
        entry = field(1, b"k") + field(2, nested_value(6000))
        cases = [
            ("Upsert", b"\xff\xff\xff\xff"),
            ("Upsert", b"\x0a\x7f"),
            ("Upsert", field(1, field(1, b"\xc3\x28"))),
            ("Upsert", field(1, field(1, b"a\x00b") + field(2, b"\x00\x00\x80\x3f"))),
            ("Upsert", field(1, field(1, b"a") + field(2, b"\x00\x00\x80"))),
            ("Upsert", field(1, field(1, b"a") + field(2, b"\x00\x00\x80\x3f") + field(3, field(1, entry)))),
            ("Query", field(3, field(1, entry)) + field(7, b"\x00\x00\x80\x3f") + b"\x10\x01"),
            ("Delete", b"\x10" + b"\xff" * 11),
            ("List", b"\x07"),
        ]
        for rpc, data in cases:
            self.invalid(lambda: self.client.raw(path(rpc), data), "Malformed")
        self.assertEqual(self.client.DescribeIndexStats().total_vector_count, 0)

    def test_every_rpc_survives_mutilated_requests(self):
        whole = messages.UpsertRequest(vectors=[vector("a", GOOD, {"k": ["x"], "n": 1, "b": True})], namespace="n")
        data = whole.SerializeToString()
        for rpc in REQUESTS:
            for cut in range(0, len(data), 3):
                for damaged in (data[:cut], data[:cut] + bytes([data[cut] ^ 0x55]) + data[cut + 1:]):
                    try:
                        self.client.raw(path(rpc), damaged)
                    except grpc.RpcError as error:
                        self.assertIn(error.code(), (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND,
                                                     grpc.StatusCode.ALREADY_EXISTS), error.details())
        self.assertEqual(self.client.DescribeIndexStats().metric, "cosine")

    def test_small_bytes_that_would_take_much_memory(self):
        self.invalid(lambda: self.client.raw(path("Upsert"), b"\x0a\x00" * 1000000))

    def test_unknown_fields_are_skipped(self):
        data = messages.ListRequest(limit=5).SerializeToString() + field(99, b"anything") + b"\xf8\x06\x01"
        self.assertEqual(messages.ListResponse.FromString(self.client.raw(path("List"), data)).usage.read_units, 1)

    def test_requests_up_to_64_mib_get_an_answer(self):
        self.invalid(lambda: self.client.raw(path("Upsert"), field(2, b"x" * (40 << 20))), "2MB")
        self.refused(grpc.StatusCode.RESOURCE_EXHAUSTED,
                     lambda: self.client.raw(path("Upsert"), field(2, b"x" * (65 << 20))))

    def test_unknown_methods(self):
        for method in ("/VectorService/Upsort", "/Other/Upsert", "/VectorService/"):
            self.refused(grpc.StatusCode.UNIMPLEMENTED, lambda: self.client.raw(method, b""), method)


if __name__ == "__main__":
    unittest.main()
