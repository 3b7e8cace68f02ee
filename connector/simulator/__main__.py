"""python -m connector.simulator --host 127.0.0.1 --port 9100"""

import argparse
import os
import signal
import sys
import threading
from datetime import UTC, datetime

from .sampled import FOLDER
from .server import Server
from .simulator import Simulator


def main():
    options = _parser().parse_args()
    simulator = Simulator(
        seed=options.seed,
        now=options.now,
        redirect_uris=options.redirect_uri,
        folder=options.data_dir,
        samples=options.samples,
        rate_factor=options.rate_factor,
        processing_seconds=options.processing_seconds,
    )
    try:
        server = Server((options.host, options.port), simulator)
    except OSError as problem:
        sys.exit(f"The simulator cannot listen on {options.host}:{options.port}: {problem.strerror}.")

    def stop(*_):
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    print(f"listening on {server.url}", flush=True)
    server.serve_forever(poll_interval=0.1)
    server.server_close()


def _parser():
    parser = argparse.ArgumentParser(prog="python -m connector.simulator", description="Stands in for Amazon's SP-API.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one and says which")
    parser.add_argument("--seed", type=int, default=1, help="another seed makes other orders")
    parser.add_argument(
        "--rate-factor",
        type=_factor,
        default=os.environ.get("SPAPI_RATE_FACTOR") or "1",
        help="multiplies Amazon's published rates; default SPAPI_RATE_FACTOR or 1",
    )
    parser.add_argument("--processing-seconds", type=float, default=2.0, help="how long a report takes")
    parser.add_argument("--now", type=_instant, help="freeze time at this ISO 8601 instant")
    parser.add_argument("--redirect-uri", action="append", default=[], help="registered for the default application")
    parser.add_argument("--data-dir", type=_folder, help="keep reports there, so that they outlive the process")
    parser.add_argument("--samples", type=_folder, default=FOLDER, help="where the samples of flat files are")
    return parser


def _folder(text):
    if not os.path.isdir(text):
        raise argparse.ArgumentTypeError(f"there is no folder {text}")
    return text


def _factor(text):
    factor = float(text)
    if not factor > 0:
        raise argparse.ArgumentTypeError("must be more than 0")
    return factor


def _instant(text):
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


if __name__ == "__main__":
    main()
