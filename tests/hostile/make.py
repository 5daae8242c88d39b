#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Files made to harm whoever reads them: make.py FOLDER [LIBC]. Each is an ELF file for this machine (or pretends to be) with
a function at 0x1000 that tests/workloads/map_and_run runs, so that samples are in it. With LIBC one bears the build id of
that file. Formats: ELF gABI; DWARF 4; RFC 1950; RFC 8878 (zstd, RLE blocks); the JITDUMP specification of perf."""
import lzma
import os
import platform
import struct
import sys
import zlib

CODE_OFFSET, CODE_VA, CODE_BYTES = 0x1000, 0x401000, 4096
MACHINES = {
    # mov %rdi, %rax; 1: dec %rax; jnz 1b; ret
    "x86_64": (62, bytes.fromhex("4889f8" "48ffc8" "75fb" "c3")),
    # 1: subs x0, x0, #1; b.ne 1b; ret
    "aarch64": (183, struct.pack("<3I", 0xF1000400, 0x54FFFFE1, 0xD65F03C0)),
}
MACHINE, CODE = MACHINES[platform.machine()]
SHT_PROGBITS, SHT_SYMTAB, SHT_STRTAB, SHT_NOTE = 1, 2, 3, 7
SHF_ALLOC, SHF_EXECINSTR, SHF_COMPRESSED = 2, 4, 0x800
ZLIB, ZSTD = 1, 2
GIB = 1 << 30


class Section:
    def __init__(self, name, kind, data=b"", flags=0, address=0, link=0, entry=0, offset=None, size=None):
        self.name, self.kind, self.data, self.flags, self.address = name, kind, data, flags, address
        self.link, self.entry, self.offset, self.size = link, entry, offset, size


def elf(sections, build_id, code_bytes=CODE_BYTES):
    """The file as pieces of bytes."""
    note = struct.pack("<3I4s", 4, len(build_id), 3, b"GNU\0") + build_id
    sections = [Section("", 0), Section(".text", SHT_PROGBITS, flags=SHF_ALLOC | SHF_EXECINSTR, address=CODE_VA,
                                        offset=CODE_OFFSET, size=code_bytes),
                Section(".note.gnu.build-id", SHT_NOTE, note, SHF_ALLOC, CODE_VA + code_bytes)] + sections
    names = b"\0"
    for section in sections:
        section.name_at = len(names) if section.name else 0
        names += section.name.encode() + b"\0" if section.name else b""
    sections.append(Section("", SHT_STRTAB, names))
    sections[-1].name_at = 0
    at, body, note_at = CODE_OFFSET + CODE_BYTES, [], 0
    for section in sections[1:]:
        if section.offset is None:
            section.offset = at
            body.append(section.data)
            note_at = at if section.name.startswith(".note") else note_at
            pad = -len(section.data) % 8
            body.append(bytes(pad))
            at += len(section.data) + pad
        if section.size is None:
            section.size = len(section.data)
    headers = b"".join(
        struct.pack("<2I4Q2I2Q", s.name_at, s.kind, s.flags, s.address, s.offset or 0, s.size or 0, s.link, 0, 1, s.entry)
        for s in sections)
    programs = struct.pack("<2I6Q", 1, 5, CODE_OFFSET, CODE_VA, CODE_VA, CODE_BYTES, max(code_bytes, CODE_BYTES), 0x1000)
    programs += struct.pack("<2I6Q", 4, 4, note_at, 0, 0, len(note), len(note), 4)
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    head += struct.pack("<2HI3QI6H", 2, MACHINE, 1, CODE_VA, 64, at, 0, 64, 56, 2, 64, len(sections), len(sections) - 1)
    first = head + programs
    return [first, bytes(CODE_OFFSET - len(first)), CODE, bytes(CODE_BYTES - len(CODE))] + body + [headers]


def symbol(name_at, address, size):
    return struct.pack("<IBBHQQ", name_at, 0x12, 0, 1, address, size)


def symbols(name):
    """.symtab and .strtab with one function, which is all the code."""
    strings = b"\0" + name + b"\0"
    return [Section(".symtab", SHT_SYMTAB, bytes(24) + symbol(1, CODE_VA, CODE_BYTES), link=4, entry=24),
            Section(".strtab", SHT_STRTAB, strings)]


def compressed(kind, packed, size):
    return struct.pack("<2I2Q", kind, 0, size, 1) + packed


def zlib_zeros(size):
    packer, out = zlib.compressobj(9), []
    for _ in range(size >> 20):
        out.append(packer.compress(bytes(1 << 20)))
    return b"".join(out) + packer.flush()


def zstd_zeros(size):
    """Frames of 1 MiB of RLE blocks of 128 KiB."""
    block = struct.pack("<I", 128 << 10 << 3 | 1 << 1)[:3] + b"\0"
    last = struct.pack("<I", 128 << 10 << 3 | 1 << 1 | 1)[:3] + b"\0"
    frame = bytes.fromhex("28b52ffd") + b"\xa0" + struct.pack("<I", 1 << 20) + block * 7 + last
    return frame * (size >> 20)


def xz_zeros(size):
    """Streams of 16 MiB one behind the other."""
    return lzma.compress(bytes(16 << 20), preset=1) * (size >> 24)


def dwarf(entries, abbreviations):
    """.debug_info with one unit of these entries behind its root, which covers the code; .debug_abbrev."""
    root = b"\x01" + struct.pack("<2Q", CODE_VA, CODE_BYTES)
    body = struct.pack("<HIB", 4, 0, 8) + root + entries + b"\0"
    # DW_TAG_compile_unit, children; low_pc: addr, high_pc: data8
    abbreviations = b"\x01\x11\x01\x11\x01\x12\x07\0\0" + abbreviations + b"\0"
    return [Section(".debug_info", SHT_PROGBITS, struct.pack("<I", len(body)) + body),
            Section(".debug_abbrev", SHT_PROGBITS, abbreviations)]


def cyclic_origin():
    """A function whose name is that of its origin, which is itself; another two whose origins are each other."""
    at = 4 + 7 + 17
    size = 1 + 16 + 4
    function = b"\x02" + struct.pack("<2Q", CODE_VA, CODE_BYTES)
    entries = function + struct.pack("<I", at)
    entries += function + struct.pack("<I", at + 2 * size) + function + struct.pack("<I", at + size)
    # DW_TAG_subprogram, no children; low_pc, high_pc, DW_AT_abstract_origin: ref4
    return dwarf(entries, b"\x02\x2e\x00\x11\x01\x12\x07\x31\x13\0\0")


def deep_tree():
    """Lexical blocks within each other, a million deep, none of which ends."""
    return dwarf(b"\x02" * 1000000, b"\x02\x0b\x01\0\0")


def cyclic_abbreviations():
    """An abbreviation table that goes on to the end of its section, each number meaning another."""
    return dwarf(b"\x02" * 1000, b"".join(bytes([n, 0x0b, 1, 0x31, 0x21, 0x7f, 0, 0]) for n in range(2, 128)) * 2000)


def huge_sizes():
    most = (1 << 63) - 1
    return [Section(".symtab", SHT_SYMTAB, link=4, entry=24, offset=0x2000, size=most // 24 * 24),
            Section(".strtab", SHT_STRTAB, offset=0x2000, size=most),
            Section(".debug_info", SHT_PROGBITS, offset=1 << 62, size=most),
            Section(".debug_abbrev", SHT_PROGBITS, offset=0x2000, size=most),
            Section(".gnu_debugdata", SHT_PROGBITS, offset=most, size=most),
            Section(".eh_frame", SHT_PROGBITS, flags=SHF_ALLOC, address=CODE_VA, offset=0x2000, size=most)]


def many_symbols(n):
    piece = b"".join(symbol(1, CODE_VA + 64 + 2 * i, 1) for i in range(10000))
    return [Section(".symtab", SHT_SYMTAB, piece * (n // 10000), link=4, entry=24),
            Section(".strtab", SHT_STRTAB, b"\0one_of_many\0")]


def nested():
    """.gnu_debugdata in .gnu_debugdata in .gnu_debugdata, and packed sections within."""
    inner = symbols(b"innermost") + [Section(".debug_info", SHT_PROGBITS, compressed(ZLIB, zlib_zeros(GIB >> 4), GIB >> 4),
                                             SHF_COMPRESSED)]
    for _ in range(3):
        packed = lzma.compress(b"".join(elf(inner, b"nested__")), preset=1)
        inner = [Section(".gnu_debugdata", SHT_PROGBITS, packed)]
    return inner


def debug_frames(n):
    """So many FDEs, all of the same code."""
    cie = struct.pack("<2I", 16, 0) + b"\x01zR\0\x01\x78\x10\x01\x1b\x0c\x07"
    cie = struct.pack("<I", len(cie) - 4) + cie[4:]
    out = [cie]
    at = len(cie)
    for _ in range(n):
        out.append(struct.pack("<IIiI", 13, at + 4, 0, CODE_BYTES) + b"\0")
        at += 17
    return [Section(".eh_frame", SHT_PROGBITS, b"".join(out), SHF_ALLOC, CODE_VA + 0x100000)]


def jitdump():
    """A JITDUMP whose records lie: of no length, longer than the file, with code of 2^63 bytes."""
    head = struct.pack("<6IQQ", 0x4A695444, 1, 40, MACHINE, 0, 1, 0, 0)
    records = struct.pack("<2IQ", 0, 0xFFFFFFFF, 0) + struct.pack("<2IQ", 0, 0, 0)
    records += struct.pack("<2IQ2I4Q", 0, 56, 0, 1, 1, 0, 0, (1 << 63) - 1, 0) * 1000
    first = head + records[:CODE_OFFSET - len(head)]
    return [first, bytes(CODE_OFFSET - len(first)), CODE, bytes(CODE_BYTES - len(CODE)), records]


def build_id_of(path):
    data = open(path, "rb").read(1 << 16)
    at = data.find(struct.pack("<3I4s", 4, 20, 3, b"GNU\0"))
    return data[at + 16:at + 36]


def main():
    folder = sys.argv[1]

    def write(name, pieces, cut=None):
        with open(os.path.join(folder, name), "wb") as file:
            for piece in pieces:
                file.write(piece)
            if cut:
                file.truncate(file.tell() - cut)

    def put(name, sections, **more):
        write(name, elf(sections, name.encode().ljust(20, b".")[:20], **more))

    put("plain", symbols(b"plain_function"))
    write("truncated", elf(symbols(b"never_read"), b"truncated___________"), cut=100)
    write("head_only", [b"".join(elf([], b"head_only___________"))[:CODE_OFFSET + CODE_BYTES]])
    put("huge_sizes", huge_sizes())
    put("cyclic_origin", cyclic_origin())
    put("deep_tree", deep_tree())
    put("cyclic_abbrev", cyclic_abbreviations())
    put("bomb_zlib", symbols(b"beside_zlib") + dwarf(b"", b"")[1:] + [
        Section(".debug_info", SHT_PROGBITS, compressed(ZLIB, zlib_zeros(GIB // 2), GIB // 2), SHF_COMPRESSED)])
    put("bomb_zstd", symbols(b"beside_zstd") + dwarf(b"", b"")[1:] + [
        Section(".debug_info", SHT_PROGBITS, compressed(ZSTD, zstd_zeros(GIB), GIB), SHF_COMPRESSED)])
    put("bomb_lie", symbols(b"beside_lie") + dwarf(b"", b"")[1:] + [
        Section(".debug_info", SHT_PROGBITS, compressed(ZLIB, zlib_zeros(1 << 24), 1 << 62), SHF_COMPRESSED)])
    put("bomb_xz", [Section(".gnu_debugdata", SHT_PROGBITS, xz_zeros(GIB))])
    put("nested", nested())
    put("many_symbols", many_symbols(10000000), code_bytes=32 << 20)
    put("many_fdes", debug_frames(2000000))
    write("jit-1.dump", jitdump())
    if len(sys.argv) > 2:
        write("libc_id", elf(symbols(b"stolen_name"), build_id_of(sys.argv[2])))


main()
