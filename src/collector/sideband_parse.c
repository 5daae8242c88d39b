/* SPDX-License-Identifier: Apache-2.0 */
/* One perf record to one struct sideband_record. A record is a header, a body by type, and the trailer that
 * sample_id_all adds:
 *
 *     type u32, misc u16, size u16 | body … | pid u32, tid u32, time u64, cpu u32, reserved u32, id u64
 */
#include "collector/sideband.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <sys/mman.h>

#include "base/cursor.h"
#include "collector/sideband_internal.h"

static void parse_mmap(struct cursor *body, uint16_t misc, bool is_mmap2, struct sideband_record *record)
{
	record->tgid = cursor_u32(body);
	record->tid = cursor_u32(body);
	record->mmap.start = cursor_u64(body);
	record->mmap.len = cursor_u64(body);
	record->mmap.file_off = cursor_u64(body);
	record->mmap.prot = PROT_READ | PROT_EXEC;
	if (is_mmap2 && misc & PERF_RECORD_MISC_MMAP_BUILD_ID) {
		record->mmap.build_id_len = cursor_u8(body);
		cursor_skip(body, 3);
		cursor_copy(body, record->mmap.build_id, sizeof(record->mmap.build_id));
		if (record->mmap.build_id_len > sizeof(record->mmap.build_id))
			body->failed = true;
	} else if (is_mmap2) {
		record->mmap.dev_major = cursor_u32(body);
		record->mmap.dev_minor = cursor_u32(body);
		record->mmap.ino = cursor_u64(body);
		record->mmap.ino_generation = cursor_u64(body);
	}
	if (is_mmap2) {
		record->mmap.prot = cursor_u32(body);
		record->mmap.flags = cursor_u32(body);
	}
	record->mmap.path = cursor_cstr(body, NULL);
	record->mmap.is_kernel =
		(misc & PERF_RECORD_MISC_CPUMODE_MASK) == PERF_RECORD_MISC_KERNEL || record->tgid == UINT32_MAX;
}

static void parse_namespaces(struct cursor *body, struct sideband_record *record)
{
	uint64_t n;

	record->tgid = cursor_u32(body);
	record->tid = cursor_u32(body);
	n = cursor_u64(body);
	/* The bytes bound the count. */
	for (uint64_t i = 0; i < n && cursor_ok(body); i++) {
		uint64_t ino;

		cursor_skip(body, sizeof(uint64_t)); /* device of nsfs */
		ino = cursor_u64(body);
		if (i == MNT_NS_INDEX)
			record->namespaces.mnt_ns = (uint32_t)ino;
		else if (i == PID_NS_INDEX)
			record->namespaces.pid_ns = (uint32_t)ino;
	}
}

/* false: a record that we do not use. */
static bool parse_body(uint32_t type, uint16_t misc, struct cursor *body, struct sideband_record *record)
{
	switch (type) {
	case PERF_RECORD_MMAP:
	case PERF_RECORD_MMAP2:
		record->type = SIDEBAND_MMAP;
		if (misc & PERF_RECORD_MISC_MMAP_DATA)
			return false;
		parse_mmap(body, misc, type == PERF_RECORD_MMAP2, record);
		return body->failed || record->mmap.prot & PROT_EXEC;
	case PERF_RECORD_COMM:
		record->type = SIDEBAND_COMM;
		record->tgid = cursor_u32(body);
		record->tid = cursor_u32(body);
		record->comm.is_exec = misc & PERF_RECORD_MISC_COMM_EXEC;
		record->comm.comm = cursor_cstr(body, NULL);
		return true;
	case PERF_RECORD_FORK:
	case PERF_RECORD_EXIT:
		record->type = type == PERF_RECORD_FORK ? SIDEBAND_FORK : SIDEBAND_EXIT;
		record->tgid = cursor_u32(body);
		record->task.parent_tgid = cursor_u32(body);
		record->tid = cursor_u32(body);
		record->task.parent_tid = cursor_u32(body);
		cursor_skip(body, sizeof(uint64_t)); /* the time, which the trailer has too */
		return true;
	case PERF_RECORD_NAMESPACES:
		record->type = SIDEBAND_NAMESPACES;
		parse_namespaces(body, record);
		return true;
	case PERF_RECORD_CGROUP:
		record->type = SIDEBAND_CGROUP;
		record->cgroup.id = cursor_u64(body);
		record->cgroup.path = cursor_cstr(body, NULL);
		return true;
	case PERF_RECORD_KSYMBOL:
		record->type = SIDEBAND_KSYMBOL;
		record->ksymbol.address = cursor_u64(body);
		record->ksymbol.len = cursor_u32(body);
		record->ksymbol.type = cursor_u16(body);
		record->ksymbol.is_unregister = cursor_u16(body) & PERF_RECORD_KSYMBOL_FLAGS_UNREGISTER;
		record->ksymbol.name = cursor_cstr(body, NULL);
		return true;
	case PERF_RECORD_LOST:
		record->type = SIDEBAND_LOST;
		cursor_skip(body, sizeof(uint64_t)); /* id of the event */
		record->lost.records = cursor_u64(body);
		return true;
	default:
		return false;
	}
}

int sideband_parse(const void *bytes, size_t len, struct sideband_record *ret)
{
	struct sideband_record record = {0};
	struct cursor cursor, body;
	uint16_t misc, size;
	uint32_t type;

	cursor_init(&cursor, bytes, len);
	type = cursor_u32(&cursor);
	misc = cursor_u16(&cursor);
	size = cursor_u16(&cursor);
	if (!cursor_ok(&cursor) || size != len || len < SIDEBAND_HEADER_BYTES + SIDEBAND_TRAILER_BYTES)
		return -EBADMSG;
	body = cursor_sub(&cursor, len - SIDEBAND_HEADER_BYTES - SIDEBAND_TRAILER_BYTES);
	record.tgid = cursor_u32(&cursor);
	record.tid = cursor_u32(&cursor);
	record.mono_ns = cursor_u64(&cursor);
	record.cpu = cursor_u32(&cursor);
	if (!parse_body(type, misc, &body, &record))
		return 0;
	if (!cursor_ok(&cursor) || !cursor_ok(&body))
		return -EBADMSG;
	*ret = record;
	return 1;
}
