/* SPDX-License-Identifier: Apache-2.0 */
/* Paths of control groups, a line each. Seeds: the paths of tests/integration/containers.sh, of three schemes each. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "label/cgroup_path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *path = strndup((const char *)data, size);
	struct cgroup_owner owner;
	size_t id, uid;

	if (!path)
		abort();
	cgroup_path_parse(path, &owner);
	id = strlen(owner.container_id);
	uid = strlen(owner.pod_uid);
	if (strspn(owner.container_id, "0123456789abcdef-") != id || (id && id < 34) ||
	    (uid && uid != 32 && uid != 36) || strchr(owner.pod_uid, '_') || strchr(owner.unit, '/') ||
	    (owner.runtime[0] && !id))
		abort();
	free(path);
	return 0;
}
