"""vecmuxd --data under load: kill -9 at random moments, and how fast a load is with and without a log."""
import random
import signal
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy

from data_case import DataCase, frames
from pinecone_proto import Client, messages
from server_case import vector
from vecmuxd import SLOW, Vecmuxd

ROUNDS = 10
WRITERS = 4
IDS = 40  # of each writer


class Writer:
    """Writes its ids again and again, one call at a time. An id's state is a version, or None when it is deleted."""

    def __init__(self, number):
        self.number = number
        self.confirmed = {}  # id -> state that was answered
        self.possible = {}   # id -> the states it may have besides, because no answer came
        self.version = 0
        self.answers = 0
        self.surprise = None

    def names(self, random_source):
        return [f"{self.number}-{i}" for i in random_source.sample(range(IDS), 5)]

    def run(self, target, seed):
        random_source = random.Random(seed)
        with Client(target) as client:
            while True:
                names = self.names(random_source)
                self.version += 1
                deletes = self.version % 7 == 0
                wanted = None if deletes else self.version
                for name in names:
                    self.possible.setdefault(name, set()).add(wanted)
                try:
                    if deletes:
                        client.Delete(ids=names)
                    else:
                        client.Upsert(vectors=[vector(name, [self.number + 1, self.version]) for name in names])
                except grpc.RpcError as error:
                    not_there = error.code() == grpc.StatusCode.NOT_FOUND and self.answers == 0
                    if error.code() != grpc.StatusCode.UNAVAILABLE and not not_there:
                        self.surprise = error
                    return
                self.answers += 1
                for name in names:
                    self.confirmed[name] = wanted
                    self.possible[name] = set()

    def check(self, test, client):
        names = [f"{self.number}-{i}" for i in range(IDS)]
        found = {key: int(value.values[1]) for key, value in client.Fetch(ids=names).vectors.items()}
        for name in names:
            allowed = {self.confirmed.get(name), *self.possible.get(name, ())}
            test.assertIn(found.get(name), allowed, name)
            self.confirmed[name] = found.get(name)
            self.possible[name] = set()


class Kill(DataCase):
    def wait_for_answer(self, writers, answers):
        for _ in range(int(1000 * SLOW)):
            if sum(writer.answers for writer in writers) > answers:
                return
            time.sleep(0.01)
        self.fail("no write was answered in ten seconds")

    def test_every_confirmed_write_is_there(self):
        writers = [Writer(number) for number in range(WRITERS)]
        seed = time.time_ns()
        print(f"seed {seed}")
        random_source = random.Random(seed)
        for number in range(ROUNDS):
            server = self.server(*(["--data-sync"] if number % 2 else []))
            with Client(server.target) as client:
                for writer in writers:
                    writer.check(self, client)
            answers = sum(writer.answers for writer in writers)
            threads = [threading.Thread(target=writer.run, args=(server.target, random_source.random()))
                       for writer in writers]
            for thread in threads:
                thread.start()
            self.wait_for_answer(writers, answers)
            time.sleep(random_source.uniform(0.02, 0.4) * SLOW)
            _, text = server.stop(signal.SIGKILL)
            for thread in threads:
                thread.join()
            self.assertNotIn("Sanitizer", text)
            self.assertEqual([writer.surprise for writer in writers], [None] * WRITERS)
            self.assertGreater(sum(writer.answers for writer in writers), answers)
        with self.server() as server, Client(server.target) as client:
            for writer in writers:
                writer.check(self, client)
        print(f"{sum(writer.answers for writer in writers)} confirmed writes, {ROUNDS} kills")


class Together(DataCase):
    def test_many_calls_at_once(self):
        with self.server("--data-sync") as server, Client(server.target) as client:
            futures = [client.Upsert.future(messages.UpsertRequest(vectors=[vector(f"v{i}", [1, i + 1])]))
                       for i in range(500)]
            lsns = sorted(int(dict(future.initial_metadata())["x-pinecone-request-lsn"]) for future in futures)
            self.assertEqual(lsns, list(range(1, 501)))
            self.assertEqual(client.DescribeIndexStats().total_vector_count, 500)
        found = frames(self.log)
        self.assertEqual(sum(records for _, records, _ in found), 501)  # and the dimension
        print(f"501 records in {len(found)} frames")


class Speed(DataCase):
    ROWS, COLUMNS, BATCH = 60000 // (10 if SLOW > 1 else 1), 784, 500

    def requests(self):
        """Packed by hand: Python's protobuf would be what is measured."""
        matrix = numpy.random.default_rng(1).random((self.BATCH, self.COLUMNS), dtype=numpy.float32)
        size = 4 * self.COLUMNS
        for start in range(0, self.ROWS, self.BATCH):
            parts = []
            for i in range(self.BATCH):
                name = f"{start + i:06}".encode()
                body = b"\x0a\x06" + name + b"\x12" + varint(size) + matrix[i].tobytes()
                parts += [b"\x0a", varint(len(body)), body]
            yield b"".join(parts)

    def load(self, what, server):
        with Client(server.target) as client, ThreadPoolExecutor(4) as pool:
            requests = list(self.requests())
            began = time.monotonic()
            for _ in pool.map(lambda request: client.raw("/VectorService/Upsert", request), requests):
                pass
            took = time.monotonic() - began
            self.assertEqual(client.DescribeIndexStats().total_vector_count, self.ROWS)
        megabytes = sum(map(len, requests)) / 1e6
        print(f"{self.ROWS} x {self.COLUMNS}, {what}: {took:.2f} s, {self.ROWS / took:.0f} vectors/s, "
              f"{megabytes / took:.0f} MB/s")

    def test_speed(self):
        with Vecmuxd() as server:
            self.load("in memory", server)
        with self.server() as server:
            self.load("--data", server)
        began = time.monotonic()
        with self.server() as server:
            print(f"restarted in {time.monotonic() - began:.2f} s:", server.log().splitlines()[0])
            with Client(server.target) as client:
                self.assertEqual(client.DescribeIndexStats().total_vector_count, self.ROWS)
        self.data += "-sync"
        with self.server("--data-sync") as server:
            self.load("--data-sync", server)


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


if __name__ == "__main__":
    unittest.main()
