# SPDX-License-Identifier: Apache-2.0
"""What each file must hold, by the independent reader. usage: pprof_tools.py DIRECTORY REPORT.json"""
import glob
import json
import os
import re
import sys

from pprof_read import Profile

failed = False


def say(test, wrong):
    """wrong: a list of what does not hold"""
    global failed
    print("not ok" if wrong else "ok", test)
    if wrong:
        failed = True
        print(f"{test}: {'; '.join(map(str, wrong[:5]))}", file=sys.stderr)


directory, report_path = sys.argv[1:]
with open(report_path, encoding="utf-8") as file:
    report = json.load(file)
profiles = {os.path.basename(path): Profile(path) for path in sorted(glob.glob(directory + "/*.pb.gz"))}
everything = profiles["all.pb.gz"]
single = {name: profile for name, profile in profiles.items() if name != "all.pb.gz"}

say("live_pprof_sample_types", [
    f"{name}: {p.sample_types} {p.period_type}" for name, p in profiles.items()
    if p.sample_types != [("samples", "count"), ("cpu", "nanoseconds")] or p.period_type != ("cpu", "nanoseconds")])
say("live_pprof_period_is_the_weight", [
    name for name, p in profiles.items() for values, _, _ in p.samples
    if p.period <= 0 or values[1] != values[0] * p.period])
say("live_pprof_times_are_sane", [
    f"{name}: {p.time_nanos} {p.duration_nanos}" for name, p in profiles.items()
    if not 1e18 < p.time_nanos < 4e18 or not 3e9 < p.duration_nanos < 60e9])
say("live_pprof_every_sample_has_a_named_frame", [
    name for name, p in profiles.items() for _, stack, _ in p.samples
    if not stack or any(not names or not all(names) for names, _, _ in stack)])
say("live_pprof_samples_are_labelled", [
    labels for _, _, labels in everything.samples if not labels.get("pid") or not labels.get("comm")])
say("live_pprof_address_lies_in_its_mapping", [
    f"{name}: {address:#x} {mapping}" for name, p in profiles.items() for _, stack, _ in p.samples
    for _, mapping, address in stack if mapping and address and not mapping["start"] <= address <= mapping["limit"]])
say("live_pprof_main_executable_first", [
    f"{name}: {p.first_mapping}" for name, p in single.items()
    if name.startswith("split-") and os.path.basename(p.first_mapping["file"]) != re.sub(r"-\d+\.pb\.gz$", "", name)])
say("live_pprof_build_ids_are_hex", [
    m for p in profiles.values() for m in p.mappings.values() if not re.fullmatch(r"([0-9a-f]{2})*", m["build_id"])])
say("live_pprof_main_executable_has_build_id", [
    name for name, p in single.items() if name.startswith("split-") and not p.first_mapping["build_id"]])

total = sum(values[0] for values, _, _ in everything.samples)
say("live_merged_profile_holds_all_delivered", [] if total == report["delivered"] else [f"{total}, {report['delivered']}"])
apart = sum(values[0] for p in single.values() for values, _, _ in p.samples)
say("live_profiles_of_processes_add_up", [] if apart == total else [f"{apart}, merged {total}"])
stacks = report["stacks"]
ends = stacks["complete"] + sum(stacks["truncated"].values())
say("live_every_stack_has_an_end", [] if ends == report["delivered"] else [f"{ends}, {report['delivered']}"])
say("live_report_lists_existing_files", [f for f in report["files"]
    if not os.path.exists(f["path"] if isinstance(f, dict) else f)] or ([] if report["files"] else ["no files"]))
sys.exit(failed)
