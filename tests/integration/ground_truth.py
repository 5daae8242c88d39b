# SPDX-License-Identifier: Apache-2.0
"""Compares folded stacks of a split workload with what it is known to do.
usage: ground_truth.py NAME FOLDED

70, 20 and 10 % of the samples over the three paths, each share within 4.5 standard deviations (a right program fails
once in 100,000 comparisons); and in 99.9 % of the samples of user mode the whole chain from main to the leaf, or to the
clock."""
import math
import re
import sys

SHARES = {"heavy": 0.7, "medium": 0.2, "light": 0.1}
# The Go runtime's own stacks (its monitor thread, its scheduler between two slices) have no main by nature.
GO_RUNTIME = re.compile(r"^runtime\.(mstart|mstart0|mcall|morestack|newstack|systemstack)\b|^gogo\b|^runtime\.gogo\b")

# What `drive` calls once in a round beside its paths.
CLOCK = re.compile(r"(\w+::)*cpu_seconds|(__)?clock_gettime|main\.cpuSeconds|syscall\.\w+")
# What Rust's library has inlined into the leaf.
INLINED = re.compile(r"core::|<.* as core::|<core::")


def chain(name, path):
    """the frames from main to leaf, as regular expressions that match whole names"""
    if name.startswith("split-cxx"):
        steps = [rf"work::step<work::{path}, {n}>::descend(\(unsigned long\))?" for n in (3, 2, 1)]
        spin = r"(unsigned long )?work::spin<unsigned long>(\(unsigned long\))?"
        return [r"main", r"work::drive(\(double, unsigned long\))?", *steps, spin]
    if name.startswith("split-rust"):
        return ["split::main", "split::drive"] + [f"split::{path}::{n}" for n in ("one", "two", "three")] + ["split::spin"]
    if name.startswith("split-go"):
        return [r"main\.main", r"main\.drive"] + [rf"main\.{path}{n}" for n in ("One", "Two", "Three")] + [r"main\.spin"]
    return ["main", "drive"] + [f"{path}_{n}" for n in ("one", "two", "three")] + ["spin"]


def looks_at_clock(frames, wanted):
    """main, drive, and what it calls beside the paths"""
    return any(wanted[0].fullmatch(above) and wanted[1].fullmatch(drive) and CLOCK.match(clock)
               for above, drive, clock in zip(frames, frames[1:], frames[2:]))


def main():
    name, folded = sys.argv[1:]
    chains = {path: [re.compile(frame) for frame in chain(name, path)] for path in SHARES}
    counts = dict.fromkeys(SHARES, 0)
    total, at_clock, odd = 0, 0, {}
    with open(folded, encoding="utf-8") as file:
        for line in file:
            stack, _, count = line.rstrip("\n").rpartition(" ")
            comm, *frames = stack.split(";")
            if comm != name[:15] or not frames or frames[-1].endswith("_[k]"):
                continue
            if name.startswith("split-go") and any(GO_RUNTIME.match(frame) for frame in frames):
                continue
            while INLINED.match(frames[-1]):
                frames.pop()
            total += int(count)
            for path, wanted in chains.items():
                tail = frames[-len(wanted):]
                if len(tail) == len(wanted) and all(w.fullmatch(f) for w, f in zip(wanted, tail)):
                    counts[path] += int(count)
                    break
            else:
                if looks_at_clock(frames, chains["heavy"]):
                    at_clock += int(count)
                else:
                    odd[stack] = odd.get(stack, 0) + int(count)

    failed = False

    def say(is_ok, test, why):
        nonlocal failed
        print(("ok" if is_ok else "not ok"), test)
        if not is_ok:
            failed = True
            print(f"{test}: {why}", file=sys.stderr)

    test = name.replace("-", "_")
    n = sum(counts.values())
    complete = (n + at_clock) / total if total else 0
    examples = "; ".join(f"{c} x {s}" for s, c in sorted(odd.items(), key=lambda item: -item[1])[:5])
    say(total >= 1000 and complete >= 0.999, f"live_{test}_chain_is_whole_from_main_to_leaf",
        f"{n + at_clock} of {total} user samples ({100 * complete:.3f} %), others: {examples}")
    for path, p in SHARES.items():
        share = counts[path] / n if n else 0
        bound = 4.5 * math.sqrt(p * (1 - p) / n) if n else 0
        say(n > 0 and abs(share - p) <= bound, f"live_{test}_{path}_path_has_its_share",
            f"{100 * share:.2f} % of {n}, wanted {100 * p:.0f} +- {100 * bound:.2f}")
    sys.exit(failed)


main()
