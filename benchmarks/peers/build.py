"""Build one virtual environment for each peer.

``python -m benchmarks.peers.build [--python PYTHON] [PEER ...]``

The environments lie below ``benchmarks/.envs`` or the folder that the environment
variable ``FEATUREKIT_PEER_ENVS`` names. openfe needs Python 3.11 or older: say which
one with ``--python`` where the running one is newer.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PEERS = {
    "peer-openfe": "openfe.txt",
    "peer-ag": "autogluon.txt",
    "peer-outrank": "outrank.txt",
    "peer-select": "select.txt",
    "peer-distance": "distance.txt",
    "peer-lassonet": "lassonet.txt",
}


def environments_folder() -> Path:
    """Return the folder that holds the environments of the peers."""
    default = HERE.parent / ".envs"
    return Path(os.environ.get("FEATUREKIT_PEER_ENVS") or default)


def python_of(peer: str) -> Path:
    """Return the interpreter of a peer."""
    parts = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
    return environments_folder().joinpath(peer, *parts)


def build(peer: str, python: str) -> None:
    """Create the environment of a peer and install what its requirements name."""
    folder = environments_folder() / peer
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    requirements = HERE / PEERS[peer]
    install = [str(python_of(peer)), "-m", "pip", "install", "-r", str(requirements)]
    subprocess.run(install, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peers", nargs="*", metavar="PEER", help=", ".join(PEERS))
    parser.add_argument("--python", default=sys.executable, help="base interpreter")
    arguments = parser.parse_args()
    unknown = set(arguments.peers) - set(PEERS)
    if unknown:
        parser.error(f"unknown peers: {', '.join(sorted(unknown))}")
    for peer in arguments.peers or PEERS:
        build(peer, arguments.python)


if __name__ == "__main__":
    main()
