/* SPDX-License-Identifier: Apache-2.0 */
/* Who runs in a control group, by the names that container runtimes, Kubernetes and systemd give to their groups.
 *
 * The names are conventions, so the sources are the runtimes' own: Kubernetes' "cgroupDriver" (cgroupfs:
 * /kubepods/burstable/podUID/ID; systemd: kubepods-burstable-podUID.slice/RUNTIME-ID.scope, with "_" for "-" in UID),
 * Docker
 * (/docker/ID, docker-ID.scope), Podman (libpod-ID.scope, also below user@UID.service), containerd and nerdctl
 * (cri-containerd-ID.scope, nerdctl-ID.scope), CRI-O (crio-ID.scope), Amazon ECS (/ecs/TASK/ID), systemd.unit(5). */
#pragma once

#define CGROUP_ID_BYTES 72
#define CGROUP_UID_BYTES 40
#define CGROUP_UNIT_BYTES 257 /* systemd: UNIT_NAME_MAX is 256, NUL included */

struct cgroup_owner {
	/* Lower-case hex, 64 digits as a rule; "": in no container. */
	char container_id[CGROUP_ID_BYTES];
	const char *runtime; /* "containerd", "cri-o", "docker", "podman"; "": not told; static */
	/* Of a Kubernetes pod, with "-"; of a static pod 32 hex digits; "": in no pod. */
	char pod_uid[CGROUP_UID_BYTES];
	/* "nginx.service", "session-3.scope"; "": in none. Within a container it is the container's. */
	char unit[CGROUP_UNIT_BYTES];
};

/* Never fails: what is not known stays empty. `path` is the third field of a line of /proc/PID/cgroup, cgroups(7). */
void cgroup_path_parse(const char *path, struct cgroup_owner *ret);
