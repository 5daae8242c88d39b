#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a recording takes, seen from outside: memory_peak.py COMMAND... runs it and prints the most that its processes took
together, in bytes, as one JSON object on descriptor 3. Each page counts once: proportional shares of all mappings
but those of BPF maps and of files in memory, all BPF maps, and the files in memory that hostprof made."""
import json
import os
import subprocess
import sys
import time

PERIOD_SECONDS = 0.03
MMAPABLE = 0x400  # BPF_F_MMAPABLE
OURS = ("/memfd:hostprof", "/memfd:vdso", "/memfd:names", "/memfd:unwind", "/memfd:debugdata")


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(child) for child in file.read().split()]
    except OSError:
        return []


def family(pid, exe):
    found = []
    for one in [pid] + children(pid):
        try:
            if os.readlink(f"/proc/{one}/exe") == exe:
                found.append(one)
        except OSError:
            pass
    return found


def mapped(pid):
    """Bytes of the process' own, and of BPF maps that it maps."""
    own = maps = 0
    kind = ""
    try:
        with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="replace") as file:
            for line in file:
                words = line.split()
                if "-" in words[0] and not words[0].endswith(":"):
                    kind = words[5] if len(words) > 5 else ""
                elif words[0] == "Pss:":
                    if kind.startswith("anon_inode:bpf-map"):
                        maps += int(words[1]) * 1024
                    elif not kind.startswith("/memfd:"):
                        own += int(words[1]) * 1024
    except OSError:
        pass
    return own, maps


def held(pids):
    """Bytes of BPF maps that are held by descriptor and cannot be mapped whole, and of files in memory."""
    maps, files = {}, {}
    for pid in pids:
        try:
            numbers = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            continue
        for number in numbers:
            path = f"/proc/{pid}/fd/{number}"
            try:
                target = os.readlink(path)
                if target.startswith(OURS):
                    status = os.stat(path)
                    files[status.st_ino] = status.st_blocks * 512
                elif target.startswith("anon_inode:bpf-map"):
                    with open(f"/proc/{pid}/fdinfo/{number}", encoding="ascii") as file:
                        info = dict(line.split(":", 1) for line in file if ":" in line)
                    if not int(info["map_flags"], 16) & MMAPABLE:
                        maps[info["map_id"].strip()] = int(info["memlock"])
            except (OSError, KeyError, ValueError):
                pass
    return sum(maps.values()), sum(files.values())


def main():
    exe = os.path.realpath(sys.argv[1])
    process = subprocess.Popen(sys.argv[1:], close_fds=False)
    peak = {"bytes": 0}
    while process.poll() is None:
        pids = family(process.pid, exe)
        parts = [mapped(pid) for pid in pids]
        held_maps, files = held(pids)
        processes = sum(own for own, _ in parts)
        maps = held_maps + sum(part for _, part in parts)
        if processes + maps + files > peak["bytes"]:
            peak = {"bytes": processes + maps + files, "processes": processes, "maps": maps, "files": files}
        time.sleep(PERIOD_SECONDS)
    with os.fdopen(3, "w") as out:
        json.dump(peak, out)
    return process.returncode


sys.exit(main())
