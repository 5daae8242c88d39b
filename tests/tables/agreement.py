# SPDX-License-Identifier: Apache-2.0
"""What `hostprof symbols` and other symbolizers say of the same addresses: functions, files and lines of all frames.

    agreement.py [OPTION...] NAME FILE <addresses

    --debug-dir DIR      passed on to hostprof
    --reference FILE     what the others are asked about: the same code, before its debug information was moved around
    --first TOOL N       is asked about the first N addresses only
    --go                 beside `go tool addr2line` alone, which tells the function that holds the address and the
                         innermost place
    --least N            of 1000 addresses that must agree (999)

Prints "ok NAME: ..." or "not ok NAME: ...", and a line "note ..." for each kind of disagreement. An address counts as
agreed when at least one of the others says the same; no answer is no agreement. What is the same:

- names of the function that holds the address, when they are symbols of one address (aliases), differ in what a
  compiler appends to a copy of a function (.part.0, .cold, .isra.0), or are variants of one constructor or destructor
  (C1, C2, D0 ...): DWARF has the name of what was copied, the symbol table that of the copy;
- paths, when they are once "." and ".." are resolved; a place without a line has no path either.

Addresses that belong to no function by any of them are counted apart: padding, for which line tables go on and on.
"""

import collections
import os
import posixpath
import re
import subprocess
import sys

HOSTPROF = os.environ.get("HOSTPROF", "build/hostprof")
UNKNOWN = "??"

# The command of each, with the file behind it, and whether it prints columns.
TOOLS = {
    "llvm-symbolizer": (["llvm-symbolizer", "--inlines", "--no-demangle", "--functions=linkage", "--addresses", "--obj"], True),
    "addr2line": (["addr2line", "-iafe"], False),
    "eu-addr2line": (["eu-addr2line", "-iafe"], True),
}

GO_TOOL = "go tool addr2line"

# Why one tool differs where another one says what we say.
REASONS = {
    ("llvm-symbolizer", "nothing"): "it reads the symbols of the program, not those of its debug file",
    ("llvm-symbolizer", "name"): "a symbol without a size (_init) reaches up to the next one for it, over .plt",
    ("addr2line", "nothing"): "it knows no function there",
    ("addr2line", "short name"): "DWARF has no linkage name (lambdas, local classes); it takes the short one, not the symbol",
    ("addr2line", "name"): "it takes the nearest symbol or function below, or repeats the caller's name",
    ("addr2line", "frames"): "it leaves out calls that are inlined, the innermost ones",
    ("addr2line", "file"): "it takes another entry of the file table of version 5",
    ("addr2line", "line"): "it takes another one of the calls that are inlined there",
    ("eu-addr2line", "nothing"): "it finds no unit where .debug_aranges has none",
    ("eu-addr2line", "short name"): "DWARF has no linkage name (lambdas, local classes); it takes the short one, not the symbol",
    ("eu-addr2line", "name"): "it takes the name of another symbol there",
    ("eu-addr2line", "frames"): "it stops early: clang and rustc write no .debug_aranges; or a call that is inlined lies in a function that is itself a copy",
    ("eu-addr2line", "no line"): "it finds no lines where .debug_aranges has no unit (clang, rustc)",
    ("eu-addr2line", "file"): "of the calls that are inlined there it takes the first",
    ("eu-addr2line", "line"): "of the calls that are inlined there it takes the first",
}

SUFFIX = re.compile(r"(\.(part|isra|cold|constprop|lto_priv|llvm|localalias|clone|warm|hot)(\.\d+)?)+$|@.*$")
VARIANT = re.compile(r"([CD])[0-9](?=E)")


def symbolized(command, addresses, has_columns):
    """For each address its frames, innermost first: (function, path, line)."""
    text = "\n".join(addresses) + "\n"
    lines = subprocess.run(command, input=text, capture_output=True, text=True, errors="replace").stdout.splitlines()
    answers = []
    lines = iter(line for line in lines if line)
    for line in lines:
        if line.startswith("0x"):
            answers.append([])
            continue
        place = next(lines).split(" (")[0]
        if has_columns and place.count(":") >= 2:
            place = place.rpartition(":")[0]
        path, _, number = place.rpartition(":")
        number = int(number) if number.isdigit() else 0
        path = posixpath.normpath(path) if number else UNKNOWN
        answers[-1].append((line.split(" inlined at ")[0], path, number))
    if len(answers) != len(addresses):
        sys.exit(f"{command[0]}: {len(answers)} answers to {len(addresses)} questions")
    return answers


def symbols_of(files):
    """The addresses of each symbol."""
    found = collections.defaultdict(set)
    for file in files:
        for options in ["-a"], ["-aD"]:
            listed = subprocess.run(["nm", *options, file], capture_output=True, text=True, errors="replace").stdout
            for line in listed.splitlines():
                fields = line.split()
                if len(fields) >= 3:
                    found[fields[2].split("@")[0]].add(fields[0])
    return found


def go_answers(file, addresses):
    """Two lines an address: function and place; "?" and ":-1" are unknown."""
    text = "\n".join(addresses) + "\n"
    lines = subprocess.run([*GO_TOOL.split(), file], input=text, capture_output=True, text=True).stdout.splitlines()
    answers = []
    for name, place in zip(lines[::2], lines[1::2]):
        path, _, number = place.rpartition(":")
        number = int(number) if number.isdigit() else 0
        answers.append([(UNKNOWN if name == "?" else name, path if number else UNKNOWN, number)])
    if len(answers) != len(addresses):
        sys.exit(f"{GO_TOOL}: {len(answers)} answers to {len(addresses)} questions")
    return answers


class Names:
    def __init__(self, files):
        self.addresses = symbols_of(files)

    def bare(self, name):
        return VARIANT.sub(r"\1", SUFFIX.sub("", name))

    def kind(self, one, other):
        """None: another name. "" or how they are the same."""
        if one == other:
            return ""
        if self.addresses[one.split("@")[0]] & self.addresses[other.split("@")[0]]:
            return "aliases: several symbols of one address"
        if SUFFIX.sub("", one) == SUFFIX.sub("", other):
            return "copies: the symbol of a copy (.part, .cold ...), DWARF's name without"
        if self.bare(one) == self.bare(other):
            return "variants: C1, C2, D0 ... of a constructor or destructor"
        stems = {self.bare(name) for name in (one, other)}
        if len(stems) == 2 and set.intersection(*(self.addresses[stem] for stem in stems)):
            return "aliases: several symbols of one address"
        return None


def is_short(symbol, name):
    """DW_AT_name, "push_back<int>", of what has a mangled symbol."""
    word = re.match(r"\w*", name).group()
    is_in = word == "operator" or word in symbol
    return symbol.startswith(("_Z", "_R")) and not name.startswith(("_Z", "_R")) and bool(word) and is_in


def compare(names, ours, theirs):
    """(what differs or "", how the names are the same)"""
    how = ""
    if not any(name != UNKNOWN or line for name, _, line in theirs):
        return ("" if ours == theirs else "nothing"), how
    if len(ours) != len(theirs):
        return "frames", how
    for depth, (one, other) in enumerate(zip(ours, theirs)):
        same = names.kind(one[0], other[0])
        if same is None:
            return ("short name" if is_short(one[0], other[0]) else "name"), how
        if depth == len(ours) - 1:
            how = same
        if one[1] != other[1]:
            return ("file" if other[2] else "no line"), how
        if one[2] != other[2]:
            return "line", how
    return "", how


def in_a_function(answers):
    return any(frames[0][0] != UNKNOWN for frames in answers)


def main():
    options = {"--debug-dir": [], "--reference": [], "--least": ["999"]}
    first, is_go = {}, False
    arguments = sys.argv[1:]
    while arguments and arguments[0].startswith("--"):
        if arguments[0] == "--go":
            is_go = True
            del arguments[0]
            continue
        if arguments[0] == "--first":
            first[arguments[1]] = int(arguments[2])
            del arguments[:3]
            continue
        options[arguments[0]].append(arguments[1])
        del arguments[:2]
    name, file = arguments
    reference = (options["--reference"] or [file])[-1]
    addresses = sys.stdin.read().split()
    directories = [word for folder in options["--debug-dir"] for word in ("--debug-dir", folder)]
    ours = symbolized([HOSTPROF, "symbols", "-a", "--demangle", "none", *directories, file, "-"], addresses, False)
    if is_go:
        ours = [[(frames[-1][0], *frames[0][1:])] for frames in ours]
        theirs = {GO_TOOL: go_answers(reference, addresses)}
    else:
        theirs = {
            tool: symbolized([*command, reference], addresses[: first.get(tool, len(addresses))], has_columns)
            for tool, (command, has_columns) in TOOLS.items()
        }
    debug = [os.path.join("/usr/lib/debug/.build-id", word[:2], word[2:] + ".debug") for word in build_ids(reference)]
    names = Names([file, reference, *(path for path in debug if os.path.exists(path))])

    counts = collections.Counter()
    asked = collections.Counter()
    agreed = collections.Counter()
    kinds = collections.Counter()
    same = collections.Counter()
    examples = {}
    for i, address in enumerate(addresses):
        tools = [tool for tool in theirs if i < len(theirs[tool])]
        if not in_a_function([ours[i]] + [theirs[tool][i] for tool in tools if tool != "addr2line"]):
            counts["padding"] += 1
            continue
        counts["all"] += 1
        asked.update(tools)
        verdicts = {tool: compare(names, ours[i], theirs[tool][i]) for tool in tools}
        supporters = [tool for tool in tools if not verdicts[tool][0]]
        counts["agreed"] += bool(supporters)
        for how in {verdicts[tool][1] for tool in supporters} - {""}:
            same[how] += 1
        for tool, (what, _) in verdicts.items():
            if not what:
                agreed[tool] += 1
                continue
            who = tool if supporters else "all"
            if who != "all" or tool == tools[0]:
                kinds[(who, what)] += 1
            examples.setdefault((who, what), (address, ours[i], {t: theirs[t][i] for t in tools}))
    total = counts["all"]
    told = ", ".join(f"{tool} {100 * agreed[tool] / max(asked[tool], 1):.2f} % of {asked[tool]}" for tool in theirs)
    is_good = total * 2 > len(addresses) and counts["agreed"] * 1000 >= total * int(options["--least"][-1])
    print(f"{'ok' if is_good else 'not ok'} {name}: {counts['agreed']} of {total} agree,"
          f" {100 * counts['agreed'] / max(total, 1):.2f} % ({told})")
    if counts["padding"]:
        print(f"note {name}: {counts['padding']} addresses left out: in no function, padding")
    for how, n in same.most_common():
        print(f"note {name}: {n} the same by another name: {how}")
    for (tool, what), n in kinds.most_common():
        if tool == "all":
            print(f"note {name}: {n} as none of them says: {what}")
        else:
            reason = REASONS.get((tool, what), "not explained")
            print(f"note {name}: {n} where only {tool} differs in {what}: {reason}")
    for (tool, what), (address, our, their) in examples.items():
        if tool == "all" or os.environ.get("EXAMPLES"):
            print(f"{name} {tool} {what} {address}\n  ours {our}", file=sys.stderr)
            for other, frames in their.items():
                print(f"  {other} {frames}", file=sys.stderr)
    sys.exit(0 if is_good else 1)


def build_ids(file):
    notes = subprocess.run(["readelf", "-n", file], capture_output=True, text=True, errors="replace").stdout
    return re.findall(r"Build ID: ([0-9a-f]+)", notes)


main()
