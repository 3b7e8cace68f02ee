"""Makes .venv and puts the pinned requirements in: python3 bootstrap.py requirements.txt

Needs nothing but Python 3.11 with its venv module. pip brings uv, from a pinned hash; uv brings the rest, each from a pinned hash.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent
VENV = PROJECT / ".venv"
PYTHON = VENV / "bin" / "python"
OLDEST = (3, 11)


def main(requirements):
    if sys.version_info < OLDEST:
        sys.exit(
            f"Python {OLDEST[0]}.{OLDEST[1]} or newer is needed, and {sys.executable} is {sys.version.split()[0]}. "
            "Install a newer one and name it: make PYTHON=python3.13 …"
        )
    with open(PROJECT / ".bootstrap.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two starts at once: the second finds the work done
        stamp = stamp_of(requirements)
        if stamp.exists() and is_newer(stamp, PROJECT / requirements) and works(PYTHON):
            stamp.touch()
            return
        began = time.monotonic()
        print(f"Installing {requirements} into .venv …", flush=True)
        if not works(PYTHON):
            make_venv()
        install(requirements)
        stamp.touch()
        print(f"Installed in {time.monotonic() - began:.0f} s.", flush=True)


def stamp_of(requirements):
    return VENV / f".installed-{requirements}"


def is_newer(one, other):
    return one.stat().st_mtime_ns >= other.stat().st_mtime_ns


def works(python):
    try:
        return subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode == 0
    except OSError:
        return False


def make_venv():
    shutil.rmtree(VENV, ignore_errors=True)
    made = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True)
    if made.returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        sys.exit(
            f"{sys.executable} could not make a virtual environment. On Debian and Ubuntu: apt install python3-venv. "
            f"Else name another Python: make PYTHON=…\n{(made.stdout + made.stderr).strip()[-1000:]}"
        )


def install(requirements):
    if not (VENV / "bin" / "uv").exists() or not is_newer(VENV / "bin" / "uv", PROJECT / "requirements-uv.txt"):
        pip("--require-hashes", "-r", "requirements-uv.txt")
        (VENV / "bin" / "uv").touch()
    command = [
        VENV / "bin" / "uv",
        "pip",
        "install",
        "--quiet",
        "--python",
        PYTHON,
        "--require-hashes",
        "-r",
        requirements,
    ]
    if subprocess.run(command, cwd=PROJECT, env=uv_environment()).returncode:
        print("uv did not succeed; trying the same with pip, which takes longer.", file=sys.stderr, flush=True)
        pip("--require-hashes", "-r", requirements)


def pip(*arguments):
    command = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    if subprocess.run(command, cwd=PROJECT).returncode:
        sys.exit("The requirements could not be installed; pip says why above. Mend that and start again.")


def uv_environment():
    """uv reads no pip configuration: an index that pip was given is passed on."""
    environment = dict(os.environ, VIRTUAL_ENV=str(VENV))
    if not any(environment.get(name) for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_CONFIG_FILE")):
        asked = subprocess.run(
            [PYTHON, "-m", "pip", "config", "get", "global.index-url"], capture_output=True, text=True
        )
        index = environment.get("PIP_INDEX_URL") or (asked.stdout.strip() if asked.returncode == 0 else "")
        if index:
            environment["UV_DEFAULT_INDEX"] = index
    return environment


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "requirements.txt")
