#!/usr/bin/python3
"""includes.py finds what it is there to find: each fault, planted in a small tree, is reported; a clean tree is not."""
import os
import tempfile
import unittest

import includes

CLEAN = {
    "include/vecmux/types.h": "#include <stdint.h>\n",
    "src/core/arena.h": "#include <stddef.h>\n#include <vecmux/types.h>\n",
    "src/core/arena.c": '#include "core/arena.h"\n#include <openssl/evp.h>\n',
    "src/wire/guard.c": '#include "core/arena.h"\n#include <protobuf-c/protobuf-c.h>\n',
    "src/transport/transport.h": '#include "core/arena.h"\n',
    "src/transport/grpc/loop.c": '#include "transport/transport.h"\n#include <grpc/grpc.h>\n',
    "src/rpc/pool.h": '#include "transport/transport.h"\n',
    "src/engine/upsert.c": '#include "pinecone/vector_service.pb-c.h"\n',
    "src/api/index.c": '#include "rpc/pool.h"\n',
    "src/server/exact.cc": "#include <faiss/IndexFlat.h>\n",
    "src/cli/main.c": '#include <vecmux/vecmux.h>\n#include "cli.h"\n',
    "src/cli/cli.h": "#include <jansson.h>\n",
}

FAULTS = {
    "a public header knows gRPC": ("include/vecmux/op.h", "#include <grpc/grpc.h>\n"),
    "a public header knows the inside": ("include/vecmux/op.h", '#include "core/arena.h"\n'),
    "core knows a room above": ("src/core/bad.c", '#include "wire/guard.h"\n'),
    "op knows wire": ("src/op/op.c", '#include "wire/guard.h"\n'),
    "transport knows the messages": ("src/transport/grpc/x.c", '#include "pinecone/vector_service.pb-c.h"\n'),
    "the fake knows gRPC": ("src/transport/fake/x.c", "#include <grpc/grpc.h>\n"),
    "rpc reaches into the gRPC folder": ("src/rpc/x.c", '#include "transport/grpc/loop.h"\n'),
    "rpc knows the messages": ("src/rpc/x.c", '#include "pinecone/vector_service.pb-c.h"\n'),
    "engine knows the transport": ("src/engine/x.c", '#include "transport/transport.h"\n'),
    "api knows gRPC": ("src/api/x.c", "#  include   <grpc/grpc.h>\n"),
    "server knows the client": ("src/server/x.c", '#include "rpc/pool.h"\n'),
    "server knows FAISS in C": ("src/server/x.c", "#include <faiss/c_api/Index_c.h>\n"),
    "the tool knows the inside": ("src/cli/x.c", '#include "core/arena.h"\n'),
    "the tool knows it by a detour": ("src/cli/x.c", '#include "../core/arena.h"\n'),
    "an example knows jansson": ("examples/x.c", "#include <jansson.h>\n"),
    "a test knows gRPC": ("tests/core/x.c", "#include <grpc/grpc.h>\n"),
    "a room that is in no table": ("src/attic/x.c", "#include <stdio.h>\n"),
}


class IncludesTest(unittest.TestCase):
    def faults(self, extra):
        with tempfile.TemporaryDirectory() as root:
            for path, text in {**CLEAN, **extra}.items():
                os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                    file.write(text)
            return includes.check(root)[1]

    def test_clean_tree(self):
        self.assertEqual(self.faults({}), [])

    def test_each_fault(self):
        for name, (path, text) in FAULTS.items():
            with self.subTest(name):
                found = self.faults({path: text})
                self.assertEqual(len(found), 1, found)
                self.assertIn(path + ":1:", found[0])


if __name__ == "__main__":
    unittest.main()
