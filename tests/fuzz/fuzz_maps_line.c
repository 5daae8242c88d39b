/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of /proc/PID/maps, and the other texts of that directory whose parsers share its manner (cgroup, namespace
 * links). Seeds: head -40 /proc/self/maps >corpus/maps_line/self; cat /proc/self/cgroup >corpus/maps_line/cgroup;
 *        readlink /proc/self/ns/mnt >corpus/maps_line/namespace; odd.txt is written by hand. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "opener/procfs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[MESSAGE_MAX_PATH];
	struct proc_cgroup cgroup;
	struct cursor all, line;
	struct proc_map map;
	uint32_t ino;

	cursor_init(&all, data, size);
	while (cursor_line(&all, &line)) {
		if (proc_map_parse(line, &map))
			continue;
		if (map.start >= map.limit || map.path_len > size || (map.path_len && !map.path))
			abort();
		if (proc_map_path(&map, path, sizeof(path)) > (int)map.path_len)
			abort();
	}
	if (!proc_cgroup_parse((const char *)data, size, &cgroup) &&
	    (cgroup.path < data || cgroup.path + cgroup.path_len > data + size || cgroup.path[0] != '/'))
		abort();
	proc_namespace_parse((const char *)data, size, &ino);
	return 0;
}
