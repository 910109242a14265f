"""A Python program with nothing but libvecmux.so: ctypes, and asyncio's add_reader on the queue's descriptor.

Python itself is not built with the sanitizers, so their runtime is preloaded; the thread sanitizer's cannot be (exit
status 77).
"""
import asyncio
import os
import subprocess
import sys
import time
import unittest

from stub_server import Stub, messages as pb
from vecmuxd import Vecmuxd

LIBRARY = os.environ["VMX_LIBRARY"]


def runtime(name):
    path = subprocess.run([os.environ["VMX_CC"], f"-print-file-name={name}.so"], capture_output=True, text=True,
                          check=True).stdout.strip()
    return os.path.realpath(path)


def preload():
    """Starts this program again with the runtime that the library was built for."""
    sanitizers = os.environ.get("VMX_SANITIZE", "")
    if "thread" in sanitizers:
        print("SKIP: the thread sanitizer's runtime cannot be loaded into a Python that was built without it")
        sys.exit(77)
    loaded = os.environ.get("LD_PRELOAD", "")
    if "address" in sanitizers and "libasan" not in loaded:
        os.environ["LD_PRELOAD"] = runtime("libasan") + " " + loaded
        os.environ["ASAN_OPTIONS"] = "detect_leaks=0:" + os.environ.get("ASAN_OPTIONS", "")  # Python's own
        os.execv(sys.executable, [sys.executable, *sys.argv])


class Asyncio(unittest.TestCase):
    def run_all(self, endpoint, count, io_threads=1):
        async def work(client):
            upserts = [client.asynchronously(lambda options, i=i: client.start_upsert(
                [(f"r{i}", [i + 1.0, 1.0], {"i": i, "name": f"ü{i}"})], options)) for i in range(count)]
            self.assertEqual(await asyncio.wait_for(asyncio.gather(*upserts), 60), [1] * count)
            queries = [client.asynchronously(lambda options, i=i: client.start_query(
                [i + 1.0, 1.0], 1, {"i": {"$eq": i}}, options)) for i in range(count)]
            return await asyncio.wait_for(asyncio.gather(*queries), 60)

        with vecmux.Client(endpoint, library=LIBRARY, **{"io.threads": io_threads}) as client:
            found = asyncio.run(work(client))
        for i, matches in enumerate(found):
            self.assertEqual([(m.id, m.metadata) for m in matches], [(f"r{i}", {"i": i, "name": f"ü{i}"})])
            self.assertAlmostEqual(matches[0].score, 1.0, places=4)

    def test_upserts_and_queries(self):
        with Vecmuxd() as server:
            self.run_all(server.target, 200)

    def test_synchronous_calls(self):
        with Vecmuxd() as server, vecmux.Client(server.target, library=LIBRARY, **{"io.threads": 0}) as client:
            self.assertEqual(client.upsert([("a", [1, 0], None), ("b", [0, 1], {"x": "y"})]), 2)
            self.assertEqual([(m.id, m.metadata) for m in client.query([0, 1], 2)], [("b", {"x": "y"}), ("a", None)])
            calls = {series["labels"]["operation"]: series["value"] for series in client.stats()["vecmux_calls_total"]}
            self.assertEqual(calls, {"query": 1, "upsert": 1})

    def test_calls_that_nobody_waits_for_any_more(self):
        async def work(client):
            async def one(i):
                return await client.asynchronously(lambda options: client.start_upsert([(f"r{i}", [1.0, i], None)], options))
            tasks = [asyncio.create_task(one(i)) for i in range(20)]
            await asyncio.sleep(0)  # they have started
            for task in tasks[::2]:
                task.cancel()
            done = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 60)
            return [isinstance(result, asyncio.CancelledError) or result for result in done]

        with Vecmuxd("--fault", "Upsert:delay=200ms") as server:
            with vecmux.Client(server.target, library=LIBRARY) as client:
                self.assertEqual(asyncio.run(work(client)), [True, 1] * 10)
                self.assertEqual(asyncio.run(work(client)), [True, 1] * 10)  # and in another loop

    def test_a_call_cancelled_in_the_moment_it_ends(self):
        async def work(client):
            task = asyncio.create_task(client.asynchronously(
                lambda options: client.start_upsert([("r", [1.0, 0.0], None)], options)))
            await asyncio.sleep(0)
            time.sleep(0.3)  # its event is there, and is taken before the task hears that it is cancelled, or after
            asyncio.get_running_loop().call_soon(task.cancel)
            with self.assertRaises(asyncio.CancelledError):
                await task

        with Vecmuxd() as server, vecmux.Client(server.target, library=LIBRARY) as client:
            asyncio.run(work(client))
            self.assertEqual(client.upsert([("s", [1.0, 0.0], None)]), 1)

    def test_a_client_that_is_closed(self):
        with Vecmuxd() as server, vecmux.Client(server.target, library=LIBRARY) as client:
            client.close()
            client.close()
            for use in (client.stats, client.options, lambda: client.query([1.0], 1), lambda: client.put_arrow(None)):
                with self.assertRaisesRegex(ValueError, "closed"):
                    use()

    def test_errors(self):
        with self.assertRaisesRegex(vecmux.Error, 'unknown property "endpoin"'):
            vecmux.Client("localhost:1", library=LIBRARY, endpoin="x")
        with Stub() as stub, vecmux.Client(stub.target, library=LIBRARY) as client:
            with self.assertRaisesRegex(vecmux.Error, "top_k 0 is outside 1 to 10000"):
                client.query([1], 0)
            stub.answer("Query", pb.QueryResponse(matches=[pb.ScoredVector(id="m", score=0.5)]))
            self.assertEqual(client.query([1], 1), [vecmux.Match("m", 0.5, None)])


if __name__ == "__main__":
    preload()
    import vecmux
    unittest.main()
