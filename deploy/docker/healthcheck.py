"""Asks the process of the container for /livez, or for the path given; exit code 0 is healthy, 1 is not.

It is the image's HEALTHCHECK, for Docker only: Kubernetes asks over the network. A Job, which serves no probes, ends before
the first check.
"""

import os
import sys
import urllib.error
import urllib.request


def main() -> int:
    """Returns the exit code."""
    path = sys.argv[1] if len(sys.argv) > 1 else "/livez"
    port = os.environ.get("DESKSTREAM_METRICS_PORT", "9464")
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=4) as answer:
            print(answer.read(500).decode())
            return 0
    except urllib.error.HTTPError as error:
        print(error.read(500).decode())
    except OSError as error:
        print(error)
    return 1


if __name__ == "__main__":
    sys.exit(main())
