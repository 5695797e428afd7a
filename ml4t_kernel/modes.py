"""What Numba's settings ask for, answered without importing Numba unless somebody has set one.

Plain Python at the bottom of the package: whatever runs the shared object may read this.
"""

import os
import sys
from pathlib import Path
from typing import Any

SHAPING: dict[str, Any] = {
    "DISABLE_JIT": 0,
    "BOUNDSCHECK": None,
    "DEBUGINFO_DEFAULT": 0,
    "OPT": 3,
    "CPU_NAME": None,
    "CPU_FEATURES": None,
    "LOOP_VECTORIZE": 1,
    "SLP_VECTORIZE": 0,
    "ENABLE_PROFILING": 0,
    "LLVM_PASS_TIMINGS": 0,
    "DUMP_LLVM": 0,
    "DUMP_OPTIMIZED": 0,
    "DUMP_ASSEMBLY": 0,
}
"""Settings of `numba.core.config` that change machine code or watch how it is made, and the values that ask for
nothing."""
VARIABLES = {"NUMBA_" + name.removesuffix("_DEFAULT") for name in SHAPING} | {"NUMBA_DEBUG"}
"""Their environment variables, and the one that sets several."""


def numba_settings() -> Any:
    """`numba.core.config`; None where nobody has imported Numba, set one of `VARIABLES` or left a settings file."""
    untouched = "numba.core.config" not in sys.modules
    if untouched and not any(os.environ.get(name) for name in VARIABLES) and not Path(".numba_config.yaml").is_file():
        return None
    from numba.core import config

    return config


def asks_for_numba() -> bool:
    """True if a setting asks for other code than the shared object holds: interpreted, checked, debugged, tuned."""
    config = numba_settings()
    return config is not None and any(getattr(config, name, off) != off for name, off in SHAPING.items())


def _interpreted() -> bool:
    config = numba_settings()
    return config is not None and bool(config.DISABLE_JIT)


INTERPRETED = _interpreted()
"""True if NUMBA_DISABLE_JIT was set when the package was imported: the kernel runs as plain Python."""
