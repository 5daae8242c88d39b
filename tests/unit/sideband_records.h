/* SPDX-License-Identifier: Apache-2.0 */
/* Perf records as the kernel writes them for sideband_open(), built by hand. */
#pragma once

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define RECORDS_MAX (1u << 20)

struct records {
	uint8_t *bytes; /* RECORDS_MAX of them */
	size_t len;
	size_t start; /* of the record that is being built */
	uint64_t n;
	uint64_t mono_ns; /* of the next record */
	uint32_t cpu;
};

static inline void records_put(struct records *records, const void *bytes, size_t n)
{
	if (records->len + n > RECORDS_MAX)
		return;
	memcpy(records->bytes + records->len, bytes, n);
	records->len += n;
}

static inline void records_u32(struct records *records, uint32_t value)
{
	records_put(records, &value, sizeof(value));
}

static inline void records_u64(struct records *records, uint64_t value)
{
	records_put(records, &value, sizeof(value));
}

/* NUL-terminated and padded to a multiple of eight, as the kernel does. */
static inline void records_str(struct records *records, const char *str)
{
	static const uint8_t zeros[8];
	size_t len = strlen(str) + 1;

	records_put(records, str, len);
	records_put(records, zeros, (8 - len % 8) % 8);
}

static inline void records_begin(struct records *records, uint32_t type, uint16_t misc)
{
	struct perf_event_header header = {.type = type, .misc = misc};

	records->start = records->len;
	records_put(records, &header, sizeof(header));
}

static inline void records_end(struct records *records, uint32_t tgid, uint32_t tid)
{
	struct perf_event_header header;

	records_u32(records, tgid);
	records_u32(records, tid);
	records_u64(records, records->mono_ns);
	records_u32(records, records->cpu);
	records_u32(records, 0);
	records_u64(records, 4711); /* id of the event */
	memcpy(&header, records->bytes + records->start, sizeof(header));
	header.size = (uint16_t)(records->len - records->start);
	memcpy(records->bytes + records->start, &header, sizeof(header));
	records->n++;
}

static inline void records_task(struct records *records, uint32_t type, uint32_t tgid, uint32_t tid,
				uint32_t parent_tgid)
{
	records_begin(records, type, 0);
	records_u32(records, tgid);
	records_u32(records, parent_tgid);
	records_u32(records, tid);
	records_u32(records, parent_tgid);
	records_u64(records, records->mono_ns);
	records_end(records, parent_tgid, parent_tgid);
}

static inline void records_fork(struct records *records, uint32_t tgid, uint32_t parent_tgid)
{
	records_task(records, PERF_RECORD_FORK, tgid, tgid, parent_tgid);
}

static inline void records_thread(struct records *records, uint32_t tgid, uint32_t tid)
{
	records_task(records, PERF_RECORD_FORK, tgid, tid, tgid);
}

static inline void records_exit(struct records *records, uint32_t tgid, uint32_t tid)
{
	records_task(records, PERF_RECORD_EXIT, tgid, tid, 1);
}

static inline void records_comm_of(struct records *records, uint32_t tgid, uint32_t tid, const char *comm, bool is_exec)
{
	records_begin(records, PERF_RECORD_COMM, is_exec ? PERF_RECORD_MISC_COMM_EXEC : 0);
	records_u32(records, tgid);
	records_u32(records, tid);
	records_str(records, comm);
	records_end(records, tgid, tid);
}

static inline void records_comm(struct records *records, uint32_t tgid, const char *comm)
{
	records_comm_of(records, tgid, tgid, comm, false);
}

static inline void records_exec(struct records *records, uint32_t tgid, const char *comm)
{
	records_comm_of(records, tgid, tgid, comm, true);
}

/* By device and inode. */
static inline void records_mmap(struct records *records, uint32_t tgid, uint64_t start, uint64_t len, uint64_t file_off,
				uint64_t ino, const char *path)
{
	records_begin(records, PERF_RECORD_MMAP2, PERF_RECORD_MISC_USER);
	records_u32(records, tgid);
	records_u32(records, tgid);
	records_u64(records, start);
	records_u64(records, len);
	records_u64(records, file_off);
	records_u32(records, 8);
	records_u32(records, 1);
	records_u64(records, ino);
	records_u64(records, ino ? 77 : 0);
	records_u32(records, PROT_READ | PROT_EXEC);
	records_u32(records, MAP_PRIVATE);
	records_str(records, path);
	records_end(records, tgid, tgid);
}

static inline void records_mmap_build_id(struct records *records, uint32_t tgid, uint64_t start, uint64_t len,
					 uint64_t file_off, uint8_t build_id, uint8_t build_id_len, const char *path)
{
	uint8_t id[24] = {build_id_len};

	memset(id + 4, build_id, 20);
	records_begin(records, PERF_RECORD_MMAP2, PERF_RECORD_MISC_USER | PERF_RECORD_MISC_MMAP_BUILD_ID);
	records_u32(records, tgid);
	records_u32(records, tgid);
	records_u64(records, start);
	records_u64(records, len);
	records_u64(records, file_off);
	records_put(records, id, sizeof(id));
	records_u32(records, PROT_READ | PROT_EXEC);
	records_u32(records, MAP_PRIVATE);
	records_str(records, path);
	records_end(records, tgid, tgid);
}

static inline void records_namespaces(struct records *records, uint32_t tgid, uint32_t tid, uint32_t mnt_ns,
				      uint32_t pid_ns)
{
	records_begin(records, PERF_RECORD_NAMESPACES, 0);
	records_u32(records, tgid);
	records_u32(records, tid);
	records_u64(records, NR_NAMESPACES);
	for (int i = 0; i < NR_NAMESPACES; i++) {
		records_u64(records, 4);
		records_u64(records, i == MNT_NS_INDEX	 ? mnt_ns
				     : i == PID_NS_INDEX ? pid_ns
							 : 4026531840u + (uint32_t)i);
	}
	records_end(records, tgid, tid);
}

static inline void records_cgroup(struct records *records, uint64_t id, const char *path)
{
	records_begin(records, PERF_RECORD_CGROUP, 0);
	records_u64(records, id);
	records_str(records, path);
	records_end(records, 1, 1);
}

static inline void records_ksymbol(struct records *records, uint64_t address, uint32_t len, bool is_unregister,
				   const char *name)
{
	uint16_t type_and_flags[2] = {PERF_RECORD_KSYMBOL_TYPE_BPF,
				      is_unregister ? PERF_RECORD_KSYMBOL_FLAGS_UNREGISTER : 0};

	records_begin(records, PERF_RECORD_KSYMBOL, 0);
	records_u64(records, address);
	records_u32(records, len);
	records_put(records, type_and_flags, sizeof(type_and_flags));
	records_str(records, name);
	records_end(records, 0, 0);
}

static inline void records_lost(struct records *records, uint64_t lost)
{
	records_begin(records, PERF_RECORD_LOST, 0);
	records_u64(records, 4711);
	records_u64(records, lost);
	records_end(records, 1, 1);
}
