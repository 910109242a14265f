"""pinecone_sdk: Pinecone's own Python client over gRPC, whichever version the interpreter has:

 - 8: `pinecone[grpc]`, on grpcio; calls in flight by async_req=True, as its documentation does it;
 - 9 and later: GrpcIndex, on a Rust client; calls in flight by threads, which it releases while it waits.

usage: PYTHON pinecone_sdk.py query|latency|decode|decode-alone (8)|upsert [options of vecmux-bench]
"""
import concurrent.futures
import os
import queue
import sys
import threading
import time
from importlib import metadata

import peer

VERSION = metadata.version("pinecone")
MAJOR = int(VERSION.split(".")[0])


def open_index_8(options):
    from pinecone.grpc import GRPCClientConfig, PineconeGRPC

    client = PineconeGRPC(api_key="bench", ssl_ca_certs=options.tls_ca) if options.tls_ca else PineconeGRPC(api_key="bench")
    return client.Index(host=options.endpoint.replace("127.0.0.1", "localhost"),
                        grpc_config=GRPCClientConfig(secure=bool(options.tls_ca)))


def open_index_9(options):
    if options.tls_ca:
        os.environ["SSL_CERT_FILE"] = options.tls_ca
    from pinecone.grpc import GrpcIndex

    host = options.endpoint.replace("127.0.0.1", "localhost")
    return GrpcIndex(host=f"{'https' if options.tls_ca else 'http'}://{host}", api_key="bench", secure=bool(options.tls_ca))


class Work:
    """Calls on an index, and how their results are read."""

    def __init__(self, options):
        self.options = options
        self.index = (open_index_8 if MAJOR <= 8 else open_index_9)(options)
        self.upserts = options.scenario == "upsert"
        count = options.batch if self.upserts else peer.QUERIES
        self.vectors = peer.random_vectors(options, count)
        self.records = [(peer.vector_id(i), values) for i, values in enumerate(self.vectors)] if self.upserts else []
        matches = options.top_k if options.with_values else 0
        self.payload_bytes = 4 * options.dimension * (options.batch if self.upserts else 1 + matches)
        self.next = 0

    def call(self, **extra):
        if self.upserts:
            return self.index.upsert(vectors=self.records, **extra)
        self.next = (self.next + 1) % len(self.vectors)
        return self.index.query(vector=self.vectors[self.next], top_k=self.options.top_k,
                                include_values=self.options.with_values, include_metadata=self.options.with_values, **extra)

    def read(self, result):
        if self.upserts:
            return result.upserted_count
        total = 0.0
        for match in result.matches:
            total += match.score + len(match.id)
            if self.options.with_values:
                total += sum(match.values)
        return total


def measure_futures(work, meter, in_flight):
    """Version 8: futures, and one thread that starts and reads them."""
    ended = queue.SimpleQueue()

    def start():
        now = time.monotonic_ns()
        work.call(async_req=True).add_done_callback(lambda future: ended.put((now, future)))

    for _ in range(in_flight):
        start()
    checksum = 0.0
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
    return checksum


def measure_threads(work, meter, in_flight):
    """One call after the other in each of several threads."""
    lock = threading.Lock()

    def run():
        checksum = 0.0
        going_on = True
        while going_on:
            started = time.monotonic_ns()
            checksum += work.read(work.call())
            with lock:
                going_on = meter.record(started, time.monotonic_ns())
        return checksum

    if in_flight == 1:
        return run()
    with concurrent.futures.ThreadPoolExecutor(in_flight) as threads:
        return sum(future.result() for future in [threads.submit(run) for _ in range(in_flight)])


def measure_decoding(options):
    """Version 8: what its index does with the bytes of a reply: generated messages, then its own objects."""
    import grpc
    from pinecone.core.grpc.protos import db_data_2025_10_pb2 as messages
    from pinecone.grpc.utils import parse_query_response

    work = Work(options)
    request = messages.QueryRequest(vector=work.vectors[0], top_k=options.top_k, include_values=True, include_metadata=True)
    with grpc.insecure_channel(options.endpoint) as channel:
        received = channel.unary_unary("/VectorService/Query")(request.SerializeToString())
    return peer.measure_decoding(options, lambda data: work.read(parse_query_response(messages.QueryResponse.FromString(data))),
                                 received, work.payload_bytes - 4 * options.dimension)


def measure_all(options):
    rows = []
    for in_flight in options.in_flight:
        work = Work(options)
        meter = peer.Meter(options)
        measure = measure_futures if MAJOR <= 8 and in_flight > 1 else measure_threads
        checksum = measure(work, meter, in_flight)
        rows.append(meter.row(f"{in_flight} in flight", in_flight, work.payload_bytes, checksum))
    return rows


def main():
    options = peer.parse()
    rows = [measure_decoding(options)] if options.scenario == "decode-alone" else measure_all(options)
    versions = [f"pinecone {VERSION}"]
    for name in ("grpcio", "protobuf"):
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            pass
    peer.print_report(f"pinecone {MAJOR}", ", ".join([*versions, f"Python {sys.version.split()[0]}"]), options, rows)


main()
