"""A server that is killed at any step of a removal has what was to be removed whole, or not at all; a restart leaves
nothing behind."""
import os
import signal
import tempfile
import unittest

import grpc

from blob_case import SHA256, blob_digest, digest, read, upload, write
from vecmux_proto import Client
from vecmuxd import Vecmuxd

PART = 16384
OLD, NEW = bytes(2 * PART), b"new" * PART
MOST_STEPS = 30


@unittest.skipIf(os.environ.get("VMX_SANITIZE") or os.environ.get("VMX_EMULATOR"), "LD_PRELOAD would come before the sanitizer")
class Killed(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="vecmuxd-killed-")
        self.addCleanup(directory.cleanup)
        self.data = os.path.join(directory.name, "data")
        self.armed = os.path.join(directory.name, "armed")

    def serve(self):
        more = {"LD_PRELOAD": os.environ["VMX_KILL_AT"], "VMX_KILL_ARMED": self.armed}
        os.environ.update(more)
        try:
            return Vecmuxd("--data", self.data)
        finally:
            for name in more:
                del os.environ[name]

    def arm(self, step):
        with open(self.armed + ".new", "w", encoding="ascii") as file:
            file.write(str(step))
        os.rename(self.armed + ".new", self.armed)

    def kept(self):
        return {folder: os.listdir(os.path.join(self.data, "repository", folder))
                for folder in ("blobs", "uploads", "new", "gone")}

    def check_empty(self, client):
        described = client.DescribeRepository()
        self.assertEqual((described.used_bytes, described.blob_count, described.upload_count), (0, 0, 0))
        self.assertEqual(self.kept(), {"blobs": [], "uploads": [], "new": [], "gone": []})

    def kill_at_every_step(self, prepare, act, check):
        """Each round has one step more than the one before; the last is one that was not killed. Its number of steps."""
        for step in range(1, MOST_STEPS):
            server = self.serve()
            with Client(server.target) as client:
                prepared = prepare(client)
                self.arm(step)
                try:
                    act(client, prepared)
                    killed = False
                except grpc.RpcError as error:
                    self.assertEqual(error.code(), grpc.StatusCode.UNAVAILABLE, error.details())
                    killed = True
            server.stop(signal.SIGKILL)
            os.unlink(self.armed)
            with self.subTest(step=step), self.serve() as server, Client(server.target) as client:
                check(client, prepared, killed)
                self.check_empty(client)
            if not killed:
                return step - 1
        return self.fail(f"it was killed at each of {MOST_STEPS} steps")

    def read_or_none(self, client):
        try:
            return read(client, "blob")
        except grpc.RpcError as error:
            self.assertEqual(error.code(), grpc.StatusCode.NOT_FOUND)
            return None

    def test_while_it_deletes_a_blob(self):
        def check(client, _, killed):
            there = self.read_or_none(client)
            self.assertIn(there, (OLD, None) if killed else (None,))
            self.assertEqual(client.DeleteBlob(name="blob").existed, there is not None)

        steps = self.kill_at_every_step(lambda client: upload(client, "blob", OLD, PART),
                                        lambda client, _: client.DeleteBlob(name="blob"), check)
        self.assertGreaterEqual(steps, 5)

    def begin(self, client, data, replace=False):
        begun = client.BeginUpload(name="blob", total_bytes=len(data), part_bytes=len(data), digest=SHA256,
                                   replace=replace).upload
        client.WritePart(write(begun.upload_id, 0, data, end=digest(SHA256, data), checked=False))
        return begun.upload_id

    def test_while_it_aborts_an_upload(self):
        def check(client, upload_id, killed):
            existed = client.AbortUpload(upload_id=upload_id).existed
            self.assertTrue(killed or not existed)

        steps = self.kill_at_every_step(lambda client: self.begin(client, OLD),
                                        lambda client, upload_id: client.AbortUpload(upload_id=upload_id), check)
        self.assertGreaterEqual(steps, 5)

    def test_while_it_replaces_a_blob(self):
        def prepare(client):
            upload(client, "blob", OLD, PART)
            return self.begin(client, NEW, replace=True)

        def complete(client, upload_id):
            return client.CompleteUpload(upload_id=upload_id, digest=blob_digest(SHA256, NEW, len(NEW)))

        def check(client, upload_id, killed):
            self.assertIn(self.read_or_none(client), (OLD, NEW) if killed else (NEW,))
            complete(client, upload_id)
            self.assertEqual(read(client, "blob"), NEW)
            client.DeleteBlob(name="blob")

        self.assertGreaterEqual(self.kill_at_every_step(prepare, complete, check), 8)


if __name__ == "__main__":
    unittest.main()
