/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/table_maps.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "wire/sampler.h"
#include "profiler.skel.h"

#define SEGMENT_MAP_BYTES (UNWIND_SEGMENT_BYTES + UNWIND_SEGMENT_SLACK)

static size_t whole_pages(size_t bytes)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);

	return (bytes + page_bytes - 1) / page_bytes * page_bytes;
}

static int map_memory(int fd, size_t bytes, void **ret)
{
	void *at = mmap(NULL, whole_pages(bytes), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return -errno;
	*ret = at;
	return 0;
}

static void unmap_memory(void *at, size_t bytes)
{
	if (at)
		munmap(at, whole_pages(bytes));
}

int table_maps_init(struct table_maps *maps, const struct profiler *programs, uint32_t max_segments)
{
	int err;

	*maps = (struct table_maps){.outer_fd = bpf_map__fd(programs->maps.unwind_segments),
				    .max_segments = max_segments};
	vec_init(&maps->segments, max_segments);
	err = map_memory(bpf_map__fd(programs->maps.unwind_rules), UNWIND_MAX_RULES * sizeof(*maps->rules),
			 (void **)&maps->rules);
	if (!err)
		err = map_memory(bpf_map__fd(programs->maps.unwind_objects),
				 UNWIND_MAX_OBJECTS * sizeof(*maps->objects), (void **)&maps->objects);
	if (!err)
		err = map_memory(bpf_map__fd(programs->maps.unwind_processes),
				 UNWIND_MAX_PROCESSES * sizeof(*maps->processes), (void **)&maps->processes);
	return err;
}

void table_maps_release(struct table_maps *maps)
{
	unmap_memory(maps->rules, UNWIND_MAX_RULES * sizeof(*maps->rules));
	unmap_memory(maps->objects, UNWIND_MAX_OBJECTS * sizeof(*maps->objects));
	unmap_memory(maps->processes, UNWIND_MAX_PROCESSES * sizeof(*maps->processes));
	vec_for_each (&maps->segments, segment)
		unmap_memory(*segment, SEGMENT_MAP_BYTES);
	vec_release(&maps->segments);
	*maps = (struct table_maps){.outer_fd = -1};
}

int table_maps_add_segment(struct table_maps *maps, uint32_t index, void **ret)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
	void **slot, *at;
	int fd, err;

	if (index >= maps->max_segments || index != maps->segments.len)
		return -ENOSPC;
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "unwind_segment", sizeof(uint32_t), SEGMENT_MAP_BYTES, 1, &options);
	if (fd < 0)
		return fd;
	err = map_memory(fd, SEGMENT_MAP_BYTES, &at);
	if (!err && bpf_map_update_elem(maps->outer_fd, &index, &fd, BPF_ANY)) {
		err = -errno;
		unmap_memory(at, SEGMENT_MAP_BYTES);
	}
	close(fd); /* the outer map and the mapping hold it */
	if (err)
		return err;
	slot = vec_push(&maps->segments);
	if (!slot) {
		bpf_map_delete_elem(maps->outer_fd, &index);
		unmap_memory(at, SEGMENT_MAP_BYTES);
		return -ENOMEM;
	}
	*slot = *ret = at;
	return 0;
}

uint64_t table_maps_segment_bytes(const struct table_maps *maps)
{
	return maps->segments.len * whole_pages(SEGMENT_MAP_BYTES);
}
