#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Whose a process is, by the control group that it runs in: real groups, named as runtimes, Kubernetes and systemd do.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

id=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
other=fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210
uid=31dfdd5b-5a1a-4b3d-9a7c-0123456789ab
slice=kubepods-burstable-pod31dfdd5b_5a1a_4b3d_9a7c_0123456789ab.slice

# name, group, container, pod, unit
groups()
{
	cat <<-END
		docker /docker/$id $id - -
		docker-systemd /system.slice/docker-$id.scope $id - -
		podman-rootless /user.slice/user-1000.slice/user@1000.service/user.slice/libpod-$id.scope/container $id - -
		pod-cgroupfs /kubepods/burstable/pod$uid/$id $id $uid -
		pod-containerd /kubepods.slice/kubepods-burstable.slice/$slice/cri-containerd-$id.scope $id $uid -
		pod-crio /kubepods.slice/kubepods-burstable.slice/$slice/crio-$other.scope $other $uid -
		kind /docker/$other/kubelet.slice/kubelet-$slice/cri-containerd-$id.scope $id $uid -
		service /system.slice/nginx.service - - nginx.service
		session /user.slice/user-1000.slice/session-3.scope - - session-3.scope
		nothing /plain - - -
	END
}

root=
# The memory hierarchy of v1 goes before, for hostprof too.
for candidate in /sys/fs/cgroup/memory /sys/fs/cgroup; do
	if [ -e "$candidate/cgroup.procs" ] && mkdir "$candidate/hostprof-owners-$$" 2>/dev/null; then
		root=$candidate/hostprof-owners-$$
		break
	fi
done
# shellcheck disable=SC2317,SC2329 # at the end
leave_groups()
{
	local pid

	find "$root" -name cgroup.procs -exec cat {} + 2>/dev/null | while read -r pid; do
		kill "$pid" 2>/dev/null
	done
	wait_for 5 remove_groups
}
# shellcheck disable=SC2317,SC2329 # by leave_groups
remove_groups()
{
	find "$root" -depth -type d -exec rmdir {} \; 2>/dev/null
	[ ! -e "$root" ]
}
# shellcheck disable=SC2317,SC2329 # by wait_for
all_moved()
{
	[ "$(find "$root" -name cgroup.procs -exec cat {} + | wc -l)" -eq "$(groups | wc -l)" ]
}

if [ -n "$root" ]; then
	at_end+=(leave_groups)
	while read -r name group _; do
		mkdir -p "$root$group"
		in_background sh -c "echo \$\$ >$root$group/cgroup.procs && exec $WORKLOADS/comm_name 600 $name"
	done < <(groups)
	if wait_for 5 all_moved; then
		record -F 499 -d 2 -o "$T/all.pb.gz"
		groups >"$T/groups"
		verdicts python3 "$here/containers.py" "$T/all.pb.gz" "$T/groups"
	else
		skip live_owner "no process can be moved into a group"
	fi
else
	skip live_owner "no control group can be made"
fi
finish
