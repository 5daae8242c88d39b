# SPDX-License-Identifier: Apache-2.0
"""Compares call paths of `perf script` with ours. usage: versus_perf_dwarf.py SCRIPT DIR COMMS

Both sampled the same run, at different instants: what is compared is paths from the root that have so many samples that
the other must have met them too (a path that is expected n times is not met at all once in e^n cases). A sample counts for
its longest such path. Frames are compared by file and offset: names depend on who found which symbols. Perf's stacks that do not reach the root, because pages between are not there or 64 KiB do not
hold them, are the inner end of a path."""
import collections
import fnmatch
import glob
import os
import sys

import stacks

EXPECTED = 15
ROOTS = {"_start", "clone3", "__clone"}


NAMES = {}


def path_of(stack):
    for frame in stack.frames:
        NAMES.setdefault((frame.module, frame.offset), str(frame))
    return tuple((frame.module, frame.offset) for frame in stack.frames)


def text(path):
    return " ".join(NAMES[frame] for frame in path)


class Side:
    """whole: counter of the paths from the root; inner: those without a root"""

    def __init__(self, name, all_stacks, reaches_root):
        self.name, self.whole, self.inner, self.ends = name, collections.Counter(), collections.Counter(), collections.Counter()
        for stack in all_stacks:
            if stack.frames and stack.had_user_memory:
                (self.whole if reaches_root(stack) else self.inner)[path_of(stack)] += stack.count
                if not reaches_root(stack):
                    self.ends[f"{stack.end or 'no root'} at {stack.frames[0].place}"] += stack.count
        self.n = sum(self.whole.values())
        # Every path from the root, with the samples in and below it.
        self.met = collections.Counter()
        for path, count in self.whole.items():
            for depth in range(1, len(path) + 1):
                self.met[path[:depth]] += count

    def longest(self, path, least):
        """the longest beginning of the path that has this many samples"""
        low, high = 0, len(path)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.met[path[:middle]] >= least else (low, middle - 1)
        return path[:low]


def is_end_of(inner, path):
    """does a stack without a root end in, or pass through, this path?"""
    tail = path[-3:]
    return any(stack[i:i + len(tail)] == tail for stack in inner for i in range(len(stack)))


def unknown_to(other, ours):
    """paths of one side that the other should have met and has not -> Counter, and the samples compared"""
    least = max(2, EXPECTED * ours.n / max(1, other.n))
    missing, compared = collections.Counter(), 0
    for path, count in ours.whole.items():
        longest = ours.longest(path, least)
        compared += count
        if longest not in other.met and not is_end_of(other.inner, longest):
            missing[longest] += count
    return missing, compared


def explain(other, path):
    """where the paths part"""
    depth = max(d for d in range(len(path) + 1) if d == 0 or path[:d] in other.met)
    instead = collections.Counter({p[depth]: c for p, c in other.met.items() if len(p) == depth + 1 and p[:depth] == path[:depth]})
    return f"below {text(path[max(0, depth - 3):depth])}: {text(path[depth:depth + 3])}; {other.name} has there: " + \
        (", ".join(f"{NAMES[frame]} ({count})" for frame, count in instead.most_common(3)) or "nothing")


def main():
    script, folder, comms = sys.argv[1:]
    perf = Side("perf", [stack for (comm, _), of_process in stacks.of_perf_script(script).items()
                         if fnmatch.fnmatch(comm, comms) for stack in of_process], lambda stack: str(stack.frames[0]) in ROOTS)
    ours = Side("ours", [stack for path in glob.glob(os.path.join(folder, f"{comms}-[0-9]*.pb.gz"))
                         for stack in stacks.of_profile(path)], stacks.reaches_root)
    failed = False

    def say(is_ok, test, why):
        nonlocal failed
        print("ok" if is_ok else "not ok", test)
        if not is_ok:
            failed = True
            print(f"{test}: {why}", file=sys.stderr)

    for side in perf, ours:
        inner = sum(side.inner.values())
        print(f"# {side.name}: {side.n + inner} samples, {inner} without a root, {len(side.whole)} paths")
    n_inner = sum(ours.inner.values())
    say(perf.n > 500 and ours.n > 2000, "live_versus_perf_dwarf_has_enough_samples", f"perf {perf.n}, ours {ours.n}")
    say(ours.n and n_inner <= max(1, (ours.n + n_inner) / 1000), "live_versus_perf_dwarf_our_stacks_reach_the_root",
        f"{n_inner} of {ours.n + n_inner} do not: {ours.ends.most_common(8)}")
    for name, side, other in ("our_paths_are_perfs", ours, perf), ("perfs_paths_are_ours", perf, ours):
        missing, compared = unknown_to(other, side)
        n = sum(missing.values())
        print(f"# {name}: {compared - n} of {compared} samples, {100 * (compared - n) / max(1, compared):.2f} %")
        examples = "".join(f"\n    {count} x {explain(other, path)}" for path, count in missing.most_common(8))
        say(compared and n <= compared / 100, f"live_versus_perf_dwarf_{name}", f"{n} of {compared} not met:{examples}")
    sys.exit(failed)


main()
