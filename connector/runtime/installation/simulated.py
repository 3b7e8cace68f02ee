"""The demo's Amazon: where the simulator listens, and the environment that sends everything there.

A data folder is either the demo's or a real installation's, for good: simulated orders and a seller's own never meet.
"""

import json
import os
import socket
from collections.abc import MutableMapping
from pathlib import Path

from connector.runtime.embedded.start_errors import StartError

APPLICATION = {
    "LWA_CLIENT_ID": "amzn1.application-oa2-client.simulator",
    "LWA_CLIENT_SECRET": "simulator-secret",
    "SPAPI_APPLICATION_ID": "amzn1.sellerapps.app.simulator",
}
RATE_FACTOR = "20"  # so many times Amazon's pace: two years of history in minutes instead of hours


def note(data_dir: str | Path) -> Path:
    """The file that says that the folder is the demo's."""
    return Path(data_dir) / "simulator.json"


def port_of(data_dir: str | Path) -> int | None:
    """The simulator's port in this folder; None where the folder is not the demo's."""
    try:
        return int(json.loads(note(data_dir).read_text())["port"])
    except FileNotFoundError:
        return None


def choose(data_dir: str | Path) -> int:
    """The port for the simulator: the last one, if nobody took it meanwhile."""
    port = port_of(data_dir)
    return port if port is not None and _is_free(port) else _free_port()


def claim(data_dir: str | Path, port: int) -> None:
    """Makes the folder the demo's."""
    aside = note(data_dir).with_suffix(".new")
    aside.write_text(json.dumps({"port": port}))
    aside.replace(note(data_dir))


def refuse_demo_folder(data_dir: str | Path) -> None:
    """For a start against the real Amazon: Trouble where the folder holds the demo."""
    if port_of(data_dir) is not None:
        raise StartError(
            f"{data_dir} holds the demo and its simulated orders. Give your own data another folder "
            "(DATA_DIR=./live-data make run), or remove this one to use its place."
        )


def apply(port: int, environment: MutableMapping[str, str] = os.environ) -> None:
    """Sends every call of this process and its children to the simulator, whatever of Amazon's the environment named."""
    url = f"http://127.0.0.1:{port}"
    environment.update(
        {
            **{f"SPAPI_ENDPOINT_{region}": url for region in ("NA", "EU", "FE")},
            "LWA_TOKEN_URL": f"{url}/auth/o2/token",
            "SELLER_CENTRAL_URL": url,
            "VENDOR_CENTRAL_URL": url,
            "SPAPI_DOCUMENT_HOSTS": f"127.0.0.1:{port}",
            "SPAPI_RATE_FACTOR": environment.get("SPAPI_RATE_FACTOR") or RATE_FACTOR,
            **APPLICATION,
        }
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
