"""vecmuxd --fault, seen by an independent client."""
import subprocess
import time
import unittest

import grpc

from pinecone_proto import Client, messages
from vecmuxd import SLOW, Vecmuxd, command, sanitizer_environment


def vector(vector_id):
    return messages.Vector(id=vector_id, values=[1, 2])


class Faults(unittest.TestCase):
    def serve(self, *faults, seed="1"):
        arguments = [piece for fault in faults for piece in ("--fault", fault)]
        server = Vecmuxd("--fault-seed", seed, *arguments)
        self.addCleanup(lambda: server.process.returncode is None and server.stop())
        client = Client(server.target, timeout_s=5 * SLOW)
        self.addCleanup(client.close)
        return server, client

    def fails(self, code, call, *arguments, **keywords):
        with self.assertRaises(grpc.RpcError) as caught:
            call(*arguments, **keywords)
        self.assertEqual(caught.exception.code(), code, caught.exception.details())
        return caught.exception

    def test_a_status_with_a_hint_and_the_others_are_served(self):
        _, client = self.serve("Query:exhausted:pushback=250ms")
        self.assertEqual(client.Upsert(vectors=[vector("a")]).upserted_count, 1)
        error = self.fails(grpc.StatusCode.RESOURCE_EXHAUSTED, client.Query, vector=[1, 2], top_k=1)
        self.assertIn(("grpc-retry-pushback-ms", "250"), [tuple(item) for item in error.trailing_metadata()])
        self.assertEqual(client.DescribeIndexStats().total_vector_count, 1)

    def test_everything_is_served_as_ever_beside_the_faults(self):
        _, client = self.serve("Delete:unavailable")
        reply, call = client.Upsert.with_call(messages.UpsertRequest(vectors=[vector("a"), vector("b")]))
        self.assertEqual(reply.upserted_count, 2)
        self.assertIn("x-pinecone-request-lsn", [key for key, _ in call.initial_metadata()])
        self.assertEqual([item.id for item in client.List().vectors], ["a", "b"])
        self.assertEqual(len(client.Query(vector=[1, 2], top_k=2).matches), 2)
        error = self.fails(grpc.StatusCode.INVALID_ARGUMENT, client.Query, vector=[1], top_k=2)
        self.assertIn("dimension", error.details())

    def test_before_nothing_is_stored_and_inside_it_is(self):
        for fault, stored in (("Upsert:drop", 0), ("Upsert:reset:before", 0), ("Upsert:rst=internal", 0),
                              ("Upsert:goaway", 0), ("Upsert:drop:inside", 1), ("Upsert:notrailers", 1)):
            with self.subTest(fault=fault):
                server, client = self.serve(fault)
                with self.assertRaises(grpc.RpcError):
                    client.Upsert(vectors=[vector("a")])
                with Client(server.target) as other:  # the first may not have noticed that its connection is gone
                    self.assertEqual(other.DescribeIndexStats().total_vector_count, stored)

    def test_after_the_answer_has_come(self):
        server, _ = self.serve("*:drop:after")
        for _ in range(3):
            with Client(server.target) as client:
                self.assertEqual(client.Upsert(vectors=[vector("a")]).upserted_count, 1)

    def test_late_slow_and_never(self):
        server, client = self.serve("Upsert:delay=300ms", "Query:drip=2/50ms", "List:stall")
        began = time.monotonic()
        client.Upsert(vectors=[vector("a")])
        self.assertGreaterEqual(time.monotonic() - began, 0.3)
        began = time.monotonic()
        self.assertEqual(len(client.Query(vector=[1, 2], top_k=1).matches), 1)
        self.assertGreaterEqual(time.monotonic() - began, 0.15)
        with Client(server.target, timeout_s=0.3) as hurried:
            self.fails(grpc.StatusCode.DEADLINE_EXCEEDED, hurried.List)

    def test_at_the_headers_and_so_many_times(self):
        server, client = self.serve("Upsert:rst=cancel:headers:times=2", "Query:internal:times=1")
        for _ in range(2):
            self.fails(grpc.StatusCode.CANCELLED, client.Upsert, vectors=[vector("a")])
        self.assertEqual(client.Upsert(vectors=[vector("a")]).upserted_count, 1)
        self.fails(grpc.StatusCode.INTERNAL, client.Query, vector=[1, 2], top_k=1)
        self.assertEqual(len(client.Query(vector=[1, 2], top_k=1).matches), 1)
        _, log = server.stop()
        self.assertIn("Upsert:rst=cancel:headers:times=2: 2 of 3 calls", log)

    def outcomes(self, seed):
        server, client = self.serve("Upsert:unavailable:30%", seed=seed)
        seen = []
        for _ in range(200):
            try:
                client.Upsert(vectors=[vector("a")])
                seen.append(True)
            except grpc.RpcError as error:
                self.assertEqual(error.code(), grpc.StatusCode.UNAVAILABLE)
                seen.append(False)
        code, log = server.stop()
        self.assertEqual(code, 0, log)
        self.assertIn(f"--fault Upsert:unavailable:30%: {seen.count(False)} of 200 calls", log)
        return seen

    def test_a_share_of_calls_by_seed(self):
        first = self.outcomes("5")
        self.assertTrue(35 <= first.count(False) <= 85, first.count(False))
        self.assertEqual(self.outcomes("5"), first)
        self.assertNotEqual(self.outcomes("6"), first)

    def test_mistakes_are_one_line(self):
        for fault, says in (("Upsert", "METHOD:FAULT"), ("Up:drop", "no such method"), ("Upsert:fall", "no such fault"),
                            ("Upsert:delay=3", "delay=500ms"), ("Upsert:drop:0%", "above 0%"), ("Upsert:drop:101%", "100%"),
                            ("Upsert:drop:pushback=1s", "with a status"), ("Upsert:rst", "rst=refused"),
                            ("Upsert:unavailable:after", "go with drop"), ("Upsert:rst=soft", "HTTP/2 code"),
                            ("Upsert:drop:sideways", "no such detail"), ("Upsert:drip=3", "drip=100/20ms"),
                            ("Upsert:http=99", "http=503"), ("Upsert:drop:times=0", "times=2"), (":", "METHOD:FAULT"), ("", "METHOD:FAULT"),
                            ("Upsert:" + "x" * 100, "METHOD:FAULT"), ("Upsert:drop:", "")):
            with self.subTest(fault=fault):
                done = subprocess.run(command("--listen", "127.0.0.1:0", "--fault", fault, "--fault-seed", "x"), text=True,
                                      capture_output=True, timeout=30 * SLOW, check=False, env=sanitizer_environment())
                lines = done.stderr.splitlines()
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertIn("--fault-seed \"x\": must be a number", lines[-1])
                self.assertEqual(len(lines), 2 if says else 1, lines)
                self.assertIn(says, lines[0])
        done = subprocess.run(command("--discard", "--fault", "Upsert:drop"), text=True, capture_output=True,
                              timeout=30 * SLOW, check=False, env=sanitizer_environment())
        self.assertEqual((done.returncode, len(done.stderr.splitlines())), (2, 1))

    def test_help(self):
        done = subprocess.run(command("--help"), text=True, capture_output=True, timeout=30 * SLOW, check=True,
                              env=sanitizer_environment())
        for word in ("--fault METHOD:FAULT", "--fault-seed", "pushback", "drop", "goaway", "stall"):
            self.assertIn(word, done.stdout)


if __name__ == "__main__":
    unittest.main()
