/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of the encoders: a profile with a bit of everything, a sink into memory, gzip, golden files. */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <zlib.h>

#include "base/buf.h"
#include "encode/sink.h"
#include "profile/profile.h"
#include "test.h"

#define ENCODED_MAX_BYTES (64u << 20)
#define SAMPLE_PERIOD_NS 10101010

/* --- building -------------------------------------------------------------------------------------------------------
 */

static inline struct profile *new_profile(void)
{
	const struct profile_limits limits = {.max_bytes = ENCODED_MAX_BYTES};
	struct profile *profile;

	assert_int_equal(profile_new(&limits, &profile), 0);
	assert_int_equal(profile_add_sample_type(profile, "samples", "count"), 0);
	assert_int_equal(profile_add_sample_type(profile, "cpu", "nanoseconds"), 0);
	assert_int_equal(profile_set_period(profile, "cpu", "nanoseconds", SAMPLE_PERIOD_NS), 0);
	profile_set_time(profile, 1700000000000000000, 10000000000);
	return profile;
}

static inline uint32_t add_mapping(struct profile *profile, const char *file, uint64_t start)
{
	const struct profile_mapping mapping = {
		.start = start, .limit = start + 0x100000, .file_off = 0x1000, .file = file, .build_id = "c0ffee"};
	uint32_t id;

	assert_int_equal(profile_add_mapping(profile, &mapping, &id), 0);
	return id;
}

/* One line. A name that begins with '+' is a stand-in, without the '+'. */
static inline uint32_t add_location(struct profile *profile, uint32_t mapping, uint64_t address, const char *name)
{
	const bool is_stand_in = *name == '+' || *name == '[';
	const struct profile_function function = {.name = name + (*name == '+'),
						  .system_name = is_stand_in ? "" : name};
	struct profile_line line = {0};
	uint32_t id;

	assert_int_equal(profile_add_function(profile, &function, &line.function), 0);
	assert_int_equal(profile_add_location(profile, mapping, address, &line, 1, &id), 0);
	return id;
}

/* Leaf first. */
static inline void add_sample(struct profile *profile, const char *comm, const char *pid, const uint32_t *locations,
			      size_t n, int64_t count)
{
	const struct profile_label labels[] = {{.key = "pid", .str = pid}, {.key = "comm", .str = comm}};
	const int64_t values[] = {count, count * SAMPLE_PERIOD_NS};

	assert_int_equal(profile_add_sample(profile, locations, n, labels, 2, values), 0);
}

/* Inlining, the kernel, a module, a stand-in, a truncated stack, equal stacks of two processes, bytes that are not
 * UTF-8. `is_reversed` adds the samples, and the things they need, in the opposite order. */
static inline struct profile *sample_profile(bool is_reversed)
{
	struct profile *profile = new_profile();
	const uint32_t program = add_mapping(profile, "/usr/bin/program", 0x400000);

	for (int step = 0; step < 6; step++) {
		switch (is_reversed ? 5 - step : step) {
		case 0: {
			const uint32_t kernel = add_mapping(profile, "[kernel.kallsyms]", 0xffffffff81000000);
			const uint32_t stack[] = {
				add_location(profile, kernel, 0xffffffff81000010, "clear_page_erms"),
				add_location(profile, kernel, 0xffffffff81000020, "asm_exc_page_fault"),
				add_location(profile, program, 0x400100, "fill"),
				add_location(profile, program, 0x400200, "main")};

			add_sample(profile, "program", "100", stack, 4, 7);
			break;
		}
		case 1: {
			const struct profile_function inner = {
				.name = "at", .system_name = "_Z2atv", .file = "/src/a.h", .start_line = 10};
			const struct profile_function outer = {
				.name = "work", .system_name = "_Z4workv", .file = "/src/a.cc", .start_line = 20};
			struct profile_line lines[] = {{.line = 12, .column = 3}, {.line = 25}};
			uint32_t stack[2];

			assert_int_equal(profile_add_function(profile, &inner, &lines[0].function), 0);
			assert_int_equal(profile_add_function(profile, &outer, &lines[1].function), 0);
			assert_int_equal(profile_add_location(profile,
							      add_mapping(profile, "/usr/lib/liba.so", 0x7f0000000000),
							      0x7f0000000123, lines, 2, &stack[0]),
					 0);
			stack[1] = add_location(profile, program, 0x400200, "main");
			add_sample(profile, "program", "100", stack, 2, 30);
			add_sample(profile, "program", "101", stack, 2, 12);
			break;
		}
		case 2: {
			const uint32_t stripped = add_mapping(profile, "/usr/lib/libstripped.so.1", 0x7f1000000000);
			const uint32_t stack[] = {
				add_location(profile, stripped, 0x7f1000000012, "+[stripped libstripped.so.1+0x12]"),
				add_location(profile, 0, 0, "[truncated: no frame pointer]")};

			add_sample(profile, "other", "7", stack, 2, 3);
			break;
		}
		case 3: {
			const uint32_t module = add_mapping(profile, "[nf_tables]", 0xffffffffc0000000);
			const uint32_t stack[] = {add_location(profile, module, 0xffffffffc0000042, "nft_do_chain"),
						  add_location(profile, module, 0xffffffffc0000142, "ret_from_fork")};

			add_sample(profile, "kworker/0:1", "9", stack, 2, 1);
			break;
		}
		case 4: {
			const uint32_t stack[] = {add_location(profile, program, 0x400300, "a;b\nc"),
						  add_location(profile, program, 0x400200, "main")};

			add_sample(profile, "od;d \xff", "8", stack, 2, 2);
			break;
		}
		default: {
			const uint32_t stack[] = {add_location(profile, program, 0x400200, "main")};

			add_sample(profile, "program", "100", stack, 1, 5);
			break;
		}
		}
	}
	assert_int_equal(profile_add_comment(profile, "hostprof.taken: 60"), 0);
	return profile;
}

/* --- bytes
 * ------------------------------------------------------------------------------------------------------------ */

static inline int sink_to_buf_write(void *ctx, const void *bytes, size_t n)
{
	return buf_append(ctx, bytes, n);
}

static inline struct sink sink_to_buf(struct buf *buf)
{
	buf_init(buf, ENCODED_MAX_BYTES);
	return (struct sink){.write = sink_to_buf_write, .ctx = buf};
}

/* Takes this many bytes, then the disk is full. */
static inline int sink_to_full_disk_write(void *ctx, const void *bytes, size_t n)
{
	size_t *left = ctx;

	(void)bytes;
	if (n > *left)
		return -ENOSPC;
	*left -= n;
	return 0;
}

static inline void gunzip(const struct buf *from, struct buf *ret)
{
	z_stream stream = {.next_in = from->data, .avail_in = (uInt)from->len};
	uint8_t *to;
	int state;

	buf_init(ret, ENCODED_MAX_BYTES);
	assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
	do {
		to = buf_reserve(ret, 65536);
		assert_non_null(to);
		stream.next_out = to;
		stream.avail_out = 65536;
		state = inflate(&stream, Z_NO_FLUSH);
		assert_true(state == Z_OK || state == Z_STREAM_END);
		ret->len += 65536 - stream.avail_out;
	} while (state != Z_STREAM_END);
	assert_int_equal(stream.avail_in, 0);
	inflateEnd(&stream);
}

/* Compares with tests/golden/NAME; with GOLDEN_RECORD in the environment writes it anew. `file` is __FILE__. */
static inline void assert_golden(const char *file, const char *name, const struct buf *text)
{
	const char *here = strstr(file, "tests/unit/");
	const bool is_recording = getenv("GOLDEN_RECORD") != NULL;
	char path[512], *wanted = NULL;
	size_t cap = 0;
	ssize_t len;
	FILE *golden;

	assert_non_null(here);
	snprintf(path, sizeof(path), "%.*stests/golden/%s", (int)(here - file), file, name);
	golden = fopen(path, is_recording ? "we" : "re");
	if (!golden)
		fail_msg("cannot open %s: run this from the top of the tree", path);
	if (is_recording) {
		assert_int_equal(fwrite(text->data, 1, text->len, golden), text->len);
		fclose(golden);
		return;
	}
	len = getdelim(&wanted, &cap, 0, golden);
	fclose(golden);
	if (len != (ssize_t)text->len || memcmp(wanted, text->data, text->len) != 0)
		fail_msg("differs from %s:\n%.*s", path, (int)text->len, (const char *)text->data);
	free(wanted);
}
