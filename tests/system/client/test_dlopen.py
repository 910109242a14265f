"""libvecmux.so is loaded, used and unloaded twenty times in one process that is not linked with it."""
import os
import subprocess
import unittest

from driver import SLOW
from stub_server import Stub


class Dlopen(unittest.TestCase):
    def test_twenty_times(self):
        with Stub() as stub:
            done = subprocess.run([os.environ["VMX_DLOPEN_LOOP"], os.environ["VMX_LIBRARY"], stub.target, "20"],
                                  capture_output=True, text=True, timeout=30 * SLOW, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(len(stub.take()), 20)


if __name__ == "__main__":
    unittest.main()
