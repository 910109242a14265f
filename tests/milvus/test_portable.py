"""The example program, unchanged, against vecmuxd and a real Milvus: recall@10 of at least 0.95 on both.

VMX_VECTORS is how many of Fashion-MNIST's images are loaded (60,000 are all of them).
"""
import os
import subprocess
import sys

import servers

VECTORS = os.environ.get("VMX_VECTORS", "10000")


def run(engine, endpoint, **properties):
    settings = {"engine": engine, "endpoint": endpoint, **properties}
    command = [os.environ["VMX_PORTABLE"], "portable", "--vectors", VECTORS, "--queries", "50"]
    for name, value in settings.items():
        command += ["--set", f"{name}={value}"]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(f"--- {engine} at {endpoint}\n{result.stdout}", flush=True)
    return result.returncode == 0


with servers.server() as milvus, servers.vecmuxd("--metric", "euclidean") as vecmuxd:
    good = run("pinecone", vecmuxd)
    good = run("milvus", milvus, **servers.ONE_AT_A_TIME) and good
sys.exit(not good)
