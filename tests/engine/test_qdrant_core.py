"""The conformance suite, and 500 random filters over 5,000 records, on Qdrant's own storage core behind its published
messages (scripts/servers/qdrant_edge_server.py), or on the Qdrant that QDRANT_ENDPOINT names.
"""
import sys

import conformance
import servers
import test_random_filters


def main():
    with servers.server("qdrant-edge") as endpoint:
        real = f"qdrant={endpoint}"
        failed = conformance.main([real])
        sys.stdout.flush()
        return failed or test_random_filters.main([real])


if __name__ == "__main__":
    sys.exit(main())
