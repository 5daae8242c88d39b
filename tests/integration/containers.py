# SPDX-License-Identifier: Apache-2.0
"""Labels of a merged profile against the groups in which its processes ran.
usage: containers.py PROFILE GROUPS     a line of GROUPS: COMM GROUP CONTAINER_ID POD_UID UNIT, "-" for none"""
import sys

from pprof_read import Profile


def main():
    profile = Profile(sys.argv[1])
    failed = False
    with open(sys.argv[2], encoding="utf-8") as file:
        lines = [line.split() for line in file]
    for comm, group, container, pod, unit in lines:
        wanted = {"container_id": container, "pod_uid": pod, "unit": unit}
        # As the last step of its start it takes its name.
        own = [labels for _, _, labels in profile.samples if labels.get("comm") == comm[:15]]
        wrong = [labels for labels in own
                 if any(labels.get(key, "-") != value for key, value in wanted.items())
                 or not labels.get("cgroup", "").endswith(group)]
        is_ok = len(own) > 0 and not wrong
        print("ok" if is_ok else "not ok", f"live_owner_{comm.replace('-', '_')}")
        if not is_ok:
            failed = True
            print(f"live_owner_{comm}: {len(own)} samples, wrong: {wrong[:2]}", file=sys.stderr)
    sys.exit(failed)


main()
