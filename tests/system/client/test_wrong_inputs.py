"""Every wrong input gives one clear line that names the thing, the value and the remedy."""
import os
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import grpc

import certificates
from driver import SLOW, Driver
from stub_server import Stub

QUERY = {"op": "query", "dense": [1, 2], "top_k": 1}
INVALID, TOO_LARGE = "VMX_ERR_INVALID", "VMX_ERR_TOO_LARGE"


def upsert(*vectors):
    return {"op": "upsert", "vectors": [{"id": "a", "values": [1, 2], **vector} for vector in vectors]}


class Case(unittest.TestCase):
    def one_line(self, error, code, *texts):
        """The error has this code, and one line with each of the texts."""
        self.assertEqual(error["code"], code, error["message"])
        self.assertNotIn("\n", error["message"])
        self.assertLess(len(error["message"].encode()), 512)
        for text in texts:
            self.assertIn(text, error["message"])


# --- opening a client ---

BAD_PROPERTIES = [
    ({}, INVALID, "no endpoint", "set the property endpoint to host:port"),
    ({"endpoint": "localhost"}, INVALID, 'endpoint "localhost"', "no port", "write host:port"),
    ({"endpoint": "localhost:99999"}, INVALID, '"localhost:99999"', "port", "1 to 65535"),
    ({"endpoint": "localhost:"}, INVALID, '"localhost:"', "port"),
    ({"endpoint": "http://"}, INVALID, '"http://"', "no host", "host:port"),
    ({"endpoint": "a b:80"}, INVALID, '"a b:80"', "not a host name"),
    ({"endpoint": "ftp://x:1"}, INVALID, '"ftp://x:1"', "unknown scheme", "http://host:port"),
    ({"endpoin": "x:1"}, INVALID, 'unknown property "endpoin"', "did you mean endpoint?"),
    ({"channel.count": "0"}, INVALID, 'channel.count "0"', "1 to 64"),
    ({"channel.count": "abc"}, INVALID, 'channel.count "abc"', "integer"),
    ({"engine": "foo"}, INVALID, 'engine "foo"', "pinecone"),
    ({"tls": "maybe"}, INVALID, 'tls "maybe"', "auto"),
    ({"tls.ca.file": "/nonexistent/ca.pem"}, "VMX_ERR_IO", "tls.ca.file", "/nonexistent/ca.pem", "No such file"),
    ({"tls.ca.pem": "garbage"}, INVALID, "tls.ca.pem", "no certificate", "PEM"),
]


class Opening(Case):
    def test_bad_properties(self):
        for properties, code, *texts in BAD_PROPERTIES:
            with self.subTest(properties), Driver(**properties) as driver:
                self.assertEqual(driver.opened["start"], code)
                self.one_line(driver.opened["error"], code, *texts)


# --- starting a call: nothing is sent ---

DEEP = 6000
BAD_INPUTS = [
    (upsert({"values": [1, "nan"]}), INVALID, 'vector 0 (id "a")', "values[1]", "NaN", "finite"),
    (upsert({"values": [1, "-inf"]}), INVALID, 'vector 0 (id "a")', "values[1]", "infinite", "finite"),
    (upsert({"sparse": {"indices": [1], "values": ["nan"]}}), INVALID, "sparse values[0]", "NaN"),
    (upsert({}, {"id": "b", "values": [1]}), INVALID, 'vector 1 (id "b")', "1 dimensions", "has 2", "one dimension"),
    (upsert(*({"id": str(i), "values": [0.5] * 1000} for i in range(750))), TOO_LARGE, "bytes in one request",
     "2000000", "upsert.max.bytes", "split the batch"),
    (upsert(*({"id": str(i)} for i in range(1001))), TOO_LARGE, "1001 vectors", "1000", "upsert.max.vectors", "split"),
    (upsert({"metadata": {"a": "x" * 41000}}), INVALID, 'vector 0 (id "a")', "41008 bytes", "40960",
     "metadata.max.bytes"),
    (upsert({"metadata": '{"a":' * DEEP + "1" + "}" * DEEP}), INVALID, 'vector 0 (id "a"): metadata', "line 1, column",
     "nested deeper than"),
    (upsert({"metadata": '{"a":' + "[" * DEEP + "1" + "]" * DEEP + "}"}), INVALID, "metadata", "line 1, column",
     "nested deeper than"),
    ({**QUERY, "filter": '{"a":' * DEEP + "1" + "}" * DEEP}, INVALID, "query: filter", "line 1, column",
     "nested deeper than"),
    (upsert({"metadata": '{"a": "unfinished'}), INVALID, "metadata", "line 1, column 17"),
    (upsert({"metadata": '{"a": 1,\n "a": 2}'}), INVALID, "metadata", "line 2, column", "duplicate"),
    ({**QUERY, "filter": '{"a":\n\n }'}, INVALID, "query: filter", "line 3, column 2", "'}'"),
    ({**QUERY, "filter": "[1]"}, INVALID, "query: filter", "not a JSON object"),
    ({**QUERY, "filter": '{"a": 1} x'}, INVALID, "query: filter", "line 1, column 10"),
    ({**QUERY, "filter": '{"a": 1e999}'}, INVALID, "query: filter", "1e999", "overflow"),
    (upsert({"id": ""}), INVALID, "vector 0", "the id is empty", "1 to 512 bytes"),
    (upsert({"id": "x" * 513}), INVALID, "513 bytes", "at most 512"),
    (upsert({"id": "a\0b"}), INVALID, "vector 0", "NUL"),
    (upsert(), INVALID, "no vectors", "at least one"),
    (upsert({"values": []}), INVALID, "no values", "give dense values"),
    (upsert({"sparse": {"indices": list(range(2049)), "values": [1] * 2049}}), INVALID, "2049 sparse values", "2048"),
    ({**QUERY, "top_k": 0}, INVALID, "top_k 0", "1 to 10000"),
    ({**QUERY, "top_k": 10001}, INVALID, "top_k 10001", "1 to 10000"),
    ({**QUERY, "dense": []}, INVALID, "nothing to look for", "give dense values"),
    ({**QUERY, "dense": ["nan"]}, INVALID, "query: values[0]", "NaN"),
    ({**QUERY, "id": "x"}, INVALID, 'the id "x"', "one of them"),
    ({**QUERY, "scan_factor": 9}, INVALID, "scan_factor 9", "0.5 to 4"),
    ({**QUERY, "top_k": 2, "max_candidates": 1}, INVALID, "max_candidates 1", "top_k (2)"),
    ({"op": "fetch"}, INVALID, "neither ids nor a filter", "give one"),
    ({"op": "fetch", "ids": ["a"], "filter": {"a": 1}}, INVALID, "both ids and a filter"),
    ({"op": "fetch", "ids": ["a"] * 1001}, TOO_LARGE, "1001 ids", "1000", "split"),
    ({"op": "fetch", "ids": ["a", ""]}, INVALID, "fetch: id 1", "empty"),
    ({"op": "fetch", "filter": {"a": 1}, "limit": 10001}, INVALID, "limit 10001", "10000"),
    ({"op": "delete"}, INVALID, "exactly one"),
    ({"op": "delete", "all": True, "ids": ["a"]}, INVALID, "exactly one"),
    ({"op": "update", "id": "a"}, INVALID, "nothing to set", "give values"),
    ({"op": "update", "filter": {"a": 1}, "values": [1]}, INVALID, "values cannot be set by filter"),
    ({"op": "list", "page_size": 101}, INVALID, "page_size 101", "1 to 100"),
    ({"op": "create_namespace"}, INVALID, "default namespace", "name"),
    ({**QUERY, "namespace": "ü"}, INVALID, 'namespace "ü"', "ASCII"),
    ({**QUERY, "namespace": "n" * 513}, INVALID, "513 bytes", "512"),
    ({**QUERY, "collection": "other"}, INVALID, 'collection "other"', "leave it empty"),
    ({**QUERY, "headers": {"Bad": "x"}}, INVALID, 'header "Bad"', "lower-case"),
    ({**QUERY, "headers": {"": "x"}}, INVALID, 'header ""'),
    ({**QUERY, "headers": {"grpc-timeout": "1"}}, INVALID, 'header "grpc-timeout"', "gRPC's own"),
    ({**QUERY, "headers": {"x": "é"}}, INVALID, 'header "x"', "ASCII", "-bin"),
    ({**QUERY, "headers": {"x": "a\nb"}}, INVALID, 'header "x"', "ASCII"),
    ({**QUERY, "max_attempts": 0}, INVALID, "max_attempts is 0", "1 is"),
    ({**QUERY, "timeout_ms": -1}, INVALID, "timeout_ms -1", "0 is"),
]


class Starting(Case):
    def test_bad_inputs_send_nothing(self):
        with Stub() as stub, Driver(endpoint=stub.target) as driver:
            for command, code, *texts in BAD_INPUTS:
                with self.subTest(str(command)[:100]):
                    answer = driver(**command)
                    self.assertEqual((answer["start"], "status" in answer), (code, False), answer)
                    self.one_line(answer["error"], code, *texts)
                    self.assertEqual((answer["error"]["outcome"], answer["error"]["attempts"]), ("NOT_SENT", 0))
            self.assertEqual(stub.take(), [])
            self.assertEqual(driver(**QUERY)["status"], "VMX_OK")


# --- calls that cannot reach a server, or not this one ---

class Connecting(Case):
    """gRPC's own words go to the driver's stderr; only the error record counts."""

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        os.mkdir(cls.directory.name + "/other")
        names = "DNS:server.example,IP:127.0.0.1"
        cls.ca, certificate, key = certificates.make(cls.directory.name, names)
        cls.other_ca = certificates.make(cls.directory.name + "/other", names)[0]
        with open(key, "rb") as key_file, open(certificate, "rb") as certificate_file:
            pair = (key_file.read(), certificate_file.read())
        cls.plain = Stub(api_key="right")
        cls.secure = Stub(credentials=grpc.ssl_server_credentials([pair]))
        cls.secure_endpoint = "https://" + cls.secure.target

    @classmethod
    def tearDownClass(cls):
        cls.plain.__exit__()
        cls.secure.__exit__()
        cls.directory.cleanup()

    def fails(self, properties, status, *texts, **options):
        fast = {"retry.max.attempts": 2, "retry.initial.backoff.ms": 20}
        with Driver(**{**fast, **properties}) as driver:
            begin = time.monotonic()
            answer = driver(**QUERY, **options)
            self.assertLess(time.monotonic() - begin, 8 * SLOW)
        self.assertEqual((answer["start"], answer["status"]), ("VMX_OK", status), answer)
        self.one_line(answer["error"], status, "query at", properties["endpoint"], *texts)
        return answer["error"]

    def test_wrong_api_key(self):
        for key in ("", "wrong"):
            error = self.fails({"endpoint": self.plain.target, "api.key": key}, "VMX_ERR_UNAUTHENTICATED",
                               "UNAUTHENTICATED", "Invalid API Key", "check api.key")
            self.assertEqual((error["attempts"], error["outcome"]), (1, "REJECTED"))
            self.assertFalse(key and key in error["message"])

    def test_tls_to_a_plain_port(self):
        error = self.fails({"endpoint": "https://" + self.plain.target}, "VMX_ERR_UNAVAILABLE", "plain text", "tls=off")
        self.assertEqual(error["outcome"], "NOT_SENT")

    def test_plain_text_to_a_tls_port(self):
        self.fails({"endpoint": self.secure.target}, "VMX_ERR_UNAVAILABLE", "no gRPC in plain text", "tls=on")

    def test_right_certificate(self):
        with Driver(endpoint=self.secure_endpoint, **{"tls.ca.file": self.ca}) as driver:
            self.assertEqual(driver(**QUERY)["status"], "VMX_OK")
        with open(self.ca, encoding="ascii") as file:
            pem = file.read()
        with Driver(endpoint=self.secure.target, tls="on", **{"tls.ca.pem": pem,
                                                              "tls.server.name": "server.example"}) as driver:
            self.assertEqual(driver(**QUERY)["status"], "VMX_OK")

    def test_wrong_authority(self):
        self.fails({"endpoint": self.secure_endpoint, "tls.ca.file": self.other_ca}, "VMX_ERR_UNAVAILABLE",
                   "certificate", "not signed by the authorities", "tls.ca.file")

    def test_authorities_of_the_system(self):
        self.fails({"endpoint": self.secure_endpoint}, "VMX_ERR_UNAVAILABLE", "certificate", "tls.ca.file")

    def test_wrong_server_name(self):
        self.fails({"endpoint": self.secure_endpoint, "tls.ca.file": self.ca, "tls.server.name": "other.example"},
                   "VMX_ERR_UNAVAILABLE", "other.example", "another name", "tls.server.name")

    def test_refused_port(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            endpoint = "127.0.0.1:%d" % unused.getsockname()[1]
            self.fails({"endpoint": endpoint}, "VMX_ERR_UNAVAILABLE", "Connection refused", "start the server")
            error = self.fails({"endpoint": endpoint}, "VMX_ERR_DEADLINE", "Connection refused", "400 ms",
                               "start the server", wait_for_ready=1, timeout_ms=400)
            self.assertEqual(error["outcome"], "NOT_SENT")

    def test_unknown_host(self):
        self.fails({"endpoint": "no-such-host.invalid:80"}, "VMX_ERR_UNAVAILABLE", "no-such-host.invalid",
                   "name is unknown", "check the endpoint")

    def test_a_server_of_another_kind(self):
        with subprocess.Popen([sys.executable, "-c", HTTP_1], stdout=subprocess.PIPE, text=True) as server:
            try:
                endpoint = f"127.0.0.1:{int(server.stdout.readline())}"
                self.fails({"endpoint": endpoint}, "VMX_ERR_UNAVAILABLE", "no gRPC in plain text", "check the port")
            finally:
                server.kill()


HTTP_1 = """
import http.server
server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
server.RequestHandlerClass.log_message = lambda *_: None
print(server.server_port, flush=True)
server.serve_forever()
"""


if __name__ == "__main__":
    unittest.main()
