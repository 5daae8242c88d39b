# SPDX-License-Identifier: Apache-2.0
"""What a guest handed out, looked at by the host.
usage: guest_profiles.py NAME DIRECTORY     NAME: begins the names of the tests, kernel_6_1_arm64

DIRECTORY has the profiles of `hostprof record -- split-static` in split/, and its report in split.json."""
import glob
import json
import math
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from pprof_read import Profile  # noqa: E402

SHARES = {"heavy": 0.7, "medium": 0.2, "light": 0.1}
CHAINS = {path: ["main", "drive", f"{path}_one", f"{path}_two", f"{path}_three", "spin"] for path in SHARES}


def user_frames(stack):
    """names, root first, without the kernel's"""
    return [names[0] for names, _, address in reversed(stack)
            if names and not address >> 63 and not names[0].startswith("[truncated")]


def main():
    name, directory = sys.argv[1:]
    failed = False

    def say(is_ok, test, why):
        nonlocal failed
        print("ok" if is_ok else "not ok", f"live_{name}_{test}")
        if not is_ok:
            failed = True
            print(f"live_{name}_{test}: {why}", file=sys.stderr)

    with open(os.path.join(directory, "split.json"), encoding="utf-8") as file:
        taken = json.load(file)["taken"]
    paths = glob.glob(os.path.join(directory, "split", "split-static-*.pb.gz"))
    # A sample within its exec has one of its own.
    say(0 < len(paths) <= 2, "process_has_its_profile", f"{paths} in {os.listdir(os.path.join(directory, 'split'))}")
    samples = [(values[0], user_frames(stack)) for path in paths for values, stack, _ in Profile(path).samples]
    total = sum(count for count, _ in samples)
    # The others are hostprof's, before it became the command.
    say(taken > 0 and total >= 0.95 * taken, "process_has_its_share", f"{total} of {taken}")

    counts = {path: sum(count for count, frames in samples if frames[-len(chain):] == chain)
              for path, chain in CHAINS.items()}
    n = sum(counts.values())
    others = sorted(((count, ";".join(frames)) for count, frames in samples
                     if not any(frames[-len(chain):] == chain for chain in CHAINS.values())), reverse=True)
    # What it does before, and the clock that it looks at in each round, are sampled once in a while.
    working = sum(count for count, frames in samples if "spin" in frames)
    say(working > 0 and n >= 0.99 * working - 1, "frame_pointer_chains_are_whole", f"{n} of {working}, others: {others[:5]}")
    for path, p in SHARES.items():
        share, bound = (counts[path] / n, 4.5 * math.sqrt(p * (1 - p) / n)) if n else (0, 0)
        say(abs(share - p) <= bound, f"{path}_path_has_its_share",
            f"{100 * share:.2f} % of {n}, wanted {100 * p:.0f} +- {100 * bound:.2f}")
    sys.exit(failed)


main()
