"""All twelve RPCs through the public API, against a stub server of grpcio and google.protobuf.

What the stub received is compared as protobuf messages (presence of optional fields included) with what the call should
have sent; what the driver printed with what the stub answered.
"""
import json
import struct
import unittest

import grpc
from google.protobuf import json_format, struct_pb2

from driver import Driver
from stub_server import Stub, messages as pb


def float32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def floats(values):
    return [float32(value) for value in values]


def to_struct(value):
    return json_format.ParseDict(value, struct_pb2.Struct())


NESTED = {"text": "ü\u4e2d\U0001f600 \"quoted\" \\ \n\t\u0001", "zero": 0, "minus": -1.5, "big": 1e300, "tiny": 5e-324,
          "third": 0.1, "int": 9007199254740991, "yes": True, "no": False, "null": None, "empty": "", "list": [],
          "object": {}, "deep": {"a": [{"b": [[1, "x", None, {"c": False}]]}]}, "": "no name", "päth": ["é"]}
FILTER = {"$and": [{"genre": {"$in": ["a", "b"]}}, {"year": {"$gte": 1990, "$lt": 2000.5}},
                   {"ü": {"$not": {"$exists": False}}}, {"x": {"$ne": True}}]}


def absent_result(**present):
    """What the driver prints of a successful call, but for the status, the error and the name."""
    result = {"matches": [], "ids": [], "namespaces": [], "state": None, "next_token": None, "count": None, "lsn": None,
              "matched": None, "total": None, "read_units": None, "egress_bytes": None, "metadata": {},
              "query_counts": [], "build": None}
    result.update(present)
    if result["state"] is not None:  # Pinecone has no word on builds
        result["build"] = {"state": "UNKNOWN", "indexed_count": None, "error": None}
    return result


class Calls:
    """The tests, for one number of io threads."""

    maxDiff = None
    io_threads = None

    @classmethod
    def setUpClass(cls):
        cls.stub = Stub()
        cls.driver = Driver(endpoint=cls.stub.target, **{"io.threads": cls.io_threads, "api.key": "secret-key",
                                                         "user.agent": "mytool/1.0"})

    @classmethod
    def tearDownClass(cls):
        cls.driver.__exit__(None)
        cls.stub.__exit__()

    def setUp(self):
        self.assertEqual(self.driver.opened, {"start": "VMX_OK"})
        self.stub.take()

    def succeed(self, **command):
        """Makes a call that must succeed; gives what the driver printed of its result."""
        answer = self.driver(**command)
        self.assertEqual((answer.pop("start"), answer.pop("status", None)), ("VMX_OK", "VMX_OK"), answer)
        error = answer.pop("error")
        self.assertEqual((error["code"], error["grpc_code"], error["outcome"], error["attempts"] >= 1, error["message"]),
                         ("VMX_OK", 0, "DONE", True, ""))
        self.assertEqual(answer.pop("name"), command["op"].replace("_", " "))
        return answer

    def sent(self, rpc, *requests):
        """The stub has received just these requests, equal in every field and in the presence of every field."""
        calls = self.stub.take()
        self.assertEqual([call.rpc for call in calls], [rpc] * len(requests))
        for call, request in zip(calls, requests):
            self.assertEqual(call.request, request)
            self.assertEqual(call.request.SerializeToString(deterministic=True),
                             request.SerializeToString(deterministic=True))
            self.assertEqual(call.metadata["api-key"], "secret-key")
            self.assertEqual(call.metadata["x-pinecone-api-version"], "2026-07")
            self.assertTrue(call.metadata["user-agent"].startswith("mytool/1.0 vecmux/0."), call.metadata["user-agent"])
        return calls

    # --- upsert ---

    def test_upsert(self):
        vectors = [
            {"id": "dense", "values": [0, -0.0, 0.1, 3.4e38, 1e-45]},
            {"id": "nested", "values": [1, 2, 3, 4, 5], "metadata": NESTED},
            {"id": "ünï\u4e2d\U0001f600 id", "values": [1, 2, 3, 4, 5], "metadata": {}},
            {"id": "both", "values": [1, 2, 3, 4, 5], "sparse": {"indices": [0, 7, 4294967295], "values": [0, -2, 1e-3]}},
            {"id": "x" * 512, "values": [5, 4, 3, 2, 1]},
        ]
        expected = pb.UpsertRequest(namespace="ns 1/", vectors=[
            pb.Vector(id=vector["id"], values=floats(vector["values"]),
                      metadata=to_struct(vector["metadata"]) if "metadata" in vector else None,
                      sparse_values=pb.SparseValues(indices=vector["sparse"]["indices"],
                                                    values=floats(vector["sparse"]["values"]))
                      if "sparse" in vector else None)
            for vector in vectors])
        self.stub.answer("Upsert", pb.UpsertResponse(upserted_count=5), initial=[("x-pinecone-request-lsn", "17")],
                         trailing=[("x-trail", "t")])
        result = self.succeed(op="upsert", namespace="ns 1/", vectors=vectors,
                              read=["x-pinecone-request-lsn", "x-trail", "x-none"])
        self.assertEqual(result, absent_result(count=5, lsn=17, metadata={"x-pinecone-request-lsn": "17", "x-trail": "t",
                                                                          "x-none": None}))
        call = self.sent("Upsert", expected)[0]
        self.assertFalse(call.request.vectors[0].HasField("metadata"))
        self.assertTrue(call.request.vectors[2].HasField("metadata"))
        self.assertFalse(call.request.vectors[2].HasField("sparse_values"))

    def test_upsert_sparse_only(self):
        self.stub.answer("Upsert", pb.UpsertResponse(upserted_count=0))
        sparse = {"indices": [1, 2], "values": [0.5, 0.25]}
        result = self.succeed(op="upsert", vectors=[{"id": "s", "sparse": sparse}])
        self.assertEqual(result, absent_result(count=0))
        self.sent("Upsert", pb.UpsertRequest(vectors=[pb.Vector(id="s", sparse_values=pb.SparseValues(**sparse))]))

    def test_upsert_of_nearly_two_megabytes(self):
        values = [float32(i / 7) for i in range(490)]
        vectors = [{"id": f"v{i:06}", "values": values} for i in range(1000)]
        self.stub.answer("Upsert", pb.UpsertResponse(upserted_count=1000))
        self.assertEqual(self.succeed(op="upsert", vectors=vectors)["count"], 1000)
        self.sent("Upsert", pb.UpsertRequest(vectors=[pb.Vector(id=v["id"], values=values) for v in vectors]))

    # --- query ---

    def test_query_dense(self):
        self.stub.answer("Query", pb.QueryResponse(namespace="n", usage=pb.Usage(read_units=0), matches=[
            pb.ScoredVector(id="a", score=0.1), pb.ScoredVector(id="", score=-0.0), pb.ScoredVector(id="ü", score=1e-45)]))
        result = self.succeed(op="query", namespace="n", dense=[0, 0.1], top_k=1)
        empty = {"values": [], "sparse": {"indices": [], "values": []}, "metadata": None}
        self.assertEqual(result, absent_result(read_units=0, matches=[
            {"id": "a", "score": float32(0.1), **empty}, {"id": "", "score": -0.0, **empty},
            {"id": "ü", "score": float32(1e-45), **empty}]))
        self.sent("Query", pb.QueryRequest(namespace="n", top_k=1, vector=floats([0, 0.1])))

    def test_query_with_everything(self):
        sparse = pb.SparseValues(indices=[9, 1], values=[0.5, -1])
        self.stub.answer("Query", pb.QueryResponse(usage=pb.Usage(read_units=5, egress_bytes=0), matches=[
            pb.ScoredVector(id="m", score=2, values=floats([0.1, 0]), sparse_values=sparse, metadata=to_struct(NESTED)),
            pb.ScoredVector(id="e", metadata=to_struct({}))]), initial=[("x-pinecone-max-indexed-lsn", "0")])
        result = self.succeed(op="query", dense=[1, 2], sparse={"indices": [3], "values": [0.5]}, top_k=10000,
                              filter=FILTER, include_values=True, include_metadata=True, scan_factor=0.5,
                              max_candidates=100000)
        self.assertEqual([json.loads(match.pop("metadata")) for match in result["matches"]], [NESTED, {}])
        self.assertEqual(result, absent_result(lsn=0, read_units=5, egress_bytes=0, matches=[
            {"id": "m", "score": 2.0, "values": floats([0.1, 0]), "sparse": {"indices": [9, 1], "values": [0.5, -1.0]}},
            {"id": "e", "score": 0.0, "values": [], "sparse": {"indices": [], "values": []}}]))
        call = self.sent("Query", pb.QueryRequest(
            vector=[1, 2], sparse_vector=pb.SparseValues(indices=[3], values=[0.5]), top_k=10000,
            filter=to_struct(FILTER), include_values=True, include_metadata=True, scan_factor=0.5,
            max_candidates=100000))[0]
        self.assertTrue(call.request.HasField("scan_factor"))

    def test_query_leaves_out_what_was_not_given(self):
        self.succeed(op="query", id="\U0001f600", top_k=2)
        request = self.sent("Query", pb.QueryRequest(id="\U0001f600", top_k=2))[0].request
        for field in ("filter", "sparse_vector", "scan_factor", "max_candidates"):
            self.assertFalse(request.HasField(field), field)

    def test_query_sparse_only(self):
        self.succeed(op="query", sparse={"indices": [0], "values": [0]}, top_k=1, filter="{}")
        request = self.sent("Query", pb.QueryRequest(sparse_vector=pb.SparseValues(indices=[0], values=[0]), top_k=1,
                                                     filter=to_struct({})))[0].request
        self.assertTrue(request.HasField("filter"))

    def test_query_answers_of_any_size(self):
        self.assertEqual(self.succeed(op="query", dense=[1], top_k=10000), absent_result())
        matches = [pb.ScoredVector(id=f"id-{i}", score=i / 3, values=[i, -i], metadata=to_struct({"i": i}))
                   for i in range(10000)]
        self.stub.answer("Query", pb.QueryResponse(matches=matches))
        result = self.succeed(op="query", dense=[1], top_k=10000, include_values=True, include_metadata=True)
        self.assertEqual([(m["id"], m["score"], m["values"], json.loads(m["metadata"])) for m in result["matches"]],
                         [(f"id-{i}", float32(i / 3), [i, -i], {"i": i}) for i in range(10000)])

    # --- fetch ---

    def test_fetch(self):
        self.stub.answer("Fetch", pb.FetchResponse(namespace="n", usage=pb.Usage(egress_bytes=3), vectors={
            "a": pb.Vector(id="a", values=[1, 2], metadata=to_struct(NESTED)),
            "é": pb.Vector(id="é", sparse_values=pb.SparseValues(indices=[1], values=[2]))}))
        result = self.succeed(op="fetch", namespace="n", ids=["a", "é", "gone"])
        matches = {match.pop("id"): match for match in result.pop("matches")}
        self.assertEqual(json.loads(matches["a"].pop("metadata")), NESTED)
        self.assertEqual(matches, {"a": {"score": 0.0, "values": [1.0, 2.0], "sparse": {"indices": [], "values": []}},
                                   "é": {"score": 0.0, "values": [], "sparse": {"indices": [1], "values": [2.0]},
                                         "metadata": None}})
        self.assertEqual(result["egress_bytes"], 3)
        self.assertIsNone(result["read_units"])
        self.sent("Fetch", pb.FetchRequest(ids=["a", "é", "gone"], namespace="n"))

    def test_fetch_by_filter(self):
        self.stub.answer("FetchByMetadata", pb.FetchByMetadataResponse(
            vectors={"a": pb.Vector(id="a")}, pagination=pb.Pagination(next="töken")))
        result = self.succeed(op="fetch", filter=FILTER, limit=10000, token="from hére")
        self.assertEqual(result["next_token"], "töken")
        self.assertEqual([match["id"] for match in result["matches"]], ["a"])
        self.sent("FetchByMetadata", pb.FetchByMetadataRequest(filter=to_struct(FILTER), limit=10000,
                                                               pagination_token="from hére"))

    def test_fetch_by_filter_with_defaults(self):
        self.assertEqual(self.succeed(op="fetch", filter={"a": 0}), absent_result())
        request = self.sent("FetchByMetadata", pb.FetchByMetadataRequest(filter=to_struct({"a": 0})))[0].request
        self.assertFalse(request.HasField("limit") or request.HasField("pagination_token"))

    # --- list ---

    def test_list_over_several_pages(self):
        def page(ids, following):
            return pb.ListResponse(vectors=[pb.ListItem(id=i) for i in ids], usage=pb.Usage(read_units=1),
                                   pagination=pb.Pagination(next=following) if following is not None else None)
        for ids, following in ((["a", "b"], "t1"), (["c"], "t2"), (["ü", "d"], None)):
            self.stub.answer("List", page(ids, following))
        result = self.succeed(op="list", namespace="n", prefix="pré", page_size=2)
        self.assertEqual(result, absent_result(ids=["a", "b", "c", "ü", "d"], read_units=3))
        self.sent("List", *(pb.ListRequest(namespace="n", prefix="pré", limit=2, pagination_token=token)
                            for token in (None, "t1", "t2")))

    def test_list_stops_at_its_limit(self):
        for start in (0, 100):
            self.stub.answer("List", pb.ListResponse(pagination=pb.Pagination(next=f"t{start}"), vectors=[
                pb.ListItem(id=str(i)) for i in range(start, min(start + 100, 150))]))
        result = self.succeed(op="list", limit=150, token="t")
        self.assertEqual((len(result["ids"]), result["next_token"]), (150, "t100"))
        self.sent("List", pb.ListRequest(limit=100, pagination_token="t"), pb.ListRequest(limit=50, pagination_token="t0"))

    def test_list_with_defaults(self):
        self.assertEqual(self.succeed(op="list", null=True), absent_result())
        request = self.sent("List", pb.ListRequest(limit=100))[0].request
        self.assertFalse(request.HasField("prefix") or request.HasField("pagination_token"))

    # --- update ---

    def test_update_by_id(self):
        self.stub.answer("Update", pb.UpdateResponse(matched_records=0), initial=[("x-pinecone-request-lsn", "3")])
        result = self.succeed(op="update", namespace="n", id="ä", values=[0, 1], set_metadata=NESTED,
                              sparse={"indices": [1], "values": [0]})
        self.assertEqual(result, absent_result(matched=0, lsn=3))
        request = self.sent("Update", pb.UpdateRequest(
            namespace="n", id="ä", values=[0, 1], set_metadata=to_struct(NESTED),
            sparse_values=pb.SparseValues(indices=[1], values=[0])))[0].request
        self.assertFalse(request.HasField("dry_run") or request.HasField("filter"))

    def test_update_by_filter_as_a_dry_run(self):
        self.assertEqual(self.succeed(op="update", filter=FILTER, set_metadata="{}", dry_run=True), absent_result())
        request = self.sent("Update", pb.UpdateRequest(filter=to_struct(FILTER), set_metadata=to_struct({}),
                                                       dry_run=True))[0].request
        self.assertTrue(request.HasField("dry_run"))

    # --- delete ---

    def test_delete(self):
        self.assertEqual(self.succeed(op="delete", namespace="n", ids=["a", "ü"]), absent_result())
        self.sent("Delete", pb.DeleteRequest(namespace="n", ids=["a", "ü"]))
        self.succeed(op="delete", filter=FILTER)
        self.sent("Delete", pb.DeleteRequest(filter=to_struct(FILTER)))
        self.succeed(op="delete", all=True)
        self.assertFalse(self.sent("Delete", pb.DeleteRequest(delete_all=True))[0].request.HasField("filter"))

    # --- stats and namespaces ---

    def test_stats(self):
        self.stub.answer("DescribeIndexStats", pb.DescribeIndexStatsResponse(
            namespaces={"": pb.NamespaceSummary(vector_count=2), "é": pb.NamespaceSummary()}, dimension=0,
            index_fullness=0.5, total_vector_count=4294967295, metric="", vector_type="dense", memory_fullness=0))
        result = self.succeed(op="stats")
        result["namespaces"].sort(key=lambda item: item["name"])
        self.assertEqual(result, absent_result(
            state={"vector_count": 4294967295, "dimension": 0, "metric": "", "vector_type": "dense",
                   "index_fullness": 0.5, "memory_fullness": 0.0, "storage_fullness": None},
            namespaces=[{"name": "", "vector_count": 2, "size_bytes": 0, "fields": []},
                        {"name": "é", "vector_count": 0, "size_bytes": 0, "fields": []}]))
        self.assertFalse(self.sent("DescribeIndexStats", pb.DescribeIndexStatsRequest())[0].request.HasField("filter"))

    def test_stats_of_which_all_is_absent(self):
        self.assertEqual(self.succeed(op="stats"), absent_result(
            state={"vector_count": 0, "dimension": None, "metric": None, "vector_type": None, "index_fullness": 0.0,
                   "memory_fullness": None, "storage_fullness": None}))

    def test_create_namespace(self):
        schema = pb.MetadataSchema(fields={name: pb.MetadataFieldProperties(filterable=True) for name in ("a", "ü")})
        self.stub.answer("CreateNamespace", pb.NamespaceDescription(name="n", schema=schema))
        result = self.succeed(op="create_namespace", namespace="n", filterable=["a", "ü"])
        fields = result["namespaces"][0].pop("fields")
        self.assertEqual(sorted(fields), ["a", "ü"])
        self.assertEqual(result, absent_result(namespaces=[{"name": "n", "vector_count": 0, "size_bytes": 0}]))
        self.sent("CreateNamespace", pb.CreateNamespaceRequest(name="n", schema=schema))
        self.succeed(op="create_namespace", namespace="n")
        self.assertFalse(self.sent("CreateNamespace", pb.CreateNamespaceRequest(name="n"))[0].request.HasField("schema"))

    def test_describe_namespace(self):
        self.stub.answer("DescribeNamespace", pb.NamespaceDescription(
            name="n", record_count=1 << 40, size_bytes=1 << 41, indexed_fields=pb.IndexedFields(fields=["f"])))
        self.assertEqual(self.succeed(op="describe_namespace", namespace="n"), absent_result(
            namespaces=[{"name": "n", "vector_count": 1 << 40, "size_bytes": 1 << 41, "fields": ["f"]}]))
        self.sent("DescribeNamespace", pb.DescribeNamespaceRequest(namespace="n"))

    def test_delete_namespace(self):
        self.assertEqual(self.succeed(op="delete_namespace", namespace="n"), absent_result())
        self.sent("DeleteNamespace", pb.DeleteNamespaceRequest(namespace="n"))

    def test_list_namespaces(self):
        self.stub.answer("ListNamespaces", pb.ListNamespacesResponse(
            namespaces=[pb.NamespaceDescription(name="a", record_count=1)], pagination=pb.Pagination(next="t")))
        self.stub.answer("ListNamespaces", pb.ListNamespacesResponse(
            namespaces=[pb.NamespaceDescription(name="b")], total_count=0))
        result = self.succeed(op="list_namespaces", prefix="p", page_size=1)
        self.assertEqual(result, absent_result(total=0, namespaces=[
            {"name": "a", "vector_count": 1, "size_bytes": 0, "fields": []},
            {"name": "b", "vector_count": 0, "size_bytes": 0, "fields": []}]))
        self.sent("ListNamespaces", pb.ListNamespacesRequest(prefix="p", limit=1),
                  pb.ListNamespacesRequest(prefix="p", limit=1, pagination_token="t"))
        self.assertIsNone(self.succeed(op="list_namespaces")["total"])

    # --- what goes with a call ---

    def test_wait_visible_looks_until_the_write_is_there(self):
        for lsn in ("3", "4", "5"):
            self.stub.answer("Query", initial=[("x-pinecone-max-indexed-lsn", lsn)])
        self.assertEqual(self.succeed(op="wait_visible", namespace="n", lsn=5), absent_result(lsn=5))
        calls = self.stub.take()
        self.assertEqual([(call.rpc, call.request.namespace) for call in calls], [("Query", "n")] * 3)

    def test_wait_visible_without_the_header(self):
        answer = self.driver(op="wait_visible", lsn=5)
        self.assertEqual(answer["status"], "VMX_ERR_UNSUPPORTED")
        self.assertIn("x-pinecone-max-indexed-lsn", answer["error"]["message"])

    def test_wait_visible_gives_up_at_its_timeout(self):
        for _ in range(50):
            self.stub.answer("Query", initial=[("x-pinecone-max-indexed-lsn", "4")])
        answer = self.driver(op="wait_visible", lsn=5, timeout_ms=300)
        self.stub._answers.clear()
        self.assertEqual(answer["status"], "VMX_ERR_DEADLINE", answer)
        self.assertIn("300 ms", answer["error"]["message"])

    def test_headers_and_deadline(self):
        self.succeed(op="query", dense=[1], top_k=1, timeout_ms=5000, headers={"x-a": "1 2", "traceparent": "00-ab",
                                                                               "b-bin": "raw\u0001"})
        call = self.stub.take()[0]
        self.assertEqual((call.metadata["x-a"], call.metadata["traceparent"], call.metadata["b-bin"]),
                         ("1 2", "00-ab", b"raw\x01"))
        self.assertTrue(3 < call.time_left_s <= 5.2, call.time_left_s)

    def test_a_failed_call_says_what_is_known(self):
        for code, status, outcome, attempts in (
                ("INVALID_ARGUMENT", "VMX_ERR_REJECTED", "REJECTED", 1), ("NOT_FOUND", "VMX_ERR_NOT_FOUND", "REJECTED", 1),
                ("RESOURCE_EXHAUSTED", "VMX_ERR_RESOURCE_EXHAUSTED", "REJECTED", 2),
                ("INTERNAL", "VMX_ERR_SERVER", "UNKNOWN", 1), ("UNAVAILABLE", "VMX_ERR_UNAVAILABLE", "REJECTED", 2)):
            for _ in range(attempts):
                self.stub.answer("Upsert", code=grpc.StatusCode[code], text="because of é",
                                 trailing=[("x-request-id", "r1")])
            answer = self.driver(op="upsert", vectors=[{"id": "a", "values": [1]}], max_attempts=2,
                                 read=["x-request-id"])
            error = answer["error"]
            self.assertEqual((answer["status"], error["code"], error["outcome"], error["attempts"], error["peer"]),
                             (status, status, outcome, attempts, self.stub.target), answer)
            self.assertEqual((error["grpc_code"], error["retriable"], answer["metadata"]),
                             (grpc.StatusCode[code].value[0], attempts == 2, {"x-request-id": "r1"}))
            for text in ("upsert at 127.0.0.1:", code, "because of é"):
                self.assertIn(text, error["message"])

    def test_a_refusal_for_now_is_repeated(self):
        self.stub.answer("Query", code=grpc.StatusCode.UNAVAILABLE, text="not now")
        self.stub.answer("Query", pb.QueryResponse(matches=[pb.ScoredVector(id="a")]))
        self.assertEqual(len(self.succeed(op="query", dense=[1], top_k=1)["matches"]), 1)
        self.assertEqual(len(self.stub.take()), 2)


class CompressingServer(unittest.TestCase):
    """One that compresses its replies though the client has not said that it understands that."""

    def test_replies_are_read_within_the_limit(self):
        for compression in (grpc.Compression.Gzip, grpc.Compression.Deflate):
            with Stub(compression=compression) as stub:
                reply = pb.QueryResponse(matches=[pb.ScoredVector(id=f"same {i}", score=i) for i in range(300)])
                stub.answer("Query", reply)
                stub.answer("Query", reply)
                with Driver(endpoint=stub.target) as driver:
                    matches = driver(op="query", dense=[1], top_k=300)["matches"]
                    self.assertEqual([match["id"] for match in matches], [match.id for match in reply.matches])
                with Driver(endpoint=stub.target, **{"receive.limit.bytes": 4000}) as driver:
                    error = driver(op="query", dense=[1], top_k=300)["error"]
                    self.assertEqual((error["code"], error["grpc_code"], error["peer"]),
                                     ("VMX_ERR_RESOURCE_EXHAUSTED", 8, stub.target), error)
                    self.assertIn("compressed vs. 4000", error["message"])
                    self.assertIn("raise receive.limit.bytes", error["message"])


class CallsOfAClientWithAThread(Calls, unittest.TestCase):
    io_threads = 1


class CallsOfAClientWithoutThreads(Calls, unittest.TestCase):
    io_threads = 0


if __name__ == "__main__":
    unittest.main()
