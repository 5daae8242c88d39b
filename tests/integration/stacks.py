# SPDX-License-Identifier: Apache-2.0
"""Stacks of our profiles and of `perf script`, in one form for those who compare them."""
import functools
import os
import re
import struct

from pprof_read import Profile

# The kernel's own functions between the old image and the new one, and behind the end: there is no user stack to walk.
NO_USER_MEMORY = {"begin_new_exec", "load_elf_binary", "bprm_execve", "exec_binprm", "do_exit", "do_group_exit"}
# The one user frame of a 32-bit process.
OF_32_BITS = "[32-bit]"


class Frame:
    """name: None where there is none. module: the file's base name. path and offset in the file, where they are known."""

    def __init__(self, name, module, path="", offset=None):
        self.name, self.module, self.path, self.offset = name, module, path, offset

    def __str__(self):
        return self.name or f"{self.module}+{self.offset or 0:#x}"

    @property
    def place(self):
        """where to look it up in the file: the file's own address"""
        va = file_of(self.path).address(self.offset) if self.offset is not None else None
        return f"{self.module} {va:#x}" if va is not None else self.module


class Stack:
    """frames: of user mode, root first; kernel: names, leaf first; end: the text of "[truncated: …]", or empty"""

    def __init__(self, count, frames, kernel, end):
        self.count, self.frames, self.kernel, self.end = count, frames, kernel, end

    def __str__(self):
        return ("…" if self.end else "") + " ".join(str(frame) for frame in self.frames) + (f" [{self.end}]" if self.end else "")

    @property
    def had_user_memory(self):
        return not NO_USER_MEMORY & set(self.kernel)


def plain(name):
    """a function's name in one word, without return type, arguments, suffixes of clones and versions"""
    name = re.sub(r"@+[A-Z].*$", "", name)
    name = re.sub(r" \[clone .*\]$", "", name)
    name = re.sub(r"<(\S+) as \S+>", r"\1", name)  # Rust: <Type as Trait>::function
    name = re.sub(r"\.(constprop|isra|part|cold|abi0|llvm)\b.*$", "", name)
    name = re.sub(r"(\S)\(((?!anonymous).)*\)( const)?$", r"\1", name)
    return re.sub(r"^(unsigned long|int|void|bool) ", "", name).replace("(anonymous namespace)::", "")


def is_kernel(mapping, address):
    file = mapping["file"] if mapping else ""
    return address >> 63 == 1 or (file.startswith("[") and not re.match(r"\[(vdso|vsyscall|anon|unknown|jit)", file))


def of_profile(path):
    """-> list of Stack"""
    out = []
    frames_of = {}  # the reader gives equal frames as one object

    def frame(location):
        names, mapping, address = location
        path = mapping["file"] if mapping else ""
        module = os.path.basename(path) or "[unknown]"
        name = names[-1] if names else ""  # of the function that holds the address, not of what is inlined there
        if name == "[unknown]" or re.fullmatch(r"\[.*\+0x[0-9a-f]+\]", name):
            name = ""
        return Frame(plain(name), module, path, address - mapping["start"] + mapping["offset"] if mapping else None)

    for values, locations, _ in Profile(path).samples:
        user, kernel, end = [], [], ""
        for location in locations:
            names, mapping, address = location
            if names and names[0].startswith("[truncated: "):
                end = names[0][len("[truncated: "):-1]
            elif names and names[0] == OF_32_BITS:
                user.append(Frame(OF_32_BITS, OF_32_BITS))
            elif is_kernel(mapping, address):
                kernel.append(names[0] if names else "")
            elif mapping or address:
                if id(location) not in frames_of:
                    frames_of[id(location)] = frame(location), location
                user.append(frames_of[id(location)][0])
        out.append(Stack(values[0], user[::-1], kernel, end))
    return out


def of_perf_script(path):
    """the output of `perf script --no-inline -F comm,pid,ip,sym,dso` -> dict of (comm, pid) to list of Stack"""
    out = {}
    stack = None
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            match = re.match(r"\t *([0-9a-f]+) (.*) \((.*)\)$", line)
            head = re.match(r" *(.*\S) +(\d+) *$", line)
            if match and stack:
                name, dso = plain(match[2]), match[3].removesuffix(" (deleted)")
                # perf names the stubs of the PLT too
                known = name not in ("[unknown]", "_init") and not name.endswith("@plt")
                if is_kernel({"file": dso}, 0):
                    stack.kernel.append(name)
                else:
                    stack.frames.insert(0, Frame(name if known else "", os.path.basename(dso), "", int(match[1], 16)))
            elif head and line[0] != "\t":
                stack = Stack(1, [], [], "")
                out.setdefault((head[1], int(head[2])), []).append(stack)
    return out


class ElfFile:
    """what is asked of a 64-bit file: the addresses of its offsets, its entry, bytes of it"""

    def __init__(self, path):
        self.data, self.entry, self.segments = b"", 0, []
        try:
            with open(path, "rb") as file:
                self.data = file.read()
        except OSError:
            return
        if self.data[:5] != b"\x7fELF\x02":
            return
        self.entry, table = struct.unpack_from("<QQ", self.data, 24)
        size, number = struct.unpack_from("<HH", self.data, 54)
        for i in range(number):
            kind, _, offset, address, _, in_file = struct.unpack_from("<IIQQQQ", self.data, table + i * size)
            if kind == 1:
                self.segments.append((offset, address, in_file))

    def address(self, offset):
        for first, address, size in self.segments:
            if first <= offset < first + size:
                return offset - first + address
        return None


@functools.lru_cache(maxsize=None)
def file_of(path):
    return ElfFile(path)


@functools.lru_cache(maxsize=None)
def _is_root(path, offset, is_leaf):
    file = file_of(path)
    address = file.address(offset)
    if address is None:
        return False
    if file.entry <= address < file.entry + 96:
        return True
    is_call = file.data[offset - 1 : offset] == b"\xff" and file.data[offset] & 0xf8 == 0xd0  # call *%register
    return (is_call or is_leaf) and b"\x0f\x05" in file.data[max(offset - 40, 0) : offset]


def reaches_root(stack):
    """Does the thread begin where the stack ends? At a file's entry (the kernel jumps to the program's or the loader's, the
    loader to the program's), or where clone or clone3 of any libc calls the new thread's function, right behind the system
    call that made the thread."""
    first = stack.frames[0] if stack.frames else None
    return not stack.end and bool(first) and first.offset is not None and \
        _is_root(first.path, first.offset, len(stack.frames) == 1)
