"""Makes the kernel ready before it is needed, for images of containers and for new machines.

    python -m ml4t_kernel.warmup

With the shared object of the package there is nothing to do; without it the kernel is compiled into Numba's cache.
Exits with 1 when that cannot be kept.
"""

import sys
from time import perf_counter

from ml4t_kernel import entries, modes, native


def main() -> int:
    start = perf_counter()
    kernel = entries.runner()
    seconds = perf_counter() - start
    if isinstance(kernel, native.NativeKernel):
        print(f"nothing to compile: the package holds the kernel for {kernel.level}, ready in {seconds:.2f} s")
        return 0
    from ml4t_kernel.compile import jit

    if modes.INTERPRETED:
        print("nothing to compile: NUMBA_DISABLE_JIT is set, the kernel is interpreted")
        return 0
    place = jit.cache_locator()
    if place is None:
        print("compiled, but not kept: no folder can be written to; NUMBA_CACHE_DIR names another", file=sys.stderr)
        return 1
    loaded = sum(kernel.function.stats.cache_hits.values())
    print(f"{'loaded from' if loaded else 'compiled into'} {place.get_cache_path()}, {seconds:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
