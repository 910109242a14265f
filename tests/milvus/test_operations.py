"""Every operation of the milvus engine against a real server."""
import json
import unittest

import servers
from driver import Driver

SPECIAL = "q\"'\\\u00e9\n or 1==1"


class Operations(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.context = servers.server()
        cls.endpoint = cls.context.__enter__()
        cls.addClassCleanup(cls.context.__exit__, None, None, None)

    def setUp(self):
        self.driver = Driver(engine="milvus", endpoint=self.endpoint)
        self.driver.__enter__()
        self.addCleanup(self.driver.__exit__, None, None, None)
        self.collection = "t_" + self.id().rsplit(".", 1)[1]
        self.addCleanup(self.run_op, op="drop")
        self.good(op="drop")

    def run_op(self, **command):
        return self.driver(**{"collection": self.collection, "timeout_ms": 60000, **command})

    def good(self, **command):
        answer = self.run_op(**command)
        self.assertEqual(answer["start"], "VMX_OK", answer.get("error"))
        self.assertEqual(answer["status"], "VMX_OK", answer["error"])
        return answer

    def refused(self, code, *words, **command):
        answer = self.run_op(**command)
        self.assertEqual(answer["error"]["code"], code, answer)
        for word in words:
            self.assertIn(word, answer["error"]["message"])

    def ids(self, answer):
        return [match["id"] for match in answer["matches"]]

    def fill(self, count=50):
        self.good(op="ensure", dimension=4, metric="euclidean")
        vectors = [{"id": f"r{i}", "values": [i, 0, 0, 1],
                    "metadata": {"n": i, "s": f"x{i % 3}", "l": ["a", "b"][:i % 3]}} for i in range(count)]
        vectors.append({"id": SPECIAL, "values": [1000, 0, 0, 1]})
        self.assertEqual(self.good(op="upsert", vectors=vectors)["count"], count + 1)

    def test_ensure_verifies(self):
        self.refused("VMX_ERR_NOT_FOUND", op="describe")
        for _ in range(2):
            state = self.good(op="ensure", dimension=4, metric="euclidean")["state"]
            self.assertEqual((state["dimension"], state["metric"], state["vector_count"]), (4, "euclidean", 0))
        self.refused("VMX_ERR_ALREADY_EXISTS", "4 dimensions, and 5", op="ensure", dimension=5, metric="euclidean")
        self.refused("VMX_ERR_ALREADY_EXISTS", "euclidean, and cosine", op="ensure", dimension=4, metric="cosine")
        self.refused("VMX_ERR_INVALID", "\"colour\" is no option", op="ensure", dimension=4, metric="cosine",
                     options={"colour": 1})
        self.assertIn(self.collection, self.good(op="list_indexes")["ids"])
        self.good(op="drop")
        self.refused("VMX_ERR_NOT_FOUND", op="query", dense=[1, 2, 3, 4], top_k=1)
        self.good(op="drop")

    def test_query(self):
        self.fill()
        answer = self.good(op="query", dense=[3, 0, 0, 1], top_k=3, include_metadata=True, include_values=True)
        first = answer["matches"][0]
        self.assertEqual((first["id"], first["score"], first["values"]), ("r3", 0, [3, 0, 0, 1]))
        self.assertEqual(json.loads(first["metadata"]), {"n": 3, "s": "x0", "l": []})
        self.assertEqual(set(self.ids(answer)), {"r3", "r2", "r4"})
        self.assertEqual(answer["matches"][1]["score"], 1)  # squared
        answer = self.good(op="query", dense=[3, 0, 0, 1], top_k=3, ef=100, filter={"s": {"$in": ["x1", "x2"]}})
        self.assertEqual(set(self.ids(answer)), {"r1", "r2", "r4"})
        answer = self.good(op="batch_query", queries=[{"dense": [n, 0, 0, 1], "top_k": 2} for n in (3, 30.1)])
        self.assertEqual(answer["query_counts"], [2, 2])
        self.assertEqual((self.ids(answer)[0], self.ids(answer)[2:]), ("r3", ["r30", "r31"]))
        self.refused("VMX_ERR_INVALID", "5 dimensions, but the collection has 4", op="query", dense=[1] * 5, top_k=1)
        self.refused("VMX_ERR_UNSUPPORTED", "milvus", op="query", dense=[1] * 4, top_k=1, exact=True)
        self.refused("VMX_ERR_UNSUPPORTED", "different top_k", op="batch_query",
                     queries=[{"dense": [1] * 4, "top_k": n} for n in (1, 2)])

    def test_fetch_list_delete_count(self):
        self.fill()
        answer = self.good(op="fetch", ids=["r1", SPECIAL, "nope"])
        self.assertEqual(sorted(self.ids(answer)), sorted(["r1", SPECIAL]))
        answer = self.good(op="fetch", filter={"n": {"$lt": 5}}, limit=3)
        self.assertEqual((len(answer["matches"]), answer["next_token"]), (3, "3"))
        answer = self.good(op="fetch", filter={"n": {"$lt": 5}}, limit=3, token="3")
        self.assertEqual((len(answer["matches"]), answer["next_token"]), (2, None))
        self.assertEqual(self.good(op="list", prefix="r1")["ids"], ["r1"] + [f"r1{i}" for i in range(10)])
        answer = self.good(op="list", limit=3)
        self.assertEqual((answer["ids"], answer["next_token"]), ([SPECIAL, "r0", "r1"], "r1"))
        self.assertEqual(self.good(op="list", limit=2, token="r1")["ids"], ["r10", "r11"])
        self.assertEqual(len(self.good(op="list", page_size=7)["ids"]), 51)
        self.assertEqual(self.good(op="count", filter={"l": "a"})["count"], 33)
        self.assertEqual(self.good(op="count", filter={"l": {"$ne": "a"}})["count"], 18)
        self.assertEqual(self.good(op="count", filter={"n": {"$not": {"$gt": 40}}})["count"], 42)
        self.good(op="delete", ids=["r1", SPECIAL])
        self.assertEqual(self.good(op="count")["count"], 49)
        self.good(op="delete", filter={"n": {"$gte": 45}})
        self.assertEqual(self.good(op="count")["count"], 44)
        self.good(op="delete", all=True)
        self.assertEqual(self.good(op="count")["count"], 0)

    def test_upsert_replaces(self):
        self.good(op="ensure", dimension=2)
        for value in (1, 2):
            self.good(op="upsert", vectors=[{"id": "a", "values": [value, 1], "metadata": {"v": value}}])
        match, = self.good(op="fetch", ids=["a"])["matches"]
        self.assertEqual((match["values"], match["metadata"]), ([2, 1], '{"v":2}'))
        self.assertEqual(self.good(op="count")["count"], 1)
        self.refused("VMX_ERR_INVALID", "stands twice", op="upsert", vectors=[{"id": "b", "values": [1, 1]}] * 2)
        self.refused("VMX_ERR_INVALID", "3 dimensions", op="upsert", vectors=[{"id": "b", "values": [1, 1, 1]}])

    def test_build(self):
        self.fill(300)
        self.good(op="flush")
        answer = self.good(op="build")
        self.assertEqual(answer["build"]["state"], "READY")
        self.assertEqual(answer["state"]["vector_count"], 301)
        self.good(op="build", options={"index_type": "HNSW", "params": {"M": 8, "efConstruction": 64}})
        self.assertEqual(self.ids(self.good(op="query", dense=[3, 0, 0, 1], top_k=1)), ["r3"])

    def test_integer_ids(self):
        self.good(op="ensure", dimension=2, integer_ids=True, options={"id_field": "pk", "vector_field": "emb"})
        self.good(op="upsert", vectors=[{"id": str(i), "values": [i, 1]} for i in (5, -3, 900000000000)])
        self.assertEqual(self.good(op="list")["ids"], ["-3", "5", "900000000000"])
        self.assertEqual(self.ids(self.good(op="fetch", ids=["5"])), ["5"])
        self.good(op="delete", ids=["5"])
        self.assertEqual(self.good(op="count")["count"], 2)
        self.refused("VMX_ERR_INVALID", "is no whole number", op="upsert", vectors=[{"id": "x", "values": [1, 1]}])
        self.refused("VMX_ERR_INVALID", "is no whole number", op="fetch", ids=["1 or 1==1"])

    def test_namespaces(self):
        self.good(op="ensure", dimension=2)
        self.good(op="upsert", vectors=[{"id": "a", "values": [1, 2]}])
        self.good(op="upsert", namespace="n1", vectors=[{"id": i, "values": [1, 3]} for i in "bc"])
        self.assertEqual([self.good(op="count", namespace=n)["count"] for n in ("", "n1")], [1, 2])
        self.assertEqual(self.good(op="list", namespace="n1")["ids"], ["b", "c"])
        self.assertEqual(self.ids(self.good(op="query", dense=[1, 2], top_k=9)), ["a"])
        self.assertEqual({n["name"]: n["vector_count"] for n in self.good(op="stats")["namespaces"]}, {"": 1, "n1": 2})
        self.good(op="delete_namespace", namespace="n1")
        self.assertEqual([n["name"] for n in self.good(op="list_namespaces")["namespaces"]], [""])
        self.refused("VMX_ERR_INVALID", "no name for Milvus", op="count", namespace="a b")

    def test_a_new_schema_is_noticed(self):
        """Another client makes the collection anew: what this one knew of it is out of date."""
        self.good(op="ensure", dimension=2)
        self.good(op="upsert", vectors=[{"id": "a", "values": [1, 2]}])
        with Driver(engine="milvus", endpoint=self.endpoint) as other:
            for command in ({"op": "drop"}, {"op": "ensure", "dimension": 3}):
                self.assertEqual(other(collection=self.collection, timeout_ms=60000, **command)["status"], "VMX_OK")
        self.good(op="upsert", vectors=[{"id": "a", "values": [1, 2, 3]}])

    def test_injection(self):
        """Whatever stands in a value, an id or a name of a field, nothing else is selected."""
        corpus = ['"', "\\", '\\"', "'", '" or 1 == 1 or "', "' or 1==1 --", "\n", "\r\t", "\x01\x1f", "\\u0022", "%", "_",
                  '"] == 1 or metadata["x', '["a"]', ")", "\u2028", "\U0001f388", "a" * 100]
        self.good(op="ensure", dimension=2)
        vectors = [{"id": f"v{i}{text}", "values": [1, i], "metadata": {"f": text, "k" + text: 1}}
                   for i, text in enumerate(corpus)]
        self.good(op="upsert", vectors=vectors)
        self.good(op="upsert", vectors=[{"id": "escaped", "values": [1, 1], "metadata": '{"\\u0066\\u00e9":1}'}])
        self.assertEqual(self.ids(self.good(op="fetch", filter={"f\u00e9": 1})), ["escaped"])
        self.good(op="delete", ids=["escaped"])
        for i, text in enumerate(corpus):
            mine = [f"v{i}{text}"]
            for command in ({"filter": {"f": text}}, {"filter": {"k" + text: 1}}, {"ids": mine}):
                self.assertEqual(self.ids(self.good(op="fetch", **command)), mine, command)
        self.assertEqual(self.good(op="count", filter={"f": '"' * (1 << 20)})["count"], 0)
        for text in corpus:
            self.good(op="delete", filter={"f": text + "x"})
        self.assertEqual(self.good(op="count")["count"], len(corpus))


if __name__ == "__main__":
    unittest.main(verbosity=2)
