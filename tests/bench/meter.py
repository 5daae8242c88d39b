# SPDX-License-Identifier: Apache-2.0
"""Runs the mixed load with one recording beside it and prints what the recording cost, as "name target measured ok|MISS".
usage: meter.py HOSTPROF LOAD.sh SECONDS FOLDER      (root)

CPU time of the whole process tree from /proc, BPF run time as the kernel's statistics count it, memory as the sum of
the proportional shares (pages that several processes share count once). "Steady" begins 15 s after the start."""
import json
import os
import signal
import subprocess
import sys
import time

STEADY_AFTER_S = 15
TICKS = os.sysconf("SC_CLK_TCK")
STATISTICS = "/proc/sys/kernel/bpf_stats_enabled"


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def stat_fields(pid):
    """fields of /proc/PID/stat after the name; [] when it is gone"""
    text = read(f"/proc/{pid}/stat")
    return text[text.rfind(")") + 2 :].split() if text else []


def tree_of(root):
    children = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        fields = stat_fields(pid)
        if fields:
            children.setdefault(int(fields[1]), []).append(int(pid))
    tree = [root]
    for pid in tree:
        tree += children.get(pid, [])
    return tree


def cpu_seconds(tree):
    """own time and that of children already waited for"""
    return sum(sum(map(int, fields[11:15])) for fields in map(stat_fields, tree) if fields) / TICKS


def pss_bytes(tree):
    return 1024 * sum(int(line.split()[1]) for pid in tree for line in read(f"/proc/{pid}/smaps_rollup").splitlines()
                      if line.startswith("Pss:"))


def bpf_objects(kind):
    answer = subprocess.run(["bpftool", "-j", kind, "show"], capture_output=True, text=True, check=False)
    try:
        return {row["id"]: row for row in json.loads(answer.stdout)}
    except ValueError:
        return {}


def busy_seconds():
    """user nice system irq softirq steal: what was not idle, of all CPUs"""
    fields = list(map(int, read("/proc/stat").split("\n", 1)[0].split()[1:9]))
    return (sum(fields) - fields[3] - fields[4]) / TICKS


def main():
    hostprof, load_path, seconds, folder = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
    statistics_before = read(STATISTICS)
    old = {kind: set(bpf_objects(kind)) for kind in ("prog", "map")}
    with open(STATISTICS, "w", encoding="utf-8") as file:
        file.write("1")
    load = subprocess.Popen(["bash", load_path, str(seconds + 8), folder], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, start_new_session=True)
    output = os.path.join(folder, "bench.pb.gz")
    try:
        time.sleep(3)
        program = subprocess.Popen([hostprof, "record", "-F", "99", "-d", str(seconds), "-q", "--json", "--force", "-o", output],
                                   stdout=subprocess.PIPE, text=True)
        start = time.monotonic()
        first = steady = None
        pss = maps = 0
        runs = {}
        while program.poll() is None and time.monotonic() - start < seconds + 60:
            elapsed = time.monotonic() - start
            tree = tree_of(program.pid)
            pss = max(pss, pss_bytes(tree))
            for ident, row in bpf_objects("prog").items():
                if ident not in old["prog"]:
                    runs[ident] = max(runs.get(ident, 0), row.get("run_time_ns", 0))
            maps = max(maps, sum(row.get("bytes_memlock", 0) for ident, row in bpf_objects("map").items()
                                 if ident not in old["map"]))
            now = cpu_seconds(tree) + sum(runs.values()) / 1e9, busy_seconds()
            if first is None:
                first = now
            if steady is None and elapsed >= STEADY_AFTER_S:
                steady = now
            if elapsed < seconds - 1:
                last = now
            # Once a second while it samples: the meter must not be the load.
            time.sleep(1 if elapsed < seconds - 1.5 else 0.1)
        report = json.loads(program.communicate()[0])
    finally:
        os.killpg(load.pid, signal.SIGTERM)
        load.wait()
        with open(STATISTICS, "w", encoding="utf-8") as file:
            file.write(statistics_before)

    missed = False

    def say(name, relation, target, measured, unit):
        nonlocal missed
        is_met = measured <= target if relation == "<=" else measured >= target
        missed |= not is_met
        print(f"{name} {relation}{target:g}{unit} {measured:.4g}{unit} {'ok' if is_met else 'MISS'}", flush=True)

    if steady is None:
        print(f"load_cpu_steady <=0.4% none MISS: {seconds} s are too short, more than {STEADY_AFTER_S} are needed")
        return 1
    cpu, busy = last[0] - steady[0], last[1] - steady[1]
    print(f"# {busy:.1f} busy CPU seconds in the steady part, {cpu:.3f} s ours; all: "
          f"{100 * (last[0]) / (last[1] - first[1]):.3f} %; report: {json.dumps(report['cost'])}")
    say("load_cpu_steady", "<=", 0.4, 100 * cpu / busy, "%")
    say("load_memory_pss", "<=", 40, pss / 1e6, "MB")
    say("load_bpf_maps", "<=", 16, maps / 1e6, "MB")
    say("load_delivered", ">=", 99.9, 100 * report["delivered"] / max(1, report["taken"]), "%")
    print(f"# of {report['taken']} samples {100 * report['stacks']['complete'] / max(1, report['delivered']):.1f} % "
          f"complete; frames named {report['frames']['named']}, unnamed {report['frames']['unnamed']}")
    return int(missed)


sys.exit(main())
