#!/usr/bin/python3
"""Installs the built tree under a fresh prefix and uses it from outside: by pkg-config, find_package, and its programs.

usage: install_test.py CMAKE SOURCE BUILD LIBDIR CC sanitize=SANITIZERS
"""
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

CMAKE, SOURCE, BUILD, LIBDIR, CC, SANITIZERS = sys.argv[1:7]
SANITIZE = [f"-f{SANITIZERS}"] if SANITIZERS != "sanitize=" else []

LIBRARIES = ["vecmux-mock", "vecmux"] if os.path.exists(os.path.join(BUILD, "vecmux-mock.pc")) else ["vecmux"]

MOCK_PROGRAM = """
#include <stdio.h>
#include <vecmux/mock.h>

int
main(void)
{
    vmx_mock *mock;
    vmx_error error;
    vmx_status status = vmx_mock_start(NULL, &mock, &error);
    printf("%s %d\\n", status == VMX_OK ? vmx_status_name(status) : error.message, vmx_mock_port(mock) > 0);
    vmx_mock_stop(mock);
    return status != VMX_OK;
}
"""

PROGRAM = """
#include <stdio.h>
#include <vecmux/vecmux.h>

int
main(void)
{
    vmx_error error = {0};
    vmx_config *config = vmx_config_new();
    vmx_status status = vmx_config_set(config, VMX_STR("channel.count"), VMX_STR("65"), &error);
    printf("%s %s\\n", vmx_version(), vmx_status_name(status));
    vmx_config_free(config);
    return status != VMX_ERR_INVALID;
}
"""

PROJECT = """
cmake_minimum_required(VERSION 3.16)
project(outside C)
find_package(vecmux 0.1 REQUIRED)
add_executable(outside program.c)
target_link_libraries(outside PRIVATE vecmux::vecmux)
if(TARGET vecmux::mock)
  add_executable(uses-mock mock.c)
  target_link_libraries(uses-mock PRIVATE vecmux::mock)
endif()
"""


def run(*command, **arguments):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **arguments)
    if done.returncode != 0:
        raise AssertionError(f"{shlex.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class InstallTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.scratch = scratch.name
        first = os.path.join(cls.scratch, "first")
        cls.prefix = os.path.join(cls.scratch, "moved")
        run(CMAKE, "--install", BUILD, "--prefix", first)
        shutil.move(first, cls.prefix)  # nothing in it may depend on where it was installed
        cls.libdir = os.path.join(cls.prefix, LIBDIR)
        cls.outside = os.path.join(cls.scratch, "outside")
        os.mkdir(cls.outside)
        for name, text in (("program.c", PROGRAM), ("mock.c", MOCK_PROGRAM), ("CMakeLists.txt", PROJECT)):
            with open(os.path.join(cls.outside, name), "w", encoding="utf-8") as file:
                file.write(text)

    def check(self, program, **arguments):
        self.assertEqual(run(program, **arguments), "0.1.0 VMX_ERR_INVALID\n")

    def test_pkg_config(self):
        env = {**os.environ, "PKG_CONFIG_PATH": os.path.join(self.libdir, "pkgconfig")}
        flags = shlex.split(run("pkg-config", "--cflags", "--libs", "vecmux", env=env))
        self.assertIn(self.prefix, " ".join(os.path.normpath(flag[2:]) for flag in flags))
        program = os.path.join(self.outside, "by-pkg-config")
        run(CC, "-Werror", "-Wall", *SANITIZE, os.path.join(self.outside, "program.c"), *flags, "-o", program)
        self.check(program, env={**env, "LD_LIBRARY_PATH": self.libdir})

    @unittest.skipIf(len(LIBRARIES) == 1, "built without the mock")
    def test_mock_by_pkg_config(self):
        env = {**os.environ, "PKG_CONFIG_PATH": os.path.join(self.libdir, "pkgconfig")}
        flags = shlex.split(run("pkg-config", "--cflags", "--libs", "vecmux-mock", env=env))
        program = os.path.join(self.outside, "mock-by-pkg-config")
        run(CC, "-Werror", "-Wall", *SANITIZE, os.path.join(self.outside, "mock.c"), *flags, "-o", program)
        self.assertEqual(run(program, env={**env, "LD_LIBRARY_PATH": self.libdir}), "VMX_OK 1\n")

    def test_find_package(self):
        build = os.path.join(self.outside, "build")
        run(CMAKE, "-G", "Ninja", "-S", self.outside, "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}",
            f"-DCMAKE_C_COMPILER={CC}", f"-DCMAKE_C_FLAGS={' '.join(SANITIZE)}")
        run(CMAKE, "--build", build)
        self.check(os.path.join(build, "outside"))
        if len(LIBRARIES) > 1:
            self.assertEqual(run(os.path.join(build, "uses-mock")), "VMX_OK 1\n")

    def test_programs(self):
        out = run(os.path.join(self.prefix, "bin/vecmux"), "version")
        self.assertTrue(out.startswith("vecmux 0.1.0\n"), out)
        server = os.path.join(self.prefix, "bin/vecmuxd")
        if os.path.exists(os.path.join(BUILD, "bin/vecmuxd")):
            run(server, "--help")

    def test_files(self):
        def names(path):
            return sorted(os.listdir(os.path.join(self.prefix, path)))

        self.assertEqual(names("include/vecmux"), sorted(os.listdir(os.path.join(SOURCE, "include/vecmux"))))
        self.assertEqual([name for name in names(LIBDIR) if name.startswith("lib")],
                         [f"lib{library}.so{version}" for library in LIBRARIES for version in ("", ".0", ".0.1.0")])
        documents = {"README.md", "LICENSE", "CHANGELOG.md", "CONFIGURATION.md", "STATISTICS.md"}
        self.assertLessEqual(documents, set(names("share/doc/vecmux")))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
