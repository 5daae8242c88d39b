# SPDX-License-Identifier: Apache-2.0
"""Are the functions of generated code in the profile of all processes? Prints verdicts.

usage: jit_chains.py ALL.pb.gz EXPECTATIONS

A line of the expectations: NAME, PID, the least share in percent of the pid's samples in generated code, and regular expressions of
functions, outermost first, that follow each other in the stack, with any others between them where there is "...";
separated by tabs. A last one that begins with "@" is the
file and the line at which the innermost of them begins. A share of 0 wants none of the functions in any sample.
"""
import re
import sys

from pprof_read import Profile


# On a busy machine: such a stack tells nothing of callers.
NOT_WALKED = {"[truncated: stack deeper than what was copied of it]"}


def has_chain(names, patterns):
    """one line a function, so that a regular expression can go over the frames between them"""
    lines = "".join("" if one == "..." else f"(?:{one})\n" if before != "..." else f"(?:.*\n)*?(?:{one})\n"
                    for before, one in zip([""] + patterns, patterns))
    return re.search("^" + lines, "".join(name + "\n" for name in names), re.MULTILINE) is not None


def verdict(profile, pid, share, patterns, source):
    taken = found = 0
    seen = {}
    for values, stack, labels in profile.samples:
        if labels["pid"] != pid:
            continue
        names = [name for frame_names, _, _ in reversed(stack) for name in reversed(frame_names)]
        is_generated = any(mapping and mapping["file"].startswith("[jit") for _, mapping, _ in stack)
        if share and ((len(patterns) > 1 and names[0] in NOT_WALKED) or not is_generated):
            continue
        taken += values[0]
        found += values[0] * has_chain(names, patterns)
        seen[names[-1]] = seen.get(names[-1], 0) + values[0]
    if not taken:
        return "no samples"
    if (found > 0) if share == 0 else (100 * found < share * taken):
        return f"{found} of {taken} samples; leaves: {sorted(seen, key=seen.get, reverse=True)[:8]}"
    if source:
        file, _, line = source.rpartition(":")
        told = {one for name in profile.sources if re.fullmatch(patterns[-1], name) for one in profile.sources[name]}
        if (file, int(line)) not in told:
            return f"not {source} but {told}"
    return None


def main():
    profile = Profile(sys.argv[1])
    failures = 0
    for line in open(sys.argv[2]):
        name, pid, share, *patterns = line.rstrip("\n").split("\t")
        source = patterns.pop()[1:] if patterns[-1].startswith("@") else None
        wrong = verdict(profile, pid, float(share), patterns, source)
        print(("not ok" if wrong else "ok"), name)
        if wrong:
            print(f"{name}: {wrong}", file=sys.stderr)
        failures += wrong is not None
    return failures != 0


sys.exit(main())
