#!/usr/bin/python3
"""python_grpcio: grpcio with generated messages, futures in flight: what the client of Pinecone's Python SDK 8 is made of,
without the rest of it. Debian's python3-grpcio and python3-protobuf; protoc makes the messages when it starts.

usage: python_grpcio.py query|latency|decode|decode-alone|upsert [options of vecmux-bench]
"""
import importlib
import os
import queue
import subprocess
import sys
import tempfile
import time

import google.protobuf
import grpc

import peer

PROTO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "proto")
TIMEOUT_S = 30


def generate_messages():
    with tempfile.TemporaryDirectory(prefix="vecmux-bench-") as directory:
        subprocess.run(["protoc", "-I", PROTO, "-I", "/usr/include", f"--python_out={directory}",
                        "pinecone/vector_service.proto", "protobuf-c/protobuf-c.proto"], check=True)
        sys.path.insert(0, directory)
        try:
            return importlib.import_module("pinecone.vector_service_pb2")
        finally:
            sys.path.remove(directory)


def open_channel(options):
    arguments = [("grpc.max_receive_message_length", -1), ("grpc.enable_http_proxy", 0), ("grpc.enable_retries", 0),
                 ("grpc.use_local_subchannel_pool", 1)]
    if not options.tls_ca:
        return grpc.insecure_channel(options.endpoint, arguments)
    with open(options.tls_ca, "rb") as file:
        return grpc.secure_channel(options.endpoint, grpc.ssl_channel_credentials(file.read()), arguments)


class Query:
    path = "/VectorService/Query"

    def __init__(self, messages, options):
        self.messages, self.options = messages, options
        self.vectors = peer.random_vectors(options, peer.QUERIES)
        self.next = 0
        self.request_type, self.reply_type = messages.QueryRequest, messages.QueryResponse
        self.payload_bytes = 4 * options.dimension * (1 + (options.top_k if options.with_values else 0))

    def request(self):
        self.next = (self.next + 1) % len(self.vectors)
        return self.messages.QueryRequest(vector=self.vectors[self.next], top_k=self.options.top_k,
                                          include_values=self.options.with_values,
                                          include_metadata=self.options.with_values)

    def read(self, reply):
        total = 0.0
        for match in reply.matches:
            total += match.score + len(match.id)
            if self.options.with_values:
                total += sum(match.values)
        return total


class Upsert:
    path = "/VectorService/Upsert"

    def __init__(self, messages, options):
        self.messages = messages
        self.vectors = peer.random_vectors(options, options.batch)
        self.ids = [peer.vector_id(i) for i in range(options.batch)]
        self.request_type, self.reply_type = messages.UpsertRequest, messages.UpsertResponse
        self.payload_bytes = 4 * options.dimension * options.batch

    def request(self):
        vector = self.messages.Vector
        return self.messages.UpsertRequest(
            vectors=[vector(id=name, values=values) for name, values in zip(self.ids, self.vectors)])

    def read(self, reply):
        return reply.upserted_count


def measure(options, work, in_flight):
    channel = open_channel(options)
    call = channel.unary_unary(work.path, request_serializer=work.request_type.SerializeToString,
                               response_deserializer=work.reply_type.FromString)
    metadata = (("x-pinecone-api-version", "2026-07"),)
    ended = queue.SimpleQueue()

    def start():
        now = time.monotonic_ns()
        future = call.future(work.request(), timeout=TIMEOUT_S, metadata=metadata)
        future.add_done_callback(lambda done: ended.put((now, done)))

    meter = peer.Meter(options)
    checksum = 0.0
    for _ in range(in_flight):
        start()
    running = in_flight
    while running:
        started, future = ended.get()
        good = future.exception() is None
        if good:
            checksum += work.read(future.result())
        if meter.record(started, time.monotonic_ns(), good):
            start()
        else:
            running -= 1
    channel.close()
    return meter.row(f"{in_flight} in flight", in_flight, work.payload_bytes, checksum)


def measure_sync(options, work):
    channel = open_channel(options)
    call = channel.unary_unary(work.path, request_serializer=work.request_type.SerializeToString,
                               response_deserializer=work.reply_type.FromString)
    meter = peer.Meter(options)
    checksum = 0.0
    going_on = True
    while going_on:
        started = time.monotonic_ns()
        checksum += work.read(call(work.request(), timeout=TIMEOUT_S,
                                   metadata=(("x-pinecone-api-version", "2026-07"),)))
        going_on = meter.record(started, time.monotonic_ns())
    channel.close()
    return meter.row("1 in flight, waited for", 1, work.payload_bytes, checksum)


def measure_decoding(options, work):
    channel = open_channel(options)
    received = channel.unary_unary(work.path, request_serializer=work.request_type.SerializeToString)(work.request())
    channel.close()
    return peer.measure_decoding(options, lambda data: work.read(work.reply_type.FromString(data)), received,
                                 work.payload_bytes - 4 * options.dimension)


def main():
    options = peer.parse()
    messages = generate_messages()
    work = (Upsert if options.scenario == "upsert" else Query)(messages, options)
    if options.scenario == "latency":
        rows = [measure_sync(options, work)]
    elif options.scenario == "decode-alone":
        rows = [measure_decoding(options, work)]
    else:
        rows = [measure(options, work, in_flight) for in_flight in options.in_flight]
    versions = f"grpcio {grpc.__version__}, protobuf {google.protobuf.__version__}, Python {sys.version.split()[0]}"
    peer.print_report("python grpcio", versions, options, rows)


main()
