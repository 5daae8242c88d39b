/* SPDX-License-Identifier: Apache-2.0 */
/* The path is read from the root on, and what lies deeper wins:
 *
 *     /docker/ID/kubelet/kubepods/burstable/podUID/ID          kind: a node that is a container
 *     /kubepods/burstable/podUID/ID/docker/ID                  Docker in a pod: the pod's container is told
 *     /docker/ID/system.slice/nginx.service                    systemd in a container
 *     /system.slice/docker-ID.scope                            a unit that is a container is told as that
 */
#include "label/cgroup_path.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define ID_DIGITS 64
#define TASK_DIGITS 32 /* of ECS, and of a static pod's uid */
#define UID_CHARS 36
#define DIGITS "0123456789"
#define HEX "0123456789abcdef"

/* A piece of the path, without NUL. */
struct piece {
	const char *text;
	size_t len;
};

struct parsing {
	struct cgroup_owner *owner;
	const char *runtime;	/* that the directory above told, or "" */
	bool is_of_ecs;		/* below /ecs */
	bool has_pod_container; /* the first container below the pod is found */
};

static bool is_text(struct piece piece, const char *text)
{
	return piece.len == strlen(text) && memcmp(piece.text, text, piece.len) == 0;
}

static bool ends_with(struct piece piece, const char *end)
{
	size_t len = strlen(end);

	return piece.len > len && memcmp(piece.text + piece.len - len, end, len) == 0;
}

static bool consists_of(struct piece piece, const char *chars)
{
	for (size_t i = 0; i < piece.len; i++)
		if (!piece.text[i] || !strchr(chars, piece.text[i]))
			return false;
	return true;
}

static struct piece without_end(struct piece piece, const char *end)
{
	if (ends_with(piece, end))
		piece.len -= strlen(end);
	return piece;
}

/* `size` counts the NUL. */
static void copy(struct piece piece, char *to, size_t size)
{
	if (piece.len >= size)
		piece.len = size - 1;
	memcpy(to, piece.text, piece.len);
	to[piece.len] = 0;
}

/* --- containers ----------------------------------------------------------------------------------------------------
 */

/* By what stands before an id, or is the directory that holds it. */
static const char *runtime_of(struct piece name)
{
	static const struct {
		const char *name, *runtime;
	} runtimes[] = {{"cri-containerd", "containerd"},
			{"containerd", "containerd"},
			{"nerdctl", "containerd"},
			{"crio", "cri-o"},
			{"docker", "docker"},
			{"libpod", "podman"},
			{"libpod_parent", "podman"}};

	for (size_t i = 0; i < sizeof(runtimes) / sizeof(runtimes[0]); i++)
		if (is_text(name, runtimes[i].name))
			return runtimes[i].runtime;
	return "";
}

/* TASK-NUMBER, as ECS on Fargate has it. */
static bool is_fargate_id(struct piece name)
{
	struct piece task = {name.text, TASK_DIGITS}, number;

	if (name.len <= TASK_DIGITS + 1 || name.len >= CGROUP_ID_BYTES || name.text[TASK_DIGITS] != '-')
		return false;
	number = (struct piece){name.text + TASK_DIGITS + 1, name.len - TASK_DIGITS - 1};
	return consists_of(task, HEX) && consists_of(number, DIGITS);
}

/* Splits "RUNTIME-ID" or "ID", without ".scope". */
static bool find_id(const struct parsing *parsing, struct piece name, struct piece *ret_id, const char **ret_runtime)
{
	struct piece id, before = {name.text, 0};

	if (parsing->is_of_ecs && is_fargate_id(name)) {
		*ret_id = name;
		*ret_runtime = "";
		return true;
	}
	if (name.len < ID_DIGITS)
		return false;
	id = (struct piece){name.text + name.len - ID_DIGITS, ID_DIGITS};
	if (!consists_of(id, HEX))
		return false;
	*ret_id = id;
	*ret_runtime = parsing->runtime;
	if (name.len == ID_DIGITS)
		return true;
	before.len = name.len - ID_DIGITS - 1;
	/* The runtime's own process beside a container: "crio-conmon-ID". */
	if (name.text[before.len] != '-' || is_text(before, "conmon") || ends_with(before, "-conmon"))
		return false;
	*ret_runtime = runtime_of(before);
	return true;
}

static void take_container(struct parsing *parsing, struct piece id, const char *runtime)
{
	struct cgroup_owner *owner = parsing->owner;

	owner->unit[0] = 0; /* it was what the container runs in */
	if (parsing->has_pod_container)
		return;
	copy(id, owner->container_id, sizeof(owner->container_id));
	owner->runtime = runtime;
	parsing->has_pod_container = owner->pod_uid[0];
}

/* --- pods ----------------------------------------------------------------------------------------------------------
 */

static bool is_uid(struct piece text)
{
	if (text.len == TASK_DIGITS)
		return consists_of(text, HEX);
	if (text.len != UID_CHARS)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (is_dash ? text.text[i] != '-' && text.text[i] != '_' : !strchr(HEX, text.text[i]))
			return false;
	}
	return true;
}

/* "podUID", or "kubepods-burstable-podUID" without ".slice". */
static bool find_pod(struct piece name, struct piece *ret)
{
	static const size_t lengths[] = {UID_CHARS, TASK_DIGITS};

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct piece uid, pod;

		if (name.len < lengths[i] + 3)
			continue;
		uid = (struct piece){name.text + name.len - lengths[i], lengths[i]};
		pod = (struct piece){name.text, name.len - lengths[i]};
		if (is_uid(uid) && (is_text(pod, "pod") || ends_with(pod, "-pod"))) {
			*ret = uid;
			return true;
		}
	}
	return false;
}

static void take_pod(struct parsing *parsing, struct piece uid)
{
	struct cgroup_owner *owner = parsing->owner;

	copy(uid, owner->pod_uid, sizeof(owner->pod_uid));
	for (char *at = owner->pod_uid; *at; at++)
		if (*at == '_')
			*at = '-';
	/* What holds it is a node. */
	owner->container_id[0] = owner->unit[0] = 0;
	owner->runtime = "";
	parsing->has_pod_container = false;
}

/* --- the path ------------------------------------------------------------------------------------------------------
 */

static void take_name(struct parsing *parsing, struct piece name)
{
	struct piece bare = without_end(without_end(name, ".scope"), ".slice"), id;
	const char *runtime;

	if (find_pod(bare, &id))
		take_pod(parsing, id);
	else if (find_id(parsing, bare, &id, &runtime))
		take_container(parsing, id, runtime);
	else if (ends_with(name, ".service") || ends_with(name, ".scope"))
		copy(name, parsing->owner->unit, sizeof(parsing->owner->unit));
	if (is_text(name, "ecs"))
		parsing->is_of_ecs = true;
	parsing->runtime = runtime_of(name);
}

void cgroup_path_parse(const char *path, struct cgroup_owner *ret)
{
	struct parsing parsing = {.owner = ret, .runtime = ""};

	*ret = (struct cgroup_owner){.runtime = ""};
	while (*path) {
		/* containerd without a systemd of its own: "kubepods-burstable-podUID.slice:cri-containerd:ID". */
		struct piece name = {path, strcspn(path, "/:")};

		if (name.len)
			take_name(&parsing, name);
		path += name.len;
		path += *path ? 1 : 0;
	}
}
