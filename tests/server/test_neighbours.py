"""The neighbours vecmuxd finds against numpy's, for each metric, with many queries at once so that they are coalesced."""
import unittest

import numpy

from pinecone_proto import messages
from server_case import ServerCase, struct, vector

RECORDS = 3000
DIMENSION = 48
QUERIES = 60
TOP_K = 25
TOLERANCE = 2e-5


class Neighbours:
    """One metric; `scores(queries, vectors)` gives the expected matrix of scores, `rising` whether small is near."""

    rising = False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        rng = numpy.random.default_rng(42)
        cls.vectors = rng.standard_normal((RECORDS, DIMENSION)).astype(numpy.float32)
        cls.queries = rng.standard_normal((QUERIES, DIMENSION)).astype(numpy.float32)
        for start in range(0, RECORDS, 1000):
            cls.client.Upsert(vectors=[vector(str(i), cls.vectors[i], {"group": i % 3})
                                       for i in range(start, start + 1000)])

    def ask(self, requests):
        futures = [self.client.Query.future(request) for request in requests]
        return [future.result() for future in futures]

    def check(self, reply, scores, rows, top_k):
        """`scores` of all records, of which only `rows` may be found; ties may come in any order."""
        order = numpy.sort(scores[rows] if self.rising else -scores[rows])[:top_k]
        expected = order if self.rising else -order
        found = [int(match.id) for match in reply.matches]
        self.assertEqual(len(found), min(top_k, len(rows)))
        self.assertEqual(len(set(found)), len(found))
        self.assertTrue(set(found) <= set(rows))
        scale = max(1.0, float(numpy.abs(expected).max()))
        got = numpy.array([match.score for match in reply.matches])
        numpy.testing.assert_allclose(got, expected, atol=TOLERANCE * scale)
        numpy.testing.assert_allclose(scores[found], expected, atol=TOLERANCE * scale)

    def expected_scores(self):
        return self.scores(self.queries.astype(numpy.float64), self.vectors.astype(numpy.float64))

    def test_plain(self):
        replies = self.ask([messages.QueryRequest(vector=query, top_k=TOP_K + i % 3)
                            for i, query in enumerate(self.queries)])
        for i, (reply, scores) in enumerate(zip(replies, self.expected_scores())):
            self.check(reply, scores, range(RECORDS), TOP_K + i % 3)

    def test_filtered(self):
        replies = self.ask([messages.QueryRequest(vector=query, top_k=TOP_K, filter=struct({"group": i % 3}))
                            for i, query in enumerate(self.queries)])
        for i, (reply, scores) in enumerate(zip(replies, self.expected_scores())):
            self.check(reply, scores, range(i % 3, RECORDS, 3), TOP_K)

    def test_more_than_there_are(self):
        reply = self.client.Query(vector=self.queries[0], top_k=10000)
        self.check(reply, self.expected_scores()[0], range(RECORDS), 10000)

    def test_a_score_does_not_depend_on_the_batch(self):
        request = messages.QueryRequest(vector=self.queries[0], top_k=TOP_K)
        alone = self.client.Query(request)
        for reply in self.ask([request] * 30):
            self.assertEqual(reply, alone)

    def test_namespaces_are_kept_apart(self):
        for i in range(4):
            self.client.Upsert(namespace=f"n{i}", vectors=[vector(f"of-n{i}", self.vectors[i])])
        replies = self.ask([messages.QueryRequest(vector=query, top_k=TOP_K, namespace=f"n{i % 4}")
                            for i, query in enumerate(self.queries)])
        for i, reply in enumerate(replies):
            self.assertEqual([match.id for match in reply.matches], [f"of-n{i % 4}"])

    def test_by_id(self):
        scores = self.scores(self.vectors[17:18].astype(numpy.float64), self.vectors.astype(numpy.float64))[0]
        self.check(self.client.Query(id="17", top_k=TOP_K), scores, range(RECORDS), TOP_K)


class Cosine(Neighbours, ServerCase):
    arguments = ("--metric", "cosine")

    @staticmethod
    def scores(queries, vectors):
        queries = queries / numpy.linalg.norm(queries, axis=1, keepdims=True)
        return queries @ (vectors / numpy.linalg.norm(vectors, axis=1, keepdims=True)).T


class Euclidean(Neighbours, ServerCase):
    arguments = ("--metric", "euclidean")
    rising = True

    @staticmethod
    def scores(queries, vectors):
        return ((queries[:, None, :] - vectors[None, :, :]) ** 2).sum(axis=2)


class Dotproduct(Neighbours, ServerCase):
    arguments = ("--metric", "dotproduct", "--threads", "1")

    @staticmethod
    def scores(queries, vectors):
        return queries @ vectors.T


class Hybrid(ServerCase):
    arguments = ("--metric", "dotproduct")

    def test_dense_and_sparse_products_add_up(self):
        rng = numpy.random.default_rng(5)
        dense = rng.standard_normal((400, 8)).astype(numpy.float32)
        sparse = rng.standard_normal((400, 50)).astype(numpy.float32) * (rng.random((400, 50)) < 0.1)
        records = []
        for i in range(400):
            pairs = {int(k): float(sparse[i, k]) for k in rng.permutation(numpy.flatnonzero(sparse[i]))}
            records.append(vector(str(i), dense[i], {"n": i}, pairs or None))
        self.client.Upsert(vectors=records)
        query, weights = rng.standard_normal(8).astype(numpy.float32), rng.standard_normal(50).astype(numpy.float32)
        order = rng.permutation(50)
        sparse_query = messages.SparseValues(indices=order, values=weights[order])
        both, alone = dense @ query + sparse @ weights, sparse @ weights
        for scores, request in ((both, {"vector": query, "sparse_vector": sparse_query}),
                                (alone, {"sparse_vector": sparse_query}), (dense @ query, {"vector": query})):
            reply = self.client.Query(top_k=40, **request)
            numpy.testing.assert_allclose([match.score for match in reply.matches], -numpy.sort(-scores)[:40], atol=1e-4)
            few = self.client.Query(top_k=40, filter=struct({"n": {"$lt": 30}}), **request)
            numpy.testing.assert_allclose([match.score for match in few.matches], -numpy.sort(-scores[:30]), atol=1e-4)
        own = dense @ dense[3] + sparse @ sparse[3]
        reply = self.client.Query(id="3", top_k=400)
        numpy.testing.assert_allclose([match.score for match in reply.matches], -numpy.sort(-own), atol=1e-4)


if __name__ == "__main__":
    unittest.main()
