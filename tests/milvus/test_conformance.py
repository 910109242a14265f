"""The matrix of all engines, with a real Milvus in it: the suite of tests/engine/conformance.py on vecmuxd, Milvus and the
Qdrant stub; then 500 random filters over 5,000 records on vecmuxd and Milvus (tests/engine/test_random_filters.py).
"""
import sys

import servers
import conformance
import test_random_filters


def main():
    with servers.server() as endpoint:
        real = f"{servers.NAME if servers.IS_LITE else 'milvus-2.3'}={endpoint}"
        failed = conformance.main([real, "--vecmuxd", "--qdrant-stub"])
        sys.stdout.flush()
        return failed or test_random_filters.main([real, "--vecmuxd"])


if __name__ == "__main__":
    sys.exit(main())
