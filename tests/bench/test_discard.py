#!/usr/bin/python3
"""vecmuxd --discard: canned replies of the sizes asked for, calls counted and held, methods it does not have refused."""
import contextlib
import re
import subprocess
import time
import unittest

import grpc
from pinecone_proto import Client, messages
from vecmuxd import Vecmuxd, command

COUNTS = re.compile(r"discarded (\d+) calls, (\d+) bytes, at most (\d+) open at once")


class Discard(unittest.TestCase):
    @contextlib.contextmanager
    def counted(self, *arguments):
        """A sink; afterwards self.calls, self.bytes, self.most_open and self.log are what it has told at its end."""
        server = Vecmuxd("--discard", *arguments)
        try:
            yield server
        finally:
            code, self.log = server.stop()
        self.assertEqual(code, 0, self.log)
        self.calls, self.bytes, self.most_open = (int(number) for number in COUNTS.search(self.log).groups())

    def test_replies_and_counts(self):
        with self.counted() as server, Client(server.target) as client:
            request = messages.QueryRequest(vector=[0.5] * 8, top_k=3)
            reply = client.Query(request)
            self.assertEqual(len(reply.matches), 10)
            self.assertEqual([match.score for match in reply.matches], sorted((m.score for m in reply.matches), reverse=True))
            self.assertEqual({len(match.id) for match in reply.matches}, {17})
            self.assertFalse(reply.matches[0].values)
            upsert = messages.UpsertRequest(vectors=[messages.Vector(id="a", values=[1.0])] * 200)
            self.assertEqual(client.Upsert(upsert).upserted_count, 200)
            self.assertEqual(len(client.Fetch(messages.FetchRequest(ids=["a"])).vectors), 1)
            client.Delete(messages.DeleteRequest(ids=["a"]))
            client.Update(messages.UpdateRequest(id="a"))
            self.assertEqual(client.DescribeIndexStats(messages.DescribeIndexStatsRequest()).dimension, 768)
            with self.assertRaises(grpc.RpcError) as raised:
                client.ListNamespaces(messages.ListNamespacesRequest())
            self.assertEqual(raised.exception.code(), grpc.StatusCode.UNIMPLEMENTED)
        self.assertEqual(self.calls, 7)
        self.assertGreaterEqual(self.bytes, request.ByteSize() + upsert.ByteSize())
        self.assertIn("/VectorService/Query 1;", self.log)

    def test_requests_are_not_decoded(self):
        with Vecmuxd("--discard") as server:
            channel = grpc.insecure_channel(server.target, [("grpc.enable_http_proxy", 0)])
            call = channel.unary_unary("/VectorService/Query")
            self.assertEqual(len(messages.QueryResponse.FromString(call(b"\xff\xff no protobuf")).matches), 10)
            self.assertEqual(len(messages.QueryResponse.FromString(call(b"x" * (8 << 20))).matches), 10)
            channel.close()

    def test_reply_size_is_chosen(self):
        with Vecmuxd("--discard", "--discard-reply", "100,768,metadata") as server, Client(server.target) as client:
            reply = client.Query(messages.QueryRequest())
            self.assertEqual([len(match.values) for match in reply.matches], [768] * 100)
            self.assertEqual(reply.matches[99].metadata["year"], 2024)
        with Vecmuxd("--discard", "--discard-reply", "2,4") as server, Client(server.target) as client:
            self.assertEqual([len(match.values) for match in client.Query(messages.QueryRequest()).matches], [4, 4])

    def test_calls_are_held(self):
        with self.counted("--discard-hold", "20") as server:
            channel = grpc.insecure_channel(server.target, [("grpc.enable_http_proxy", 0)])
            call = channel.unary_unary("/VectorService/Query")
            call(b"")  # alone, it is answered after the pause
            start = time.monotonic()
            futures = [call.future(b"") for _ in range(25)]
            for future in futures:
                future.result(timeout=30)
            self.assertGreaterEqual(time.monotonic() - start, 0.045)
            channel.close()
        self.assertEqual(self.calls, 26)
        self.assertGreaterEqual(self.most_open, 20)

    def test_wrong_options_are_refused(self):
        for arguments in (["--discard-reply", "x"], ["--discard-reply", "3,"], ["--discard-reply", "3,4,values"],
                          ["--discard-reply", "99999999"], ["--discard-hold", "-1"]):
            done = subprocess.run(command("--discard", *arguments), capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn(arguments[0], done.stderr)
        done = subprocess.run(command("--discard", "--listen", "127.0.0.1:0", "--tls-cert", "/none", "--tls-key", "/none"),
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("--tls-cert", done.stderr)


if __name__ == "__main__":
    unittest.main()
