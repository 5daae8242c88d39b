# SPDX-License-Identifier: Apache-2.0
"""Compares the functions of `perf script -F comm,ip,sym` with our folded stacks. usage: versus_perf.py SCRIPT FOLDED"""
import math
import re
import sys

PROGRAMS = {"split-pie", "split-cxx", "split-static", "gcc", "cc1", "as"}


def plain(name):
    """without what the two print differently: arguments, return type, clone suffixes, symbol versions"""
    name = re.sub(r"@+[A-Z].*$", "", name)
    name = re.sub(r"\.(constprop|isra|part|cold)\b.*$", "", name)
    name = re.sub(r"(\S)\(.*\)( const)?$", r"\1", name)
    name = re.sub(r"^(unsigned long|int|void|bool) ", "", name)
    return name


def is_named(name):
    return name and not name.startswith("[") and "+0x" not in name and not re.fullmatch(r"[0-9a-f]+", name)


def from_perf(path):
    self_, total, programs = {}, {}, {}
    with open(path, encoding="utf-8", errors="replace") as file:
        for block in file.read().split("\n\n"):
            lines = block.strip("\n").split("\n")
            comm = lines[0].strip()
            if comm not in PROGRAMS or len(lines) < 2:
                continue
            frames = [plain(line.strip().partition(" ")[2]) for line in lines[1:]]
            programs[comm] = programs.get(comm, 0) + 1
            self_[comm, frames[0]] = self_.get((comm, frames[0]), 0) + 1
            for name in set(frames):
                total[comm, name] = total.get((comm, name), 0) + 1
    return self_, total, programs


def from_folded(path):
    self_, total, programs = {}, {}, {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            stack, _, count = line.rstrip("\n").rpartition(" ")
            comm, *frames = stack.split(";")
            if comm not in PROGRAMS or not frames:
                continue
            count = int(count)
            frames = [plain(frame.removesuffix("_[k]")) for frame in frames]
            programs[comm] = programs.get(comm, 0) + count
            self_[comm, frames[-1]] = self_.get((comm, frames[-1]), 0) + count
            for name in set(frames):
                total[comm, name] = total.get((comm, name), 0) + count
    return self_, total, programs


failed = False


def say(test, wrong):
    global failed
    print("not ok" if wrong else "ok", test)
    if wrong:
        failed = True
        print(f"{test}: {'; '.join(wrong)}", file=sys.stderr)


perf_self, perf_total, perf_programs = from_perf(sys.argv[1])
our_self, our_total, our_programs = from_folded(sys.argv[2])
n, m = sum(perf_programs.values()), sum(our_programs.values())
print(f"perf {n} samples, ours {m}", file=sys.stderr)


def unequal(theirs, ours, keys):
    """counts that differ by more than 4.5 standard deviations of two samples of one population"""
    out = []
    for key in keys:
        a, b = theirs.get(key, 0) / n, ours.get(key, 0) / m
        p = (theirs.get(key, 0) + ours.get(key, 0)) / (n + m)
        if abs(a - b) > 4.5 * math.sqrt(p * (1 - p) * (1 / n + 1 / m)):
            out.append(f"{key}: perf {100 * a:.2f} %, ours {100 * b:.2f} %")
    return out


def top(counts):
    return [k for k, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if is_named(k[1])][:20]


say("live_versus_perf_has_enough_samples", [] if n > 5000 and m > 5000 else [f"perf {n}, ours {m}"])
say("live_versus_perf_programs_agree", unequal(perf_programs, our_programs, perf_programs) if n and m else ["none"])
say("live_versus_perf_top_20_by_self_time_agree", unequal(perf_self, our_self, top(perf_self)) if n and m else ["none"])
# What runs before main is libc's: stripped, perf reads its debug file where there is one, or names the nearest symbol.
BEFORE_MAIN = {"_start", "__libc_start_main", "__libc_start_call_main", "__do_global_dtors_aux"}
split = {k: c for k, c in perf_total.items() if k[0].startswith("split-") and k[1] not in BEFORE_MAIN}
say("live_versus_perf_top_20_by_total_time_agree", unequal(perf_total, our_total, top(split)) if n and m else ["none"])
sys.exit(failed)
