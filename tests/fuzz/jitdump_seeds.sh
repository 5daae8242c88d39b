#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Writes the seeds of the targets perf_map and jitdump anew.
set -eu
cd "$(dirname "$0")/corpus"
mkdir -p jitdump perf_map
python3 - <<'PYTHON'
import struct


def record(kind, time, body):
    return struct.pack("<IIQ", kind, 16 + len(body), time) + body


def load(time, start, size, index, name):
    return record(0, time, struct.pack("<IIQQQQ", 7, 7, start, start, size, index) + name + b"\0" + bytes(size))


def move(time, old, new, size, index):
    return record(1, time, struct.pack("<IIQQQQQ", 7, 7, new, old, new, size, index))


def lines(time, start, entries):
    return record(2, time, struct.pack("<QQ", start, len(entries)) +
                  b"".join(struct.pack("<QII", address, line, 0) + file + b"\0" for address, line, file in entries))


def header(flags=0, magic=0x4A695444):
    return struct.pack("<IIIIIIQQ", magic, 1, 40, 62, 0, 7, 1, flags)


seeds = {
    "loads": header() + load(1, 0x1000, 32, 1, b"first") + load(2, 0x1010, 16, 2, b"second") + record(3, 3, b""),
    "lines": header() + lines(1, 0x1000, [(0x1000, 1, b"/a.js"), (0x1008, 2, b"\xff"), (0x1030, 3, b"/b.js")]) +
    load(2, 0x1000, 32, 1, b"with lines") + move(3, 0x1000, 0x4000, 32, 1),
    "times": header() + load(1 << 19, 0x1000, 32, 1, b"early") + load(1 << 40, 0x1000, 32, 2, b"late"),
    "other_clock": header(1) + load(1 << 60, 0x1000, 32, 1, b"tsc"),
    "other_order": header(0, 0x4454694A) + load(1, 0x1000, 32, 1, b"none"),
    "bad": header() + record(0, 1, b"short") + record(2, 1, struct.pack("<QQ", 1, 1 << 63)) + record(4, 1, b"unwind") +
    load(1, 0xFFFFFFFFFFFFFFF0, 32, 1, b"end") + struct.pack("<IIQ", 0, 3, 1),
}
for name, content in seeds.items():
    open("jitdump/" + name, "wb").write(content)
maps = {
    "node": "1000 20 LazyCompile:*hot /srv/a.js:3:14\n3f0 40 Builtin:ArrayMap\n1010 8 JS:~get size file:///b.mjs:1:1\n",
    "java": "0x00001000 0x00000020 Lcom/foo/Bar;::method\n0x00001fe0 0x00000080 [Deopt] Interpreter\n",
    "python": "7ff 10 py::hot:/srv/c.py\n7ff 3 py::<module>:<frozen importlib._bootstrap>\n",
    "dotnet": "00001000 1b void [mscorlib] Foo::Bar(class A,int32)[Tier0]\r\n",
    "bad": "1000\n\n8000000000000000 8000000000000000 huge\nffffffffffffffff 1 end\n1000 10 \n1000 10 cut",
    "no_lines": "x" * 300,
}
for name, content in maps.items():
    open("perf_map/" + name, "w").write(content)
PYTHON
