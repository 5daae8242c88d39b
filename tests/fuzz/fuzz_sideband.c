/* SPDX-License-Identifier: Apache-2.0 */
/* A perf record stream as hostile as can be, through queue, parser, merge and registry, with samples and scans of the
 * pids in between. The first byte chooses how the rest is cut into feeds. The seeds are written by
 * `registry_replay --corpus tests/fuzz/corpus/sideband` (tests/bench/registry_replay.c). */
#include "collector/registry.h"
#include "collector/sideband.h"

#include <stdlib.h>
#include <string.h>

#define MAX_PROCESSES 16
#define MAX_OBJECTS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(struct registry *registry, const struct sideband_record *record, uint32_t salt)
{
	struct process_record sample = {
		.kind = RECORD_PROCESS,
		.tgid = record->tgid,
		.start_boottime_ns = salt & 3 ? 1000 + (salt & 12) * 20000000ull : 0,
		.exec_id = salt >> 4 & 7,
		.mnt_ns = salt >> 7 & 3,
		.cgroup_id = salt >> 9 & 3,
		.flags = salt >> 11 & 1,
	};
	struct process *process = registry_attribute(registry, &sample, record->mono_ns - (salt >> 12 & 1)), *found[4];
	const struct mapping *mappings;
	uint32_t tgid, mnt_ns;
	uint64_t behind = 0;
	size_t n;

	registry_in_mount_namespace(registry, sample.mnt_ns, found, 4);
	registry_next_new_mount_namespace(registry, &tgid, &mnt_ns);
	if (!process)
		return;
	process_find_mapping(process, record->mmap.start);
	process_find_object(process, 1);
	mappings = process_mappings(process, &n);
	for (size_t i = 0; i < n; i++) {
		if (mappings[i].start < behind || mappings[i].start >= mappings[i].limit)
			abort();
		behind = mappings[i].limit;
	}
}

static void scan(struct registry *registry, const struct sideband_record *record, uint32_t salt)
{
	struct message_process process = {
		.start_boottime_ns = 1000 + (salt & 12) * 20000000ull,
		.scanned_mono_ns = record->mono_ns - (salt & 1),
		.tgid = record->tgid,
		.mnt_ns = salt >> 7 & 3,
		.cgroup_id = salt >> 9 & 3,
	};
	struct message_mappings *mappings = calloc(1, sizeof(*mappings) + 2 * sizeof(mappings->mappings[0]));

	if (!mappings)
		return;
	mappings->start_boottime_ns = process.start_boottime_ns;
	mappings->scanned_mono_ns = process.scanned_mono_ns;
	mappings->tgid = process.tgid;
	mappings->is_last = 1;
	mappings->n = 2;
	mappings->mappings[0] = (struct message_mapping){.start = 0x1000, .limit = 0x9000, .path_len = 2};
	mappings->mappings[1] = (struct message_mapping){.start = 0x9000, .limit = UINT64_MAX, .path_len = 2};
	registry_add_scanned(registry, &process, "/scanned");
	registry_add_scanned_mappings(registry, mappings, "/a/b");
	free(mappings);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct registry_options options = {.max_processes = MAX_PROCESSES};
	struct registry *registry = NULL;
	struct sideband *sideband = NULL;
	struct sideband_record record;
	size_t piece = size ? 1 + data[0] * 64u : 1;
	uint32_t salt = 1;

	if (object_table_new(MAX_OBJECTS, &options.objects) || registry_new(&options, &registry) ||
	    sideband_new_detached(2, &sideband))
		abort();
	for (size_t at = 1, cpu = 0; at < size; at += piece, cpu ^= 1) {
		sideband_feed(sideband, (uint32_t)cpu, data + at, piece < size - at ? piece : size - at);
		while (sideband_next(sideband, UINT64_MAX, &record)) {
			registry_apply(registry, &record);
			salt = salt * 1664525u + 1013904223u;
			if (salt >> 28 == 0)
				scan(registry, &record, salt >> 8);
			if (salt >> 30 == 1)
				ask(registry, &record, salt >> 8);
		}
	}
	for (struct process *process = registry_each(registry, NULL); process;
	     process = registry_each(registry, process))
		process_find_mapping(process, 0x1000);
	sideband_free(sideband);
	registry_free(registry);
	object_table_free(options.objects);
	return 0;
}
