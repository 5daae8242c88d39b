# SPDX-License-Identifier: Apache-2.0
"""Samples of short-lived processes: each has a name and a mapped file, and none are missing.
usage: short_lived.py NAME all.pb.gz REPORT.json [COUNTS_OF_PERF]   (of `perf script -F comm | sort | uniq -c`)"""
import json
import math
import sys

from pprof_read import Profile

COMPILER = ("cc1", "as", "ld", "gcc", "collect2")

name, profile_path, report_path, *perf_path = sys.argv[1:]
profile = Profile(profile_path)
failed = False


def say(is_ok, test, why):
    global failed
    print("ok" if is_ok else "not ok", test)
    if not is_ok:
        failed = True
        print(f"{test}: {why}", file=sys.stderr)


# Between the old image and the new one: the user registers still point into what is no longer mapped.
EXEC = {"begin_new_exec", "load_elf_binary", "bprm_execve", "exec_binprm"}


def has_file(stack):
    """the file of the innermost user frame, or the kernel's for a sample without one"""
    if EXEC & {name for names, _, _ in stack for name in names}:
        return any(mapping and mapping["file"] for _, mapping, _ in stack)
    user = [mapping for _, mapping, address in stack if not (mapping and mapping["file"].startswith("[kernel"))
            and address < 1 << 63 and address]
    if not user:
        return any(mapping and mapping["file"] for _, mapping, _ in stack)
    return bool(user[0] and user[0]["file"] and user[0]["file"] not in ("//anon", "[anon]", "[unknown]"))


total = named = filed = 0
comms, without = {}, {}
for values, stack, labels in profile.samples:
    count = values[0]
    total += count
    comm = labels.get("comm", "")
    comms[comm] = comms.get(comm, 0) + count
    named += count if comm else 0
    if has_file(stack):
        filed += count
    else:
        key = comm, stack[0][0][0] if stack and stack[0][0] else "", hex(stack[0][2]) if stack else ""
        without[key] = without.get(key, 0) + count

with open(report_path, encoding="utf-8") as file:
    lost = sum(json.load(file)["lost"].values())
say(total > 100, f"{name}_has_samples", f"{total}")
say(lost == 0, f"{name}_loses_none", f"{lost} lost")
say(total and named / total >= 0.99, f"{name}_have_process_names", f"{named} of {total}")
say(total and filed / total >= 0.99, f"{name}_have_mapped_files", f"{filed} of {total}; {list(without.items())[:5]}")

if perf_path:
    perf = {}
    with open(perf_path[0], encoding="utf-8") as file:
        for line in file:
            count, _, comm = line.strip().partition(" ")
            perf[comm.strip()] = int(count)
    theirs, ours = sum(perf.get(c, 0) for c in COMPILER), sum(comms.get(c, 0) for c in COMPILER)
    table = {c: (perf.get(c, 0), comms.get(c, 0)) for c in COMPILER}
    print(f"{name}: perf and ours: {table}", file=sys.stderr)
    say(theirs > 500 and ours >= 0.99 * theirs - 4.5 * math.sqrt(theirs + ours), f"{name}_are_not_fewer_than_perf_has",
        f"perf {theirs}, ours {ours}: {table}")
sys.exit(failed)
