# SPDX-License-Identifier: Apache-2.0
"""How fast addresses of large programs get their names, beside llvm-symbolizer and addr2line in the same run, and what is
read and held for it: lines "name target measured ok|MISS".
usage: names.py HOSTPROF DWARF_FRAMES FILES FOLDER
       FILES: where openjdk-17-dbg and what it needs are unpacked; FOLDER: for some 3 GB

Each is run three times, one after the other; the fastest counts."""
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from meter import Verdict, pss_bytes, tree_of  # pylint: disable=wrong-import-position

HERE = os.path.dirname(os.path.abspath(__file__))
ADDRESSES = 10000
ROUNDS = 3
LOOK_EVERY_S = 0.01
UNITS = 300  # of the generated debug file: 3.6 MB each
GO_PACKAGES, GO_FUNCTIONS, GO_BYTES = 6, 2000, 100e6


class Run:
    """The best of several runs, and the largest memory of any."""

    def __init__(self):
        self.seconds, self.cpu, self.bytes, self.text = float("inf"), float("inf"), 0, ""

    def go(self, command, addresses, sees_tree=False):
        with open(addresses, encoding="ascii") as questions, open(addresses + ".out", "w+", encoding="utf-8") as answers:
            before, began = os.times(), time.monotonic()
            program = subprocess.Popen(command, stdin=questions, stdout=answers, stderr=subprocess.DEVNULL)
            while sees_tree and program.poll() is None:
                self.bytes = max(self.bytes, pss_bytes(tree_of(program.pid)))
                time.sleep(LOOK_EVERY_S)
            _, status, usage = (0, program.returncode, None) if sees_tree else os.wait4(program.pid, 0)
            program.returncode = status
            seconds, after = time.monotonic() - began, os.times()
            answers.seek(0)
            self.text = answers.read()
        if status:
            sys.exit(f"{command[0]} failed: {status}")
        if sees_tree:
            return
        self.seconds = min(self.seconds, seconds)
        self.cpu = min(self.cpu, after.children_user + after.children_system - before.children_user - before.children_system)
        self.bytes = max(self.bytes, usage.ru_maxrss * 1024)


def output_of(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, errors="replace", **options).stdout


def build_id(file):
    return re.search("Build ID: ([0-9a-f]+)", output_of("readelf", "-n", file)).group(1)


def debug_path(folder, ident):
    path = os.path.join(folder, ".build-id", ident[:2])
    os.makedirs(path, exist_ok=True)
    return os.path.join(path, ident[2:] + ".debug")


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def random_addresses(dwarf_frames, file, n, folder):
    return write(os.path.join(folder, "addresses"), output_of(dwarf_frames, "-r", str(n), file))


def measure_large(verdict, hostprof, dwarf_frames, files, folder):
    library = next(os.path.join(path, "libjvm.so") for path, _, names in os.walk(files) if "libjvm.so" in names)
    ident = build_id(library)
    packed = os.path.join(files, "usr/lib/debug/.build-id", ident[:2], ident[2:] + ".debug")
    debug = debug_path(folder, ident)
    subprocess.run(["objcopy", "--decompress-debug-sections", packed, debug], check=True)
    addresses = random_addresses(dwarf_frames, library, ADDRESSES, folder)
    ours, llvm, binutils, from_packed, memory = Run(), Run(), Run(), Run(), Run()
    command = [hostprof, "symbols", "--debug-dir"]
    for _ in range(ROUNDS):
        ours.go([*command, folder, library, "-"], addresses)
        llvm.go(["llvm-symbolizer", "--inlines", "--obj=" + debug], addresses)
        binutils.go(["addr2line", "-ifCe", debug], addresses)
    memory.go([*command, folder, library, "-"], addresses, sees_tree=True)
    from_packed.go([*command, os.path.join(files, "usr/lib/debug"), library, "-"], addresses)
    assert from_packed.text == ours.text
    frames = ours.text.count("\n") // 2
    print(f"# {ADDRESSES} addresses of libjvm, {frames} frames: {ours.seconds:.2f} s (CPU {ours.cpu:.2f}), "
          f"llvm-symbolizer {llvm.seconds:.2f} s (CPU {llvm.cpu:.2f}), addr2line {binutils.seconds:.2f} s "
          f"(CPU {binutils.cpu:.2f}); ours with packed sections {from_packed.seconds:.2f} s")
    print(f"# memory: all our processes {memory.bytes / 1e6:.0f} MB, llvm-symbolizer {llvm.bytes / 1e6:.0f} MB, "
          f"addr2line {binutils.bytes / 1e6:.0f} MB")
    verdict.say("names_faster_than_llvm_symbolizer", ">=", 5, llvm.seconds / ours.seconds, "x")
    verdict.say("names_faster_than_addr2line", ">=", 20, binutils.seconds / ours.seconds, "x")
    verdict.say("names_memory_of_llvm_symbolizer", "<=", 25, 100 * memory.bytes / llvm.bytes, "%")
    os.remove(debug)


def bytes_read(command, addresses, suffix):
    """of the files whose name ends so"""
    trace = addresses + ".strace"
    with open(addresses, encoding="ascii") as questions:
        subprocess.run(["strace", "-f", "-y", "-e", "trace=pread64,read,mmap", "-o", trace, *command], stdin=questions,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    total = 0
    with open(trace, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            found = re.search(r"(pread64|read|mmap)\([^<]*<([^>]*)>.*= (\d+)$", line)
            if found and found.group(2).endswith(suffix):
                total += int(found.group(3)) if found.group(1) != "mmap" else sys.maxsize
    os.remove(trace)
    return total


def measure_generated(verdict, hostprof, dwarf_frames, folder):
    """One unit of C++, linked as often as it takes for 1 GB. What is not defined matters to nobody."""
    here = os.getcwd()
    os.chdir(folder)
    subprocess.run(["g++", "-g", "-O2", "-std=c++17", "-w", "-c", "-o", "unit.o", os.path.join(HERE, "compiled.cc")], check=True)
    subprocess.run(["ld", "-r", "--force-group-allocation", "-o", "flat.o", "unit.o"], check=True)
    write("list", "flat.o\n" * UNITS)
    subprocess.run(["ld", "-z", "muldefs", "--build-id", "-e", "0", "--defsym", "__dso_handle=0",
                    "--unresolved-symbols=ignore-all", "-o", "whole", "@list"], check=True, stderr=subprocess.DEVNULL)
    debug = debug_path(folder, build_id("whole"))
    subprocess.run(["objcopy", "--only-keep-debug", "whole", debug], check=True)
    subprocess.run(["strip", "-o", "program", "whole"], check=True)
    os.remove("whole")
    addresses = random_addresses(dwarf_frames, "program", 1, folder)
    command = [hostprof, "symbols", "--debug-dir", folder, os.path.join(folder, "program"), "-"]
    first = Run()
    for _ in range(ROUNDS):
        first.go(command, addresses)
    assert "compiled.cc:" in first.text or "/c++/" in first.text, first.text
    size, read = os.path.getsize(debug), bytes_read(command, addresses, ".debug")
    print(f"# a debug file of {size / 1e9:.2f} GB: {read / 1e6:.1f} MB of it are read for the first name")
    verdict.say("first_name_of_1_GB", "<=", 1, first.seconds, "s")
    verdict.say("first_name_of_1_GB_reads", "<=", 5, 100 * read / size, "%")
    os.remove(debug)
    os.chdir(here)


GO_SOURCE = """
func f%(i)d(x int, s string) string {
	m := map[string]int{s: x, "%(i)d": %(i)d}
	for k, v := range m {
		s += k + fmt.Sprint(v+%(i)d, x, k)
	}
	switch x %% 7 {
	case 0:
		s += fmt.Sprintln(s, x+%(i)d)
	case 1:
		panic(fmt.Errorf("f%(i)d %%d: %%w", x, fmt.Errorf("%%s", s)))
	default:
		s += f%(next)d(x+1, s)
	}
	return s
}
"""


def write_go(folder):
    """Packages of many functions, and data up to the size that is wanted."""
    write(os.path.join(folder, "go.mod"), "module large\n\ngo 1.18\n")
    imports, calls = "", ""
    for package in range(GO_PACKAGES):
        os.makedirs(os.path.join(folder, f"p{package}"), exist_ok=True)
        functions = "".join(GO_SOURCE % {"i": i, "next": (i * 7 + 1) % GO_FUNCTIONS} for i in range(GO_FUNCTIONS))
        table = "".join(f"\tf{i},\n" for i in range(GO_FUNCTIONS))
        write(os.path.join(folder, f"p{package}/p.go"), f'package p{package}\n\nimport "fmt"\n\n'
              f"var Table = []func(int, string) string{{\n{table}}}\n{functions}")
        imports += f'\t"large/p{package}"\n'
        calls += f"\tfmt.Println(p{package}.Table[len(data)%7](len(os.Args), os.Args[0]))\n"
    write(os.path.join(folder, "main.go"), f'package main\n\nimport (\n\t_ "embed"\n\t"fmt"\n\t"os"\n{imports})\n\n'
          f"//go:embed data\nvar data string\n\nfunc main() {{\n{calls}}}\n")


def measure_go(verdict, hostprof, folder):
    folder = os.path.join(folder, "go")
    os.makedirs(folder)
    write_go(folder)
    environment = {**os.environ, "GOCACHE": os.path.join(folder, "cache"), "GOENV": "off", "GOTOOLCHAIN": "local", "GOFLAGS": ""}
    program = os.path.join(folder, "large")
    size = GO_BYTES - 1
    for _ in range(2):  # first to see what is lacking
        with open(os.path.join(folder, "data"), "wb") as data:
            data.truncate(int(GO_BYTES - size))
        subprocess.run(["go", "build", "-ldflags", "-s -w", "-o", program, "."], cwd=folder, env=environment, check=True)
        size = os.path.getsize(program)
    entry = re.search("Entry point address: *(0x[0-9a-f]+)", output_of("readelf", "-h", program)).group(1)
    addresses = write(os.path.join(folder, "addresses"), entry + "\n")
    first = Run()
    for _ in range(ROUNDS):
        first.go([hostprof, "symbols", program, "-"], addresses)
    assert first.text.startswith("_rt0_"), first.text
    print(f"# a stripped Go program of {os.path.getsize(program) / 1e6:.0f} MB, {GO_PACKAGES * GO_FUNCTIONS} functions and those of the runtime")
    verdict.say("first_name_of_Go_100_MB", "<=", 100, 1000 * first.seconds, "ms")


def main():
    hostprof, dwarf_frames, files, folder = sys.argv[1:5]
    verdict = Verdict()
    if os.path.isdir(files):
        measure_large(verdict, hostprof, dwarf_frames, files, folder)
    else:
        print("names_faster_than_llvm_symbolizer >=5x none MISS: openjdk-17-dbg cannot be downloaded")
        verdict.missed = True
    measure_generated(verdict, hostprof, dwarf_frames, folder)
    measure_go(verdict, hostprof, folder)
    return int(verdict.missed)


if __name__ == "__main__":
    sys.exit(main())
