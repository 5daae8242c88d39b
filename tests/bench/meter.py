# SPDX-License-Identifier: Apache-2.0
"""Runs a load with one recording beside it and prints what the recording cost, as "name target measured ok|MISS".
usage: meter.py load HOSTPROF LOAD.sh SECONDS FOLDER       the mixed load: CPU time, memory, delivery, stacks
       meter.py compile HOSTPROF FILE.cc FOLDER            clang++ on that file: memory of the unwind tables
(root)

CPU time of the whole process tree from /proc, BPF run time as the kernel's statistics count it, memory as the sum of
the proportional shares (pages that several processes share count once). "Steady" begins 15 s after the start."""
import collections
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../integration"))
from pprof_read import Profile  # pylint: disable=wrong-import-position

STEADY_AFTER_S = 15
TICKS = os.sysconf("SC_CLK_TCK")
STATISTICS = "/proc/sys/kernel/bpf_stats_enabled"
# As the kernel knows them: 15 bytes of a name.
UNWINDING_MAPS = {name[:15] for name in ("unwind_rules", "unwind_objects", "unwind_processes", "unwind_segments", "copies")}
# Where threads begin, by the names in the symbol tables; without one a root is not told from another function.
ROOTS = {"_start", "__clone", "clone", "__clone3", "clone3", "_dl_start_user", "runtime.goexit.abi0", "runtime.mstart.abi0",
         "ret_from_fork_asm", "ret_from_fork"}


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


def bpf_descriptors(tree):
    """what the processes' descriptors of BPF programs and maps tell: {id: fields} of each; others may use BPF, too"""
    found = {"prog_id": {}, "map_id": {}}
    for pid in tree:
        try:
            numbers = os.listdir(f"/proc/{pid}/fdinfo")
        except OSError:
            continue
        for number in numbers:
            lines = read(f"/proc/{pid}/fdinfo/{number}").splitlines()
            fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
            for kind, objects in found.items():
                if kind in fields:
                    objects[int(fields[kind])] = fields
    return found["prog_id"], found["map_id"]


def map_names():
    answer = subprocess.run(["bpftool", "-j", "map", "show"], capture_output=True, text=True, check=False)
    try:
        return {row["id"]: row.get("name", "") for row in json.loads(answer.stdout)}
    except ValueError:
        return {}


def busy_seconds():
    """user nice system irq softirq steal: what was not idle, of all CPUs"""
    fields = list(map(int, read("/proc/stat").split("\n", 1)[0].split()[1:9]))
    return (sum(fields) - fields[3] - fields[4]) / TICKS


def is_kernel(frame):
    return frame[1] is not None and frame[1]["file"].startswith("[kernel")


def is_truncation(frame):
    return bool(frame[0]) and frame[0][0].startswith("[truncated")


class Stacks:
    """how the user stacks of a profile end"""

    def __init__(self, path):
        self.samples = self.frames = self.reached = self.in_roots = self.java = 0
        self.by_comm, self.cut = collections.Counter(), collections.Counter()
        for values, stack, labels in Profile(path).samples:
            n, user = values[0], [frame for frame in stack if not is_kernel(frame) and not is_truncation(frame)]
            self.samples += n
            self.frames += n * len(user)
            self.by_comm[labels["comm"]] += n
            if not any(map(is_truncation, stack)):
                self.reached += n
                self.in_roots += n * bool(stack[-1][0] and stack[-1][0][0] in ROOTS)
            elif labels["comm"] == "java" and user and user[-1][1] is None:
                self.java += n  # code that its JIT made, which has no unwind information
            else:
                why = next(frame[0][0] for frame in stack if is_truncation(frame))
                self.cut[labels["comm"], why] += n

    def reached_share(self):
        return 100 * self.reached / max(1, self.samples - self.java)


class Verdict:
    def __init__(self):
        self.missed = False

    def say(self, name, relation, target, measured, unit):
        is_met = measured <= target if relation == "<=" else measured >= target
        self.missed |= not is_met
        print(f"{name} {relation}{target:g}{unit} {measured:.4g}{unit} {'ok' if is_met else 'MISS'}", flush=True)


def record_compile(hostprof, source, folder):
    output = os.path.join(folder, "compile.pb.gz")
    program = subprocess.Popen([hostprof, "record", "-F", "99", "-q", "--json", "--force", "-o", output, "--", "clang++",
                                "-std=c++17", "-O2", "-c", source, "-o", "/dev/null"], stdout=subprocess.PIPE, text=True)
    others = 0
    while program.poll() is None:
        names = map_names()
        maps = bpf_descriptors(tree_of(program.pid))[1]
        others = max(others, sum(int(fields["memlock"]) for ident, fields in maps.items()
                                 if names.get(ident, "unwind_rules") not in UNWINDING_MAPS))
        time.sleep(0.5)
    report = json.loads(program.communicate()[0])
    stacks = Stacks(output)
    print(f"# {stacks.samples} samples of the compiler, {stacks.frames / max(1, stacks.samples):.1f} user frames each, "
          f"{stacks.reached_share():.2f} % reach their root; all BPF maps {report['cost']['bpf_map_bytes'] / 1e6:.1f} MB")
    verdict = Verdict()
    # Segments are held by their outer map alone: they are what the report counts beyond the descriptors.
    verdict.say("unwind_maps_of_compiler", "<=", 8, (report["cost"]["bpf_map_bytes"] - others) / 1e6, "MB")
    return int(verdict.missed)


def record_load(hostprof, load_path, seconds, folder):
    statistics_before = read(STATISTICS)
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
        pss = 0
        runs = {}
        while program.poll() is None and time.monotonic() - start < seconds + 60:
            elapsed = time.monotonic() - start
            tree = tree_of(program.pid)
            for ident, fields in bpf_descriptors(tree)[0].items():
                runs[ident] = max(runs.get(ident, 0), int(fields.get("run_time_ns", 0)))
            pss = max(pss, pss_bytes(tree))
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

    verdict = Verdict()
    if steady is None:
        print(f"load_cpu_steady <=0.5% none MISS: {seconds} s are too short, more than {STEADY_AFTER_S} are needed")
        return 1
    cpu, busy = last[0] - steady[0], last[1] - steady[1]
    print(f"# {busy:.1f} busy CPU seconds in the steady part, {cpu:.3f} s ours; all: "
          f"{100 * (last[0]) / (last[1] - first[1]):.3f} %; report: {json.dumps(report['cost'])}")
    verdict.say("load_cpu_steady", "<=", 0.5, 100 * cpu / busy, "%")
    verdict.say("load_memory", "<=", 64, (pss + report["cost"]["bpf_map_bytes"]) / 1e6, "MB")
    verdict.say("load_delivered", ">=", 99.9, 100 * report["delivered"] / max(1, report["taken"]), "%")
    stacks = Stacks(output)
    verdict.say("load_stacks_to_root", ">=", 99.5, stacks.reached_share(), "%")
    print(f"# {stacks.samples} samples in the profile, {stacks.reached} reach their root, of {stacks.in_roots} it has a "
          f"known name; {stacks.java} end in code of java's JIT; the report says {report['stacks']['complete']} complete")
    for (comm, why), n in stacks.cut.most_common(20):
        print(f"#   {100 * n / stacks.by_comm[comm]:5.1f} % of {stacks.by_comm[comm]} samples of {comm}: {why}")
    print(f"# frames named {report['frames']['named']}, unnamed {report['frames']['unnamed']}")
    return int(verdict.missed)


def main():
    kind, arguments = sys.argv[1], sys.argv[2:]
    if kind == "compile":
        return record_compile(*arguments)
    hostprof, load_path, seconds, folder = arguments
    return record_load(hostprof, load_path, int(seconds), folder)


if __name__ == "__main__":
    sys.exit(main())
