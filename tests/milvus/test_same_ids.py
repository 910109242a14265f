"""Random filters over 5,000 records: the same ids from vecmuxd, from Milvus, and from an evaluation in Python.

VMX_FILTERS is how many; the seed is printed.
"""
import os
import random
import time
import unittest

import filters
import servers
from driver import Driver

RECORDS = 5000
FILTERS = int(os.environ.get("VMX_FILTERS", "100"))
SEED = int(os.environ.get("VMX_SEED", "7"))
BATCH = 1000


class Filters(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.milvus = cls.enterClassContext(servers.server())
        cls.vecmuxd = cls.enterClassContext(servers.vecmuxd())

    def good(self, driver, **command):
        answer = driver(timeout_ms=60000, **command)
        self.assertEqual(answer.get("status"), "VMX_OK", answer.get("error"))
        return answer

    def fill(self, driver, collection, metadata):
        for start in range(0, RECORDS, BATCH):
            vectors = [{"id": str(i), "values": [1, i], "metadata": metadata[i]} for i in range(start, start + BATCH)]
            self.good(driver, op="upsert", collection=collection, vectors=vectors)

    def ids(self, driver, collection, filter_):
        answer = self.good(driver, op="fetch", collection=collection, filter=filter_, limit=10000)
        return {match["id"] for match in answer["matches"]}

    def test_the_same_ids(self):
        rng = random.Random(SEED)
        metadata = [filters.record(rng, i) for i in range(RECORDS)]
        spent = {"vecmuxd": 0.0, "milvus": 0.0}
        with Driver(engine="milvus", endpoint=self.milvus) as real, Driver(endpoint=self.vecmuxd) as ours:
            self.good(real, op="drop", collection="filters")
            self.good(real, op="ensure", collection="filters", dimension=2)
            self.fill(real, "filters", metadata)
            self.fill(ours, "", metadata)
            for number in range(FILTERS):
                filter_ = filters.random_filter(rng)
                expected = {str(i) for i in range(RECORDS) if filters.selects(filter_, metadata[i])}
                for name, driver, collection in (("vecmuxd", ours, ""), ("milvus", real, "filters")):
                    started = time.monotonic()
                    found = self.ids(driver, collection, filter_)
                    spent[name] += time.monotonic() - started
                    self.assertEqual(found, expected, f"{name}, filter {number} of seed {SEED}: {filter_}; "
                                     f"{[(i, metadata[int(i)]) for i in list(found ^ expected)[:3]]}")
            self.good(real, op="drop", collection="filters")
        print(f"{FILTERS} filters over {RECORDS} records agree (seed {SEED}); seconds: "
              + ", ".join(f"{name} {seconds:.1f}" for name, seconds in spent.items()))


if __name__ == "__main__":
    unittest.main()
