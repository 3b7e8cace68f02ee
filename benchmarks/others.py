"""The others that we are measured with, in an environment of their own: the product needs none of them."""

import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).resolve().parent.parent / ".venv-bench"
REQUIREMENTS = Path(__file__).resolve().parent / "requirements.txt"


def python():
    """The Python that has them; made on first use, and again when the pins change."""
    found, stamp = HOME / "bin" / "python", HOME / f".installed-{REQUIREMENTS.stat().st_mtime_ns}"
    if not stamp.exists():
        print(f"Installing {REQUIREMENTS.name} into {HOME.name} …", file=sys.stderr, flush=True)
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "-q", "--clear", "--python", sys.executable, HOME], check=True)
        subprocess.run(
            [*uv, "pip", "install", "-q", "--python", found, "--require-hashes", "-r", REQUIREMENTS], check=True
        )
        stamp.touch()
    return found
