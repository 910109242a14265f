#!/usr/bin/python3
"""The qdrant engine against a stub that decodes its bytes by Qdrant's published tables, notes them, and fails as told."""
import json
import os
import subprocess
import tempfile
import unittest
import uuid

import grpc
from driver import SLOW, Driver
from qdrant_payload import plain
from qdrant_stub import QdrantStub

NAME_SPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "vecmux")
RESOURCE_EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED


class Case(unittest.TestCase):
    maxDiff = None
    properties = {}

    def setUp(self):
        self.stub = self.enterContext(QdrantStub(api_key="k3y"))
        self.driver = self.enterContext(Driver(engine="qdrant", endpoint=self.stub.target,
                                               **{"api.key": "k3y", **self.properties}))
        self.assertEqual(self.driver.opened["start"], "VMX_OK")

    def run_op(self, op, **members):
        return self.driver(op=op, collection="c", timeout_ms=20000, **members)

    def good(self, op, **members):
        answer = self.run_op(op, **members)
        self.assertEqual((answer["start"], answer.get("status")), ("VMX_OK", "VMX_OK"), answer.get("error"))
        return answer

    def last(self, rpc):
        """The latest request of the RPC."""
        return [request for name, request, _ in self.stub.take() if name == rpc][-1]


class Bytes(Case):
    def test_every_call_has_the_key(self):
        self.good("ensure", dimension=2)
        self.assertTrue(all(metadata["api-key"] == "k3y" for _, _, metadata in self.stub.take()))

    def test_ensure(self):
        self.good("ensure", dimension=3, metric="euclidean", sparse=True, options={
            "hnsw": {"m": 8, "ef_construct": 50, "on_disk": True}, "optimizers": {"indexing_threshold": 0},
            "shard_number": 2, "on_disk_payload": True})
        self.assertEqual([name for name, _, _ in self.stub.calls],
                         ["Collections/Get", "Collections/Create", "Collections/Get"])
        request = self.last("Collections/Create")
        self.assertEqual((request.vectors_config.params.size, request.vectors_config.params.distance), (3, 2))
        self.assertEqual(list(request.sparse_vectors_config.map), ["sparse"])
        self.assertEqual((request.hnsw_config.m, request.hnsw_config.ef_construct, request.hnsw_config.on_disk), (8, 50, True))
        self.assertTrue(request.optimizers_config.HasField("indexing_threshold"))
        self.assertEqual((request.shard_number, request.on_disk_payload), (2, True))
        self.assertFalse(request.HasField("replication_factor"))

    def test_bad_options_are_refused(self):
        for options, says in (({"hnsw": {"x": 1}}, 'no option "x"'), ({"shards": 1}, 'no option "shards"'),
                              ({"hnsw": 1}, "takes an object"), ({"shard_number": -1}, "takes a whole number"),
                              ({"on_disk_payload": 1}, "takes true or false")):
            answer = self.run_op("ensure", dimension=3, options=options)
            self.assertEqual(answer["start"], "VMX_ERR_INVALID")
            self.assertIn(says, answer["error"]["message"])
        self.assertEqual(self.stub.calls, [])

    def test_points(self):
        self.good("ensure", dimension=2, sparse=True)
        self.good("upsert", vectors=[
            {"id": "text", "values": [0.5, -1], "metadata": {"whole": 3, "part": 0.5, "list": ["a", None, {"x": True}]}},
            {"id": "42", "values": [1, 2], "sparse": {"indices": [7, 4294967295], "values": [1.5, 2]}},
            {"id": "f47ac10b-58cc-4372-a567-0e02b2c3d479", "values": [3, 4]}])
        request = self.last("Points/Upsert")
        self.assertEqual((request.collection_name, request.wait, request.HasField("ordering")), ("c", True, False))
        text, number, uid = request.points
        self.assertEqual(text.id.uuid, str(uuid.uuid5(NAME_SPACE, "text")))
        self.assertEqual({key: plain(value) for key, value in text.payload.items()},
                         {"whole": 3, "part": 0.5, "list": ["a", None, {"x": True}], "_vecmux_id": "text"})
        self.assertEqual(text.payload["whole"].WhichOneof("kind"), "integer_value")
        self.assertEqual(list(text.vectors.vector.data), [0.5, -1])
        self.assertEqual((number.id.num, dict(number.payload)), (42, {}))
        self.assertEqual(list(number.vectors.vectors.vectors[""].data), [1, 2])
        sparse = number.vectors.vectors.vectors["sparse"]
        self.assertEqual((list(sparse.data), list(sparse.indices.data)), ([1.5, 2], [7, 4294967295]))
        self.assertEqual((uid.id.uuid, list(uid.vectors.vector.data)), ("f47ac10b-58cc-4372-a567-0e02b2c3d479", [3, 4]))

    def test_reserved_name_is_refused(self):
        answer = self.run_op("upsert", vectors=[{"id": "a", "values": [1], "metadata": {"_vecmux_id": "b"}}])
        self.assertEqual(answer["start"], "VMX_ERR_INVALID")
        self.assertIn("_vecmux_id", answer["error"]["message"])

    def test_query(self):
        self.good("ensure", dimension=2)
        self.good("query", dense=[1, 2], top_k=7, ef=99, exact=True, include_metadata=True, filter={"a.b": "x", "c": {"$lt": 5}})
        request = self.last("Points/Query")
        self.assertEqual((list(request.query.nearest.dense.data), request.limit, request.HasField("using")), ([1, 2], 7, False))
        self.assertEqual((request.params.hnsw_ef, request.params.exact), (99, True))
        self.assertEqual((request.with_payload.enable, request.with_vectors.enable), (True, False))
        first, second = request.filter.must
        self.assertEqual((first.field.key, first.field.match.keyword), ('"a.b"', "x"))
        self.assertEqual((second.field.key, second.field.range.lt, second.field.range.HasField("gt")), ("c", 5, False))

    def test_names_that_have_no_form(self):
        for name in ('a"b', "a\\b", ""):
            answer = self.run_op("query", dense=[1], top_k=1, filter={name: 1})
            self.assertEqual(answer["start"], "VMX_ERR_UNSUPPORTED")
        self.assertEqual(self.stub.calls, [])

    def test_build_waits_until_it_is_green(self):
        self.good("ensure", dimension=2)
        self.good("upsert", vectors=[{"id": "a", "values": [1, 2]}])
        self.stub.take()
        answer = self.good("build", options={"optimizers": {"indexing_threshold": 5}, "hnsw": {"m": 32}})
        self.assertEqual((answer["build"]["state"], answer["build"]["indexed_count"]), ("READY", 1))
        calls = self.stub.take()
        self.assertEqual(calls[0][0], "Collections/Update")
        self.assertEqual((calls[0][1].optimizers_config.indexing_threshold, calls[0][1].hnsw_config.m), (5, 32))
        self.assertGreater(len(calls), 3)


class Named(Case):
    properties = {"qdrant.vector.name": "dense", "qdrant.sparse.name": "words", "qdrant.wait": "false",
                  "qdrant.ordering": "strong"}

    def test_names_wait_and_ordering(self):
        self.good("ensure", dimension=2, sparse=True, metric="dotproduct")
        request = self.last("Collections/Create")
        self.assertEqual(request.vectors_config.params_map.map["dense"].size, 2)
        self.good("upsert", vectors=[{"id": "1", "values": [1, 2]},
                                     {"id": "2", "values": [2, 1], "sparse": {"indices": [3], "values": [4]}}])
        request = self.last("Points/Upsert")
        self.assertEqual((request.HasField("wait"), request.wait, request.ordering.type), (True, False, 2))
        self.assertEqual(list(request.points[0].vectors.vectors.vectors["dense"].data), [1, 2])
        self.assertEqual(list(request.points[1].vectors.vectors.vectors["words"].data), [4])
        found = self.good("fetch", ids=["2"])["matches"][0]
        self.assertEqual((found["values"], found["sparse"]), ([2, 1], {"indices": [3], "values": [4]}))
        self.good("query", sparse={"indices": [3], "values": [1]}, top_k=1)
        self.assertEqual(self.last("Points/Query").using, "words")
        self.good("flush")
        request = self.last("Points/Delete")
        self.assertEqual((request.wait, list(request.points.filter.must[0].has_id.has_id)), (True, []))


class Failures(Case):
    properties = {"retry.initial.backoff.ms": 1}

    def setUp(self):
        super().setUp()
        self.good("ensure", dimension=1)
        self.stub.take()

    def upsert(self):
        return self.run_op("upsert", vectors=[{"id": "a", "values": [1]}])

    def test_rate_limit_with_a_hint_is_waited_for(self):
        self.stub.fail("Points/Upsert", RESOURCE_EXHAUSTED, "rate limit", [("retry-after", "1")])
        self.assertEqual(self.upsert()["status"], "VMX_OK")
        self.assertEqual(len(self.stub.take()), 2)

    def test_without_a_hint_it_is_hopeless(self):
        self.stub.fail("Points/Upsert", RESOURCE_EXHAUSTED, "disk is full")
        answer = self.upsert()
        self.assertEqual((answer["status"], answer["error"]["retriable"]), ("VMX_ERR_RESOURCE_EXHAUSTED", False))
        self.assertEqual(len(self.stub.take()), 1)

    def test_write_that_was_not_applied_in_time_is_repeated(self):
        self.stub.statuses.extend([4, 3])
        self.assertEqual(self.upsert()["status"], "VMX_OK")
        self.assertEqual(len(self.stub.take()), 3)

    def test_unknown_status_is_an_error(self):
        self.stub.statuses.append(0)
        answer = self.upsert()
        self.assertEqual(answer["status"], "VMX_ERR_SERVER")
        self.assertIn("does not say what became of the write", answer["error"]["message"])

    def test_codes(self):
        for code, status in ((grpc.StatusCode.INVALID_ARGUMENT, "VMX_ERR_REJECTED"), (grpc.StatusCode.INTERNAL, "VMX_ERR_SERVER"),
                             (grpc.StatusCode.PERMISSION_DENIED, "VMX_ERR_PERMISSION_DENIED"),
                             (grpc.StatusCode.FAILED_PRECONDITION, "VMX_ERR_REJECTED")):
            self.stub.fail("Points/Upsert", code, "no")
            self.assertEqual(self.upsert()["status"], status)

    def test_unavailable_is_repeated(self):
        self.stub.fail("Points/Query", grpc.StatusCode.UNAVAILABLE, "shard")
        self.good("query", dense=[1], top_k=1)

    def test_wrong_key(self):
        with Driver(engine="qdrant", endpoint=self.stub.target, **{"api.key": "wrong"}) as driver:
            self.assertEqual(driver(op="describe", collection="c")["status"], "VMX_ERR_UNAUTHENTICATED")

    def test_names_of_collections(self):
        for name in ("", "a b", "a/b", "x" * 256):
            answer = self.driver(op="describe", collection=name)
            self.assertEqual(answer["start"], "VMX_ERR_INVALID")
        answer = self.driver(op="describe", collection="c", namespace="n")
        self.assertEqual(answer["start"], "VMX_ERR_UNSUPPORTED")


class Load(Case):
    """The bulk writer and the command-line tool, as with any engine."""

    def vecmux(self, command, *arguments):
        done = subprocess.run([os.environ["VECMUX"], command, "--endpoint", self.stub.target, "--set", "engine=qdrant",
                               "--api-key", "k3y", "--collection", "c", *arguments], capture_output=True, text=True,
                              timeout=50 * SLOW, check=False)
        return done.returncode, done.stdout, done.stderr

    def test_load(self):
        self.good("ensure", dimension=3, metric="dotproduct")
        self.stub.fail("Points/Upsert", grpc.StatusCode.UNAVAILABLE, "starting")
        with tempfile.TemporaryDirectory() as directory:
            path, letters = os.path.join(directory, "v.jsonl"), os.path.join(directory, "failed.jsonl")
            with open(path, "w", encoding="utf-8") as file:
                for n in range(3000):
                    file.write(json.dumps({"id": f"id {n}" if n % 2 else str(n), "values": [n, 1, 2], "metadata": {"n": n}}) + "\n")
                file.write(json.dumps({"id": "bad", "values": [1, 2], "metadata": {"why": "ä"}}) + "\n")
            code, out, err = self.vecmux("load", path, "--dead-letters", letters)
            self.assertEqual(code, 1, out + err)
            with open(letters, encoding="utf-8") as file:
                lost = [json.loads(line) for line in file]
        self.assertEqual([(r["id"], r["values"], r["metadata"]) for r in lost], [("bad", [1, 2], {"why": "ä"})])
        self.assertEqual(self.good("count")["count"], 3000)
        self.assertEqual(self.good("fetch", ids=["id 17"])["matches"][0]["values"], [17, 1, 2])


unittest.main()
