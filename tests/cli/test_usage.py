#!/usr/bin/python3
"""What vecmux does without a server: help, usage errors, exit codes, configuration."""
import os
import subprocess
import tempfile
import unittest

from harness import CliCase, run

COMMANDS = "upsert query fetch list update delete stats namespace load config metrics version".split()


class UsageTest(CliCase):
    def test_help(self):
        code, out, err = run("--help")
        self.assertEqual((code, err), (0, ""))
        for command in COMMANDS:
            self.assertIn(f"\n  {command} ", out)
            code, text, err = run(command, "--help")
            self.assertEqual((code, err), (0, ""))
            self.assertTrue(text.startswith(f"usage: vecmux {command} [options]"), text)
            self.assertIn("Exit codes:", text)
            self.assertEqual([line for line in text.split("\n") if len(line) > 120], [])

    def test_version(self):
        for arguments in (["version"], ["--version"]):
            code, out, err = run(*arguments)
            self.assertEqual((code, err), (0, ""))
            self.assertRegex(out, r"^vecmux \d+\.\d+\.\d+\n.*grpc")

    def test_wrong_command_line(self):
        self.fails(2, says=["no command", "--help"])
        self.fails(2, "upser", says=['"upser"', "--help"])
        self.fails(2, "query", "--nonsense", says=['"--nonsense"', "vecmux query --help"])
        self.fails(2, "query", "-xyz", says=['"-x"', "vecmux query --help"])
        self.fails(2, "query", "--top-k", says=['"--top-k"'])
        self.fails(2, "query", "--top-k", "0", says=["--top-k", '"0"', "from 1 to 10000"])
        self.fails(2, "query", "--top-k", "1e3", says=['"1e3"'])
        self.fails(2, "query", "--scan-factor", "nan", says=["--scan-factor", '"nan"'])
        self.fails(2, "stats", "extra", says=['"extra"'])

    def test_refused_settings(self):
        self.fails(2, "stats", says=["endpoint"])
        self.fails(2, "stats", "--endpoint", "localhost", says=['endpoint "localhost"', "host:port"])
        self.fails(2, "stats", "--set", "channel.count", says=['"channel.count"', "name=value"])
        self.fails(2, "stats", "--set", "channel.count=99", says=["channel.count", "99", "1 to 64"])
        self.fails(2, "stats", "--set", "chanel.count=1", says=["chanel.count"])
        self.fails(2, "stats", "--set", "tls.ca.file=/nonexistent", says=["/nonexistent"])
        self.fails(2, "stats", "--config", "/nonexistent", says=["/nonexistent"])
        self.fails(2, "stats", "--api-key-file", "/nonexistent", says=["--api-key-file", "/nonexistent"])

    def test_key_files_without_a_key(self):
        for text, says in ((b"", "no key"), (b"\nkey\n", "no key"), (b"a" * 5000, "too long"), (b"a\0b\n", "NUL byte")):
            with self.subTest(says=says), tempfile.NamedTemporaryFile() as file:
                file.write(text)
                file.flush()
                self.fails(2, "config", "--api-key-file", file.name, says=["--api-key-file", file.name, says])
        self.fails(2, "config", "--api-key-file", "/", says=["--api-key-file", "Is a directory"])

    def test_commands_that_need_one_of_several(self):
        self.fails(2, "fetch", "--endpoint", "127.0.0.1:1", says=["--filter"])
        self.fails(2, "delete", "--endpoint", "127.0.0.1:1", says=["--all"])
        self.fails(2, "delete", "--endpoint", "127.0.0.1:1", "--all", "a", says=["--all"])
        self.fails(2, "namespace", "--endpoint", "127.0.0.1:1", "destroy", says=["describe"])

    def test_output_that_cannot_be_written(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([os.environ["VECMUX"], "version"], stdout=full, stderr=subprocess.PIPE, text=True,
                                  check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("standard output", done.stderr)


class ConfigTest(CliCase):
    def config(self, *arguments, env=None):
        code, out, err = run("config", *arguments, env=env)
        self.assertEqual((code, err), (0, ""))
        return out

    def test_effective_values(self):
        out = self.config("--endpoint", "localhost:7", "--set", "channel.count=9")
        self.assertIn("endpoint = localhost:7\n", out)
        self.assertIn("channel.count = 9\n", out)
        self.assertIn("io.threads = 1\n", out)

    def test_secrets_are_hidden(self):
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
            file.write("hush-hush\nsecond line\n")
            file.flush()
            for out in (self.config("--api-key", "hush-hush"), self.config("--api-key-file", file.name)):
                self.assertNotIn("hush", out)
                self.assertIn("# api.key is set", out)

    def test_output_is_input(self):
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
            first = self.config("--endpoint", "localhost:7", "--set", "retry.multiplier=1.5")
            file.write(first)
            file.flush()
            self.assertEqual(self.config("--config", file.name), first)

    def test_order_of_sources(self):
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
            file.write("# a comment\n\nchannel.count = 2\nio.threads = 2\nendpoint = localhost:2\n")
            file.flush()
            env = {"VECMUX_CHANNEL_COUNT": "3", "VECMUX_IO_THREADS": "3"}
            out = self.config("--config", file.name, "--set", "channel.count=4", env=env)
            self.assertIn("channel.count = 4\n", out)
            self.assertIn("io.threads = 2\n", out, "the environment is not read unless asked")
            out = self.config("--config", file.name, "--env", "--set", "channel.count=4", env=env)
            self.assertIn("channel.count = 4\n", out)
            self.assertIn("io.threads = 3\n", out)
            self.assertIn("endpoint = localhost:2\n", out)


if __name__ == "__main__":
    unittest.main()
