"""Build hook of hatchling: puts the shared objects of one target into a wheel.

    ML4T_TARGET=linux-x86_64 python -m build --wheel

Without ML4T_TARGET the wheel holds sources only and says so in its name (py3-none-any): whoever installs from source
gets a kernel that Numba compiles at its first use. With it a missing compiler or linker is an error, never a wheel
without objects.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VARIABLE = "ML4T_TARGET"
FOLDER = "ml4t_kernel/machine_code"
NEEDED = ["numba==0.68.1", "numpy>=2", "pyelftools>=0.31", "ziglang==0.17.1"]
"""What makes objects: one version of Numba, so that a release can be built again to the same bits."""


class CustomBuildHook(BuildHookInterface):
    """Runs `ml4t_kernel.objects.build` for the target and tags the wheel with its platform."""

    def dependencies(self) -> list[str]:
        return NEEDED if os.environ.get(VARIABLE) else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        target = os.environ.get(VARIABLE)
        if not target or version == "editable":
            return
        command = [sys.executable, "-m", "ml4t_kernel.objects.build", target, str(Path(self.root) / FOLDER)]
        subprocess.run(command, check=True, cwd=self.root)
        manifest = json.loads((Path(self.root) / FOLDER / "objects.json").read_text())
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{manifest['tag']}"
        build_data["artifacts"].append(f"{FOLDER}/*")
