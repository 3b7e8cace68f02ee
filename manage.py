#!/usr/bin/env python
"""Django's command line for Backhaul."""

import os
import sys
from pathlib import Path

WITHOUT_SERVERS = {
    "",
    "help",
    "version",
    "--help",
    "-h",
    "--version",
    "makemessages",
    "compilemessages",
    "collectstatic",
}
BRING_THEIR_OWN = {"demo", "serve"}


def main():
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "connector.settings")
    from django.core.management import execute_from_command_line

    from connector.runtime.embedded import attach
    from connector.runtime.installation import simulated

    command = sys.argv[1] if len(sys.argv) > 1 else ""
    data_dir = attach.prepare(Path(__file__).resolve().parent / "data", whole=command in BRING_THEIR_OWN)
    port = simulated.choose(data_dir) if command == "demo" else simulated.port_of(data_dir)
    if port and os.environ.get("DATA_DIR"):  # else a database was given and the default folder has nothing to say
        simulated.apply(port)
    if command in WITHOUT_SERVERS | BRING_THEIR_OWN:
        execute_from_command_line(sys.argv)
        return
    with attach.servers(data_dir, command):
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
