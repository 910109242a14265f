"""vecmuxd as a program: its options, API key, TLS, freshness, and how it stops."""
import os
import signal
import subprocess
import tempfile
import threading
import time
import unittest

import grpc

from pinecone_proto import Client, messages
from server_case import ServerCase, header, ids, struct, vector
from vecmuxd import SLOW, Vecmuxd, command, sanitizer_environment


def run(*arguments):
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=30 * SLOW, check=False,
                          env=sanitizer_environment())
    complaints = "".join(line for line in done.stderr.splitlines(True) if not line.startswith("=="))  # valgrind's
    return done.returncode, done.stdout, complaints


class Options(unittest.TestCase):
    def test_help_and_version(self):
        code, out, err = run("--help")
        self.assertEqual((code, err), (0, ""))
        for option in ("--listen", "--port-file", "--dimension", "--metric", "--vector-type", "--index-delay-ms",
                       "--api-key", "--tls-cert", "--tls-key", "--threads"):
            self.assertIn(option, out)
        code, out, err = run("--version")
        self.assertEqual((code, err), (0, ""))
        self.assertRegex(out, r"^vecmuxd \d+\.\d+\.\d+\n$")

    def test_mistakes(self):
        for arguments, *says in (
                (["--metric", "manhattan"], "--metric", "manhattan", "cosine"),
                (["--vector-type", "both"], "--vector-type", "both"),
                (["--vector-type", "sparse", "--metric", "cosine"], "--metric", "dotproduct"),
                (["--vector-type", "sparse", "--dimension", "4"], "--dimension"),
                (["--dimension", "0"], "--dimension", "20000"),
                (["--dimension", "x"], "--dimension", "\"x\""),
                (["--threads", "65"], "--threads", "64"),
                (["--listen", "localhost"], "--listen", "host:port"),
                (["--listen", "127.0.0.1:70000"], "--listen", "127.0.0.1:70000", "65535"),
                (["--listen", "127.0.0.1:"], "--listen", "65535"),
                (["--tls-cert", "a.pem"], "--tls-key"),
                (["--colour"], "--colour"),
                (["surplus"], "surplus")):
            code, out, err = run(*arguments)
            self.assertEqual((code, out), (2, ""), err)
            for piece in says:
                self.assertIn(piece, err)

    def test_a_port_that_is_taken(self):
        with Vecmuxd() as server:
            code, _, err = run("--listen", server.target)
            self.assertEqual(code, 1)
            self.assertIn(server.target, err)

    def test_files_that_cannot_be_used(self):
        code, _, err = run("--listen", "127.0.0.1:0", "--tls-cert", "/nowhere/cert", "--tls-key", "/nowhere/key")
        self.assertEqual(code, 1)
        self.assertIn("/nowhere/cert", err)
        with tempfile.TemporaryDirectory(prefix="vecmuxd-") as directory: # which a file must not replace
            for path in ("/nowhere/port", directory):
                code, _, err = run("--listen", "127.0.0.1:0", "--port-file", path)
                self.assertEqual(code, 1)
                self.assertIn(f'--port-file "{path}"', err)
            pipe = os.path.join(directory, "pipe")
            os.mkfifo(pipe)
            code, _, err = run("--listen", "127.0.0.1:0", "--port-file", pipe)
            self.assertEqual(code, 1)
            self.assertIn("no regular file", err)

    @unittest.skipIf(os.environ.get("VMX_EMULATOR"), "its descriptors are the emulator's")
    def test_standard_descriptors_that_are_closed(self):
        """They are no file of ours, and no connection: what the server tells would go there."""
        with tempfile.TemporaryDirectory(prefix="vecmuxd-") as directory:
            port_file = os.path.join(directory, "port")
            server = subprocess.Popen(command("--listen", "127.0.0.1:0", "--port-file", port_file),
                                      env=sanitizer_environment(), preexec_fn=lambda: os.closerange(0, 3))
            self.addCleanup(server.wait)
            self.addCleanup(server.kill)
            limit = time.monotonic() + 30 * SLOW
            while not os.path.exists(port_file) and server.poll() is None and time.monotonic() < limit:
                time.sleep(0.01)
            self.assertEqual([os.readlink(f"/proc/{server.pid}/fd/{number}") for number in range(3)], ["/dev/null"] * 3)
            server.send_signal(signal.SIGTERM)
            self.assertEqual(server.wait(30 * SLOW), 0)

    def test_it_says_that_nothing_is_kept(self):
        with Vecmuxd() as server:
            self.assertIn("memory", server.log())
            self.assertIn(server.target, server.log())


class ApiKey(ServerCase):
    arguments = ("--api-key", "right")

    def test_key(self):
        for metadata in ((), (("api-key", "wrong"),), (("api-key", "right2"),), (("api-key", ""),)):
            with Client(self.server.target, metadata) as client:
                self.refused(grpc.StatusCode.UNAUTHENTICATED, client.DescribeIndexStats, "API key")
        with Client(self.server.target, (("api-key", "right"),)) as client:
            self.assertEqual(client.DescribeIndexStats().total_vector_count, 0)


class Tls(unittest.TestCase):
    def test_tls(self):
        with tempfile.TemporaryDirectory() as directory:
            cert, key = os.path.join(directory, "cert.pem"), os.path.join(directory, "key.pem")
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                            "-keyout", key, "-out", cert, "-days", "1", "-subj", "/CN=localhost",
                            "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
            with open(cert, "rb") as file:
                credentials = grpc.ssl_channel_credentials(file.read())
            with Vecmuxd("--tls-cert", cert, "--tls-key", key) as server:
                with Client(f"localhost:{server.port}", credentials=credentials) as client:
                    client.Upsert(vectors=[vector("a", [1, 2])])
                    self.assertEqual(client.DescribeIndexStats().total_vector_count, 1)
                with Client(server.target, timeout_s=5) as plain:
                    with self.assertRaises(grpc.RpcError) as caught:
                        plain.DescribeIndexStats()
                    self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAVAILABLE)


class Freshness(ServerCase):
    arguments = ("--index-delay-ms", "600", "--metric", "dotproduct")

    def write(self, rpc, request):
        reply, call = getattr(self.client, rpc).with_call(request)
        return reply, header(call, "x-pinecone-request-lsn")

    def seen(self, namespace):
        reply, call = self.client.List.with_call(messages.ListRequest(namespace=namespace))
        return ids(reply), header(call, "x-pinecone-max-indexed-lsn")

    def await_lsn(self, namespace, lsn):
        limit = time.monotonic() + 20 * SLOW
        while time.monotonic() < limit:
            names, indexed = self.seen(namespace)
            if indexed >= lsn:
                return names
            time.sleep(0.02)
        raise AssertionError(f"LSN {lsn} was never indexed")

    def test_writes_become_visible_when_the_lsn_says_so(self):
        _, first = self.write("Upsert", messages.UpsertRequest(vectors=[vector("a", [1, 2], {"n": 1})], namespace="f"))
        _, second = self.write("Upsert", messages.UpsertRequest(vectors=[vector("b", [2, 2])], namespace="f"))
        self.assertEqual((first, second), (1, 2))
        self.assertEqual(self.seen("f"), ([], 0))
        self.assertEqual(self.await_lsn("f", second), ["a", "b"])
        updated, third = self.write("Update", messages.UpdateRequest(
            filter=struct({"n": 1}), set_metadata=struct({"m": 2}), namespace="f"))
        self.assertEqual(updated.matched_records, 1)
        _, fourth = self.write("Delete", messages.DeleteRequest(ids=["b"], namespace="f"))
        self.assertEqual((third, fourth), (3, 4))
        self.assertEqual(self.seen("f")[0], ["a", "b"])
        self.assertEqual(self.await_lsn("f", fourth), ["a"])
        self.assertEqual(dict(self.client.Fetch(ids=["a"], namespace="f").vectors["a"].metadata), {"n": 1, "m": 2})

    def test_every_read_tells_the_lsn(self):
        _, lsn = self.write("Upsert", messages.UpsertRequest(vectors=[vector("a", [1, 2], {"n": 1})], namespace="r"))
        self.await_lsn("r", lsn)
        for rpc, request in (("Query", messages.QueryRequest(vector=[1, 2], top_k=1, namespace="r")),
                             ("Fetch", messages.FetchRequest(ids=["a"], namespace="r")),
                             ("List", messages.ListRequest(namespace="r")),
                             ("FetchByMetadata", messages.FetchByMetadataRequest(filter=struct({"n": 1}),
                                                                                 namespace="r"))):
            _, call = getattr(self.client, rpc).with_call(request)
            self.assertEqual(header(call, "x-pinecone-max-indexed-lsn"), lsn, rpc)

    def test_lsns_go_on_when_a_namespace_is_made_again(self):
        self.write("Upsert", messages.UpsertRequest(vectors=[vector("a", [1, 2])], namespace="again"))
        self.client.DeleteNamespace(namespace="again")
        _, lsn = self.write("Upsert", messages.UpsertRequest(vectors=[vector("b", [1, 2])], namespace="again"))
        self.assertEqual(lsn, 2)
        self.assertEqual(self.await_lsn("again", lsn), ["b"])


class Stop(unittest.TestCase):
    def setUp(self):
        self.server = Vecmuxd("--metric", "euclidean")
        self.client = Client(self.server.target)
        self.addCleanup(self.client.close)

    def load(self):
        for start in range(0, 6000, 1000):
            self.client.Upsert(vectors=[vector(str(i), [float(i % 97), float(i), 1.0] + [0.5] * 97)
                                        for i in range(start, start + 1000)])

    def stop_in_the_middle(self):
        """How many of 40 calls were finished after the signal; what the others failed with is checked."""
        request = messages.QueryRequest(vector=[1.0] * 100, top_k=3000)
        futures = [self.client.Query.future(request) for _ in range(40)]
        futures[0].result()
        before = sum(future.done() for future in futures)
        code, text = self.server.stop(signal.SIGTERM)
        self.assertEqual(code, 0, text)
        finished = 0
        for future in futures:
            try:
                finished += len(future.result().matches) == 3000
            except grpc.RpcError as error:
                self.assertIn(error.code(), (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED))
        return finished - before

    def test_calls_in_flight_are_finished(self):
        for _ in range(5):  # on a busy machine the signal may overtake all calls but the first
            self.load()
            if self.stop_in_the_middle() > 0:
                return
            self.setUp()
        self.fail("five stops, and no call that was under way was finished")

    def test_busy_clients_do_not_keep_it_alive(self):
        stopping = threading.Event()
        outcomes = []

        def work(number):
            with Client(self.server.target) as client:
                while not stopping.is_set():
                    try:
                        client.Upsert(vectors=[vector(f"{number}-{i}", [1.0] * 100) for i in range(100)])
                        client.Query(vector=[1.0] * 100, top_k=10)
                    except grpc.RpcError as error:
                        outcomes.append(error.code())
                        return

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        began = time.monotonic()
        code, text = self.server.stop(signal.SIGINT)
        took = time.monotonic() - began
        stopping.set()
        for thread in threads:
            thread.join()
        self.assertEqual(code, 0, text)
        self.assertLess(took, 12 * SLOW)
        self.assertTrue(set(outcomes) <= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}, outcomes)

    def test_idle(self):
        self.assertEqual(self.server.stop(signal.SIGTERM)[0], 0)


if __name__ == "__main__":
    unittest.main()
