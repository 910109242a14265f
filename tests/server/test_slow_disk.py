"""A disk that takes a second to make a blob durable holds up nobody but who waits for that blob."""
import os
import tempfile
import threading
import time
import unittest

from blob_case import SHA256, blob_digest, digest, read, write
from vecmux_proto import Client
from vecmuxd import SLOW, Vecmuxd

SIZE = 2 << 20
SYNC_S = 1.0


@unittest.skipIf(os.environ.get("VMX_SANITIZE") or os.environ.get("VMX_EMULATOR"), "LD_PRELOAD would come before the sanitizer")
class SlowDisk(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="vecmuxd-slow-")
        self.addCleanup(directory.cleanup)
        os.environ["LD_PRELOAD"] = os.environ["VMX_SLOW_SYNC"]
        try:
            self.server = Vecmuxd("--data", directory.name, "--threads", "1")
        finally:
            del os.environ["LD_PRELOAD"]
        self.addCleanup(self.stop)
        self.client = Client(self.server.target)
        self.addCleanup(self.client.close)

    def stop(self):
        server, self.server = self.server, None
        if server:
            self.assertEqual(server.stop()[0], 0)

    def write_all(self, name, data):
        begun = self.client.BeginUpload(name=name, total_bytes=SIZE, part_bytes=SIZE, digest=SHA256).upload
        self.client.WritePart(write(begun.upload_id, 0, data, end=digest(SHA256, data), checked=False, chunk_bytes=1 << 20))
        return dict(upload_id=begun.upload_id, digest=blob_digest(SHA256, data, SIZE))

    def test_other_calls_go_on(self):
        data = os.urandom(SIZE)
        request = self.write_all("slow", data)
        times = {}

        def complete():
            started = time.monotonic()
            self.client.CompleteUpload(**request)
            times["complete"] = time.monotonic() - started

        waiting = threading.Thread(target=complete)
        waiting.start()
        asked, longest = 0, 0.0
        while waiting.is_alive():
            started = time.monotonic()
            self.client.DescribeRepository()
            longest = max(longest, time.monotonic() - started)
            asked += 1
            time.sleep(0.02)
        waiting.join()
        self.assertGreaterEqual(times["complete"], SYNC_S)
        self.assertGreater(asked, 5)
        self.assertLess(longest, 0.8 * SYNC_S * SLOW)
        self.assertEqual(read(self.client, "slow"), data)

    def test_the_server_ends_when_the_blob_is_there(self):
        """Asked to stop meanwhile, it answers before it goes."""
        request = self.write_all("last", bytes(SIZE))
        names = []
        waiting = threading.Thread(target=lambda: names.append(self.client.CompleteUpload(**request).name))
        waiting.start()
        time.sleep(0.3)
        self.stop()
        waiting.join()
        self.assertEqual(names, ["last"])


if __name__ == "__main__":
    unittest.main()
