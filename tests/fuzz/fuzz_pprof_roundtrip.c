/* SPDX-License-Identifier: Apache-2.0 */
/* A profile made as the bytes say (operations and small numbers, names of any bytes) goes through all encoders; what
 * pprof_encode() wrote, unpacked by the generated code, must be that profile by the rules of the format.
 * Corpus: libFuzzer's own, fuzz_pprof_roundtrip -merge=1 -max_len=2000 NEW OLD, of which few are kept by hand; and
 * what it once found, under names that say so. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/buf.h"
#include "base/cursor.h"
#include "base/text.h"
#include "encode/flamegraph_encode.h"
#include "encode/folded_encode.h"
#include "encode/pprof_encode.h"
#include "encode/profile.pb-c.h"
#include "encode/sink.h"
#include "profile/profile.h"

#define MAX_BYTES (32u << 20)
#define MAX_STEPS 2000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
	if (!holds)
		abort();
}

static int write_to_buf(void *ctx, const void *bytes, size_t n)
{
	return buf_append(ctx, bytes, n);
}

/* A NUL-terminated name of up to 15 bytes. */
static const char *name(struct cursor *input, char *to)
{
	size_t n = cursor_u8(input) & 15;

	if (n > cursor_left(input))
		n = cursor_left(input);
	cursor_copy(input, to, n);
	to[n] = 0;
	return to;
}

static void add_location(struct profile *profile, struct cursor *input)
{
	struct profile_line lines[3];
	const size_t n = cursor_u8(input) & 3;
	uint32_t id;

	for (size_t i = 0; i < n; i++)
		lines[i] = (struct profile_line){
			.function = cursor_u8(input), .line = (int8_t)cursor_u8(input), .column = cursor_u8(input)};
	(void)profile_add_location(profile, cursor_u8(input) & 7, cursor_u8(input), lines, n, &id);
}

static int64_t add_sample(struct profile *profile, struct cursor *input)
{
	struct profile_label labels[3];
	char keys[3][16], texts[3][16];
	uint32_t stack[255];
	const size_t n = cursor_u8(input), n_labels = cursor_u8(input) & 3;
	const int64_t values[] = {cursor_u8(input), (int8_t)cursor_u8(input)};

	for (size_t i = 0; i < n; i++)
		stack[i] = cursor_u8(input);
	for (size_t i = 0; i < n_labels; i++)
		labels[i] = (struct profile_label){.key = i ? name(input, keys[i]) : "comm",
						   .str = cursor_u8(input) & 1 ? name(input, texts[i]) : NULL,
						   .num = (int8_t)cursor_u8(input),
						   .unit = "u"};
	return profile_add_sample(profile, stack, n, labels, n_labels, values) ? 0 : values[0];
}

/* Returns the sum of the first values. */
static int64_t make(struct profile *profile, struct cursor *input)
{
	struct profile_function function = {0};
	struct profile_mapping mapping = {0};
	char first[16], second[16], third[16];
	int64_t sum = 0;
	uint32_t id;

	require(!profile_add_sample_type(profile, "samples", "count"));
	require(!profile_add_sample_type(profile, "cpu", "nanoseconds"));
	for (size_t step = 0; step < MAX_STEPS && !cursor_at_end(input); step++) {
		switch (cursor_u8(input) & 7) {
		case 0:
			function.name = name(input, first);
			function.system_name = name(input, second);
			function.file = name(input, third);
			function.start_line = (int8_t)cursor_u8(input);
			require(!profile_add_function(profile, &function, &id));
			break;
		case 1:
			mapping.file = name(input, first);
			mapping.build_id = name(input, second);
			mapping.start = cursor_u64(input);
			mapping.limit = cursor_u8(input);
			require(!profile_add_mapping(profile, &mapping, &id));
			break;
		case 2:
		case 3:
			add_location(profile, input);
			break;
		case 4:
			(void)profile_add_comment(profile, name(input, first));
			break;
		default:
			sum += add_sample(profile, input);
		}
	}
	return sum;
}

static void check(const struct profile *profile, const Perftools__Profiles__Profile *decoded, int64_t sum)
{
	uint32_t point;

	require(decoded->n_sample == profile_samples(profile) && decoded->n_sample_type == 2);
	require(decoded->n_string_table && !*decoded->string_table[0]);
	for (size_t i = 0; i < decoded->n_string_table; i++)
		for (const char *pos = decoded->string_table[i]; *pos;
		     pos += text_utf8_sequence(pos, strlen(pos), &point))
			require(text_utf8_sequence(pos, strlen(pos), &point) > 0);
	for (size_t i = 0; i < decoded->n_sample; i++) {
		require(decoded->sample[i]->n_location_id && decoded->sample[i]->n_value == 2);
		sum -= decoded->sample[i]->value[0];
		for (size_t l = 0; l < decoded->sample[i]->n_location_id; l++)
			require(decoded->sample[i]->location_id[l] - 1 < decoded->n_location);
		for (size_t l = 0; l < decoded->sample[i]->n_label; l++)
			require((size_t)decoded->sample[i]->label[l]->key < decoded->n_string_table &&
				(size_t)decoded->sample[i]->label[l]->str < decoded->n_string_table);
	}
	require(!sum);
	for (size_t i = 0; i < decoded->n_location; i++) {
		require(decoded->location[i]->id == i + 1 && decoded->location[i]->mapping_id <= decoded->n_mapping);
		for (size_t l = 0; l < decoded->location[i]->n_line; l++)
			require(decoded->location[i]->line[l]->function_id - 1 < decoded->n_function);
	}
	for (size_t i = 0; i < decoded->n_mapping; i++)
		require(decoded->mapping[i]->id == i + 1 &&
			(size_t)decoded->mapping[i]->filename < decoded->n_string_table);
	for (size_t i = 0; i < decoded->n_function; i++)
		require(decoded->function[i]->id == i + 1 &&
			(size_t)decoded->function[i]->name < decoded->n_string_table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct profile_limits limits = {.max_bytes = MAX_BYTES};
	const struct flamegraph_options page = {.title = "t", .duration_seconds = 1};
	static uint8_t plain[MAX_BYTES];
	Perftools__Profiles__Profile *decoded;
	struct profile *profile;
	struct cursor input;
	struct buf out;
	const struct sink sink = {.write = write_to_buf, .ctx = &out};
	z_stream stream = {0};
	int64_t sum;

	cursor_init(&input, data, size);
	require(!profile_new(&limits, &profile));
	sum = make(profile, &input);
	buf_init(&out, MAX_BYTES);
	require(!pprof_encode(profile, &sink));
	stream.next_in = out.data;
	stream.avail_in = (uInt)out.len;
	stream.next_out = plain;
	stream.avail_out = sizeof(plain);
	require(inflateInit2(&stream, 15 + 16) == Z_OK && inflate(&stream, Z_FINISH) == Z_STREAM_END);
	decoded = perftools__profiles__profile__unpack(NULL, sizeof(plain) - stream.avail_out, plain);
	require(decoded != NULL);
	check(profile, decoded, sum);
	perftools__profiles__profile__free_unpacked(decoded, NULL);
	inflateEnd(&stream);
	buf_clear(&out);
	require(!folded_encode(profile, &sink));
	buf_clear(&out);
	require(!flamegraph_encode(profile, &page, &sink));
	buf_release(&out);
	profile_free(profile);
	return 0;
}
