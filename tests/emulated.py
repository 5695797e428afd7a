"""The AArch64 object on an emulated processor, over the arrays of this process: is every bit the same?

    PYTHONPATH=.:tests python -m pins write FILE --workloads W1 W2
    PYTHONPATH=.:tests python -m emulated OBJECT FILE --workloads W1 W2

An emulator (the package unicorn) is a hundred times slower than a processor, and as exact.
"""

import argparse
import ctypes
import json
import struct
import sys
from pathlib import Path

from elftools.elf.elffile import ELFFile
from unicorn import UC_ARCH_ARM64, UC_HOOK_CODE, UC_MODE_ARM, UC_PROT_READ, UC_PROT_WRITE, Uc
from unicorn.arm64_const import (
    UC_ARM64_REG_CPACR_EL1,
    UC_ARM64_REG_D0,
    UC_ARM64_REG_D1,
    UC_ARM64_REG_SP,
    UC_ARM64_REG_W0,
    UC_ARM64_REG_X0,
    UC_ARM64_REG_X1,
    UC_ARM64_REG_X2,
    UC_ARM64_REG_X30,
)

import pins
from ml4t_kernel import entries, native

PAGE = 4096
IMAGE, STUBS, STACK = 0x10000000, 0x20000000, 0x30000000
STACK_SIZE = 1 << 20
RETURN = STUBS + 0x800
"""Where the object's function returns to: the emulation ends there."""
R_AARCH64_ABS64, R_AARCH64_GLOB_DAT, R_AARCH64_JUMP_SLOT, R_AARCH64_RELATIVE = 257, 1025, 1026, 1027
RET = struct.pack("<I", 0xD65F03C0)


class Image:
    """An object as a loader would lay it out: segments, relocations, and a stub for each function it imports."""

    def __init__(self, path):
        with path.open("rb") as file:
            elf = ELFFile(file)
            segments = [segment for segment in elf.iter_segments() if segment["p_type"] == "PT_LOAD"]
            end = max(segment["p_vaddr"] + segment["p_memsz"] for segment in segments)
            memory = bytearray(-(-end // PAGE) * PAGE)
            for segment in segments:
                memory[segment["p_vaddr"] : segment["p_vaddr"] + segment["p_filesz"]] = segment.data()
            symbols = elf.get_section_by_name(".dynsym")
            self.symbols = {symbol.name: IMAGE + symbol["st_value"] for symbol in symbols.iter_symbols()}
            self.imports = {}
            for name in (".rela.dyn", ".rela.plt"):
                section = elf.get_section_by_name(name)
                for entry in section.iter_relocations() if section else ():
                    value = self._value(entry, symbols)
                    memory[entry["r_offset"] : entry["r_offset"] + 8] = struct.pack("<Q", value)
        self.memory = bytes(memory)

    def _value(self, entry, symbols):
        kind = entry["r_info_type"]
        if kind == R_AARCH64_RELATIVE:
            return IMAGE + entry["r_addend"]
        if kind not in (R_AARCH64_ABS64, R_AARCH64_GLOB_DAT, R_AARCH64_JUMP_SLOT):
            raise ValueError(f"relocation {kind}")
        name = symbols.get_symbol(entry["r_info_sym"]).name
        return self.imports.setdefault(name, STUBS + 16 * len(self.imports))


class EmulatedKernel:
    """The object as `entries.runner` gives it; `calls` counts what it asked of its platform."""

    def __init__(self, path):
        self.image = Image(path)
        self.names = {address: name for name, address in self.image.imports.items()}
        self.calls = {}
        library = ctypes.CDLL("libm.so.6")
        library.pow.restype, library.pow.argtypes = ctypes.c_double, [ctypes.c_double] * 2
        self._pow = library.pow

    def bind(self, *arguments):
        bound = native._Bound(None, arguments)

        def call(first, last, start, stop):
            bound._words[-4:] = [first, last, start, stop]
            return self._run(arguments, bound._words)

        return call

    def _serve(self, machine, address, size, data):
        """A function of the platform, done by this process."""
        name = self.names.get(address)
        if name is None:
            return
        self.calls[name] = self.calls.get(name, 0) + 1
        first, second, third = (machine.reg_read(r) for r in (UC_ARM64_REG_X0, UC_ARM64_REG_X1, UC_ARM64_REG_X2))
        if name == "memset":
            machine.mem_write(first, bytes([second & 255]) * third)
        elif name in ("memcpy", "memmove"):
            machine.mem_write(first, bytes(machine.mem_read(second, third)))
        elif name == "pow":
            registers = (machine.reg_read(r) for r in (UC_ARM64_REG_D0, UC_ARM64_REG_D1))
            base, exponent = (struct.unpack("<d", struct.pack("<Q", register))[0] for register in registers)
            bits = struct.unpack("<Q", struct.pack("<d", self._pow(base, exponent)))[0]
            machine.reg_write(UC_ARM64_REG_D0, bits)
        elif name not in ("__cxa_finalize", "__gmon_start__"):
            raise ValueError(f"the object calls {name}")

    def _run(self, arguments, words):
        answer = (ctypes.c_int64 * 2)()
        machine = Uc(UC_ARCH_ARM64, UC_MODE_ARM)
        machine.mem_map(IMAGE, len(self.image.memory))
        machine.mem_write(IMAGE, self.image.memory)
        machine.mem_map(STUBS, PAGE)
        for address in self.names:
            machine.mem_write(address, RET)
        machine.mem_map(STACK, STACK_SIZE)
        arrays = [array for given in arguments for array in (given if isinstance(given, tuple) else (given,))]
        spans = [(array.ctypes.data, array.ctypes.data + max(1, array.nbytes)) for array in arrays]
        spans += [(ctypes.addressof(x), ctypes.addressof(x) + ctypes.sizeof(x)) for x in (words, answer)]
        for start, end in _pages(spans):
            machine.mem_map_ptr(start, end - start, UC_PROT_READ | UC_PROT_WRITE, start)
        machine.reg_write(UC_ARM64_REG_CPACR_EL1, 3 << 20)  # floating point on
        machine.reg_write(UC_ARM64_REG_SP, STACK + STACK_SIZE - 64)
        results = ctypes.addressof(answer)
        given = (ctypes.addressof(words), results, results + 8, RETURN)
        registers = (UC_ARM64_REG_X0, UC_ARM64_REG_X1, UC_ARM64_REG_X2, UC_ARM64_REG_X30)
        for register, value in zip(registers, given, strict=True):
            machine.reg_write(register, value)
        machine.hook_add(UC_HOOK_CODE, self._serve, begin=STUBS, end=RETURN - 1)
        machine.emu_start(self.image.symbols["ml4t_run"], RETURN)
        if machine.reg_read(UC_ARM64_REG_W0):
            raise RuntimeError("the kernel ended with an error")
        return answer[0]


def _pages(spans):
    """Whole pages that hold these spans, joined where they touch."""
    joined = []
    for start, end in sorted((start // PAGE * PAGE, -(-end // PAGE) * PAGE) for start, end in spans):
        if joined and start <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], end)
        else:
            joined.append([start, end])
    return joined


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("object", type=Path)
    parser.add_argument("file", type=Path, help="of `python -m pins write`, with the same scenarios and workloads")
    pins.add_runs(parser)
    options = parser.parse_args()
    kernel = EmulatedKernel(options.object)
    entries.runner = lambda: kernel
    found = {name: pins.pins_of(run) for name, run in pins.runs(options.scenarios, options.workloads)}
    print(f"calls of the platform: {kernel.calls}")
    return int(pins.compare(json.loads(options.file.read_text(encoding="utf-8")), found) > 0)


if __name__ == "__main__":
    sys.exit(main())
