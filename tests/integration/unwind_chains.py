# SPDX-License-Identifier: Apache-2.0
"""Are the stacks of the workloads of unwind.sh those that they are known to have?
usage: unwind_chains.py DIR STARTED             DIR: profiles of processes; STARTED: a line "NAME PID" or "NAME COMMS" each
       unwind_chains.py --perf SCRIPT STARTED   the same of `perf script --no-inline -F comm,pid,ip,sym,dso`
       unwind_chains.py --guest NAME DIR STARTED    of a guest under emulation; the names of its tests have NAME in them

Of n samples at most n / 1000, or one, may lack something; none may show a caller that cannot be one. In a guest, where
making a table takes ten times as long and samples are few, what ends for want of a table does not count, and of a Go
program, whose runtime changes stacks under way, 95 % are enough."""
import bisect
import collections
import glob
import itertools
import os
import re
import subprocess
import sys

import stacks
from call_chains import Chains

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "workloads"))
import deep  # noqa: E402 (it lies beside the workloads)

ENOUGH = 200  # samples, for a verdict
ENOUGH_OF_GUEST = 20
# How stacks end for which a table came too late; of two stacks only one is copied.
LATE = {"mappings of the process not known in time", "unwind table not loaded in time",
        "stack deeper than what was copied of it", "stack not readable"}

GLIBC = "_start [libc] [libc] main"
MUSL = "_start [libc] main"
RUST = "_start [libc] [libc] main [rest]+ chain::main"
STATIC = {"same": ["libc"]}


def chain_c(program, root=GLIBC, **options):
    return Chains(root, ["drive one two three spin", "drive sorts [libc]+ compare spin", "drive copies [libc]+",
                         "drive prints [libc]+"], program, **options)


def chain_go(program):
    below = "runtime.goexit main.main.func1 main.worker "
    recurse = below + "main.recurse " * 40 + "main.visit "
    # The runtime has stacks of its own, and is met below all functions.
    runtime = [f"runtime.{root}" for root in ("mcall", "mstart", "morestack", "systemstack", "rt0_go")]
    return Chains("", [
        recurse + "main.(*square).area main.spin", recurse + "main.(*cube).area main.tiny", below + "main.deferred main.tiny",
        below + "main.deferred main.deferred.func1 main.spin", below + "main.sorts [rest]+ main.sorts.func1 main.spin",
        "runtime.goexit runtime.main main.main", *runtime], program, below="[rest]+",
        # What returns from a signal handler is found before its first byte, where nothing has a name.
        anywhere=[*runtime, ""])


def signals(program):
    # The trampoline is libc's on x86-64 and the vDSO's on arm64.
    return Chains(GLIBC, ["drive work spin"] + [
        f"drive {interrupted} handler handled spin"
        for interrupted in ("[libc]+", "work [libc]+", "work spin [libc]+", "raises [libc]+",
                            "[vdso]", "work [vdso]", "work spin [vdso]", "raises [vdso]", "raises [libc]+ [vdso]")], program)


def threads(program):
    return Chains("[libc]", [f"{first} one two spin" for first in ("[libc] worker", "cloned")], program)


def realign(program):
    return Chains(GLIBC, ["drive takes_alloca aligned_64 aligned_256 takes_array forced both spin",
                          "drive takes_alloca [libc]"], program)


def brief(program):
    """Before and behind main too: it does not live for much more."""
    return Chains("", [f"{GLIBC} drive one two spin", "_start [startup]+", "[startup]+"], program, same=["libc", "startup"])


# What is known of each workload; the heads of their sources say the same.
CHAINS = {
    "brief": brief("brief"),
    "brief-static": brief("brief-static"),
    "brief-unseen": brief("unseen.*"),
    "calls": Chains(GLIBC, ["drive clocks [libc] [vdso]+", "drive reads [libc]", "drive asks [libc]"], "calls"),
    "chain-pie": chain_c("chain-pie"),
    "chain-nopie": chain_c("chain-nopie"),
    "chain-debug-frame": chain_c("chain-debug-frame"),
    "chain-pac": chain_c("chain-pac"),
    "chain-clang": chain_c("chain-clang"),
    "chain-static": chain_c("chain-static", **STATIC),
    "chain-static-pie": chain_c("chain-static-pie", **STATIC),
    "chain-musl": chain_c("chain-musl", root=MUSL),
    "chain-musl-static": chain_c("chain-musl-static", root=MUSL, **STATIC),
    "chain-go": chain_go("chain-go"),
    "chain-go-stripped": chain_go("chain-go-stripped"),
    "chain-rust": Chains(RUST, [
        "chain::drive " + "chain::recurse " * 10 + "chain::visit chain::Square::area chain::spin",
        "chain::drive chain::sorts [runtime]+ chain::compare chain::spin",
        "chain::drive chain::catches chain::panics [runtime]+", "chain::drive chain::catches [runtime]+"],
        "chain-rust", same=["runtime"]),
    "contexts": Chains("", ["[libc] coroutine one spin", "[libc] coroutine [libc]+", f"{GLIBC} drive [libc]+"], "contexts",
                       may_end="[libc]"),
    "crypto": Chains(GLIBC, ["drive [crypto]+"] + [f"drive {name} [crypto]+" for name in ("digest", "encrypt", "sign")],
                     "crypto"),
    "dlopen": Chains(GLIBC, [f"drive library_calls library_inner {last}" for last in ("called_back spin", "spin")],
                     r"dlopen(\.so)?"),
    "noreturn": Chains(GLIBC, ["drive falls ends spin", "drive falls ends [libc]+", "drive [libc]+"], "noreturn"),
    "plt": Chains(GLIBC, [f"drive {caller} hop_{n}" for caller in ("hops", "looks_up") for n in range(20)] +
                  ["drive looks_up [ld]+", "drive [libc]"], r"plt(\.so)?"),
    "realign": realign("realign"),
    "realign-clang": realign("realign-clang"),
    "signals": signals("signals"),
    "signals-alternate": signals("signals"),
    "threads": threads("threads"),
    "threads-musl": threads("threads-musl"),
    "throw": Chains(GLIBC, ["drive attempt " + last for last in (
        "one two three spin", "one two three [runtime]+", "one two guard::~guard spin", "one two [runtime]+", "[runtime]+")],
        "throw"),
    "vforks": Chains(GLIBC, ["drive starts spins spin", "drive starts [libc]"], "vforks"),
}
for program in "deep-gcc", "deep-clang", "deep-pac", "wide-gcc", "wide-clang":
    for depth in 10, 50, 120, 400:
        CHAINS[f"{program}-{depth}"] = Chains(GLIBC, [f"drive {' '.join(deep.chain(depth))} leaf"], program)


def name_by_twin(frames, twin):
    """gives the functions of a stripped program the names that its twin, built with symbols, has at the same addresses"""
    lines = subprocess.run(["nm", "-n", twin], check=True, capture_output=True, text=True).stdout.splitlines()
    symbols = [(int(line[0], 16), line[2]) for line in map(str.split, lines) if line[1] in "tT"]
    for frame in frames:
        if not frame.name and os.path.basename(twin) + "-stripped" == frame.module:
            at = bisect.bisect(symbols, (stacks.file_of(frame.path).address(frame.offset), chr(0x10ffff))) - 1
            frame.name = stacks.plain(symbols[at][1])


def is_landing(stack):
    """libgcc writes the registers of a landing over its own frame before it leaves: until then no table holds"""
    return bool(stack.frames) and stack.frames[-1].module.startswith("libgcc_s") and \
        any((frame.name or "").startswith("_Unwind_R") for frame in stack.frames[-2:])


def is_of_old_go(of_workload):
    """before 1.21 Go's runtime left no trace on the scheduler's stack of the one that it had left: such stacks end there"""
    path = next((frame.path for stack in of_workload for frame in stack.frames if frame.module.startswith("chain-go")), None)
    if not path:
        return False
    with open(path, "rb") as file:
        version = re.search(rb"\xff Go buildinf:.{18}.go1\.(\d+)", file.read(), re.DOTALL)
    return bool(version) and int(version[1]) < 21


def shorten(text):
    """ "a b b b b c" -> "a b*4 c" """
    out = []
    for word, run in itertools.groupby(text.split(" ")):
        n = len(list(run))
        out.append(word if n == 1 else f"{word}*{n}")
    return " ".join(out)


class Verdicts:
    def __init__(self, guest):
        self.guest, self.failed = guest, False
        self.n = self.n_cut = 0  # of all workloads

    def say(self, is_ok, test, why):
        print("ok" if is_ok else "not ok", test)
        if not is_ok:
            self.failed = True
            print(f"{test}: {why}", file=sys.stderr)

    def check(self, name, of_workload):
        """the verdict over one workload's stacks"""
        chains = CHAINS.get(name)
        of_workload = [stack for stack in of_workload if stack.had_user_memory]
        late = [stack for stack in of_workload if self.guest and stack.end in LATE]
        of_workload = [stack for stack in of_workload if stack not in late]
        n = count(of_workload)
        odd = [stack for stack in of_workload if not is_whole(name, chains, stack)]
        landing = [stack for stack in odd if is_landing(stack)]
        n_whole, n_landing = n - count(odd), count(landing)
        if n_landing <= n / 20:
            odd = [stack for stack in odd if stack not in landing]
        cut, wrong = collections.Counter(), collections.Counter()
        for stack in odd:
            place = stack.frames[0].place if stack.frames else "nothing"
            cut[f"{stack.end or 'not of its chains'} at {place}: {shorten(str(stack))}"] += stack.count
            pair = chains and chains.wrong_pair(stack)
            if pair:
                wrong[f"{pair[0]} called {pair[1]} ({pair[0].place}, {pair[1].place}): {shorten(str(stack))}"] += stack.count
        n_cut, n_wrong = sum(cut.values()), sum(wrong.values())
        depth = max((len(stack.frames) for stack in of_workload), default=0)
        print(f"# {name}: {n_whole} of {n} samples whole, {100 * n_whole / max(1, n):.2f} %, up to {depth} frames" +
              (f", {n_landing} in a landing" if landing else "") + (f", {count(late)} too early" if late else ""))
        test = f"live_{self.guest}unwind_{name.replace('-', '_').replace('.', '_')}"
        is_lenient = bool(self.guest) and name.startswith("chain-go")
        is_old = name.startswith("chain-go") and is_of_old_go(of_workload)
        enough, allowed = ENOUGH_OF_GUEST if self.guest else ENOUGH, max(5, n / 20) if is_lenient else at_most(n)
        if is_old:
            allowed = max(allowed, n / 20)
        self.say(n >= enough and n_cut <= allowed, f"{test}_is_whole", f"{n_cut} of {n} are not: {examples(cut)}")
        if not is_lenient and not is_old:
            self.n, self.n_cut = self.n + n, self.n_cut + n_cut
        if 0 < n_cut <= allowed:
            print(f"# {name}: allowed: {examples(cut)}", file=sys.stderr)
        if chains and not is_lenient:
            # arm64's kernel sets pc to the handler first and lr to the trampoline later; a slow guest is met in between.
            n_in_between = 1 if self.guest and name.startswith("signals") else 0
            self.say(n > 0 and n_wrong <= n_in_between, f"{test}_has_no_wrong_frame", f"{n_wrong} of {n}: {examples(wrong)}")


def at_most(n):
    """of n samples, when 1 in 1,000 may: at 4.5 standard deviations"""
    return n / 1000 + 4.5 * (n / 1000) ** 0.5


def count(of_stacks):
    return sum(stack.count for stack in of_stacks)


def is_whole(name, chains, stack):
    if name == "compat":
        return [frame.name for frame in stack.frames] == [stacks.OF_32_BITS] and not stack.end
    if not chains:
        return stacks.reaches_root(stack)
    # A short life begins in the loader, which has no name for where.
    return chains.is_whole(stack) and (not name.startswith("brief") or stacks.reaches_root(stack))


def examples(counts):
    return "".join(f"\n    {count} x {text[:600]}" for text, count in counts.most_common(8)) or "none"


def main():
    *options, source, started = sys.argv[1:]
    perf = options == ["--perf"]
    by_perf = stacks.of_perf_script(source) if perf else {}
    verdicts = Verdicts(options[1] + "_" if options and not perf else "")
    with open(started, encoding="utf-8") as file:
        workloads = [line.split() for line in file]
    for name, which in workloads:
        if perf:
            found = [s for (comm, pid), of_process in by_perf.items() if which in (comm, str(pid)) for s in of_process]
        else:
            pattern = f"*-{which}.pb.gz" if which.isdigit() else f"{which}-[0-9]*.pb.gz"
            found = [s for path in glob.glob(os.path.join(source, pattern)) for s in stacks.of_profile(path)]
        if name.endswith("-stripped"):
            frames = {frame for stack in found for frame in stack.frames}
            path = next((frame.path for frame in frames if frame.path), "")
            if path:
                name_by_twin(frames, path.removesuffix("-stripped"))
        verdicts.check(name, found)
    # One workload has few samples; all of them together are judged closely.
    if len(workloads) > 5:
        verdicts.say(verdicts.n_cut <= at_most(verdicts.n), f"live_{verdicts.guest}unwind_{os.path.basename(source)}_together",
                     f"{verdicts.n_cut} of {verdicts.n} are not whole")
    sys.exit(verdicts.failed)


main()
