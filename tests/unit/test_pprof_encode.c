/* SPDX-License-Identifier: Apache-2.0 */
/* What pprof_encode() writes, as the generated code of protobuf-c and as `go tool pprof` read it. */
#include "test.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "encode/pprof_encode.h"
#include "encode/profile.pb-c.h"
#include "encoded.h"

typedef Perftools__Profiles__Profile message;

static void encode(const struct profile *profile, struct buf *ret)
{
	const struct sink sink = sink_to_buf(ret);

	assert_int_equal(pprof_encode(profile, &sink), 0);
}

static message *decode(const struct profile *profile)
{
	struct buf packed, plain;
	message *decoded;

	encode(profile, &packed);
	gunzip(&packed, &plain);
	decoded = perftools__profiles__profile__unpack(NULL, plain.len, plain.data);
	assert_non_null(decoded);
	buf_release(&packed);
	buf_release(&plain);
	return decoded;
}

static const char *string_of(const message *decoded, int64_t id)
{
	assert_in_range(id, 0, decoded->n_string_table - 1);
	return decoded->string_table[id];
}

static void check_value_type(const message *decoded, const Perftools__Profiles__ValueType *type)
{
	assert_true(*string_of(decoded, type->type));
	assert_true(*string_of(decoded, type->unit));
}

static void check_samples(const message *decoded)
{
	for (size_t i = 0; i < decoded->n_sample; i++) {
		const Perftools__Profiles__Sample *sample = decoded->sample[i];

		assert_true(sample->n_location_id > 0);
		assert_int_equal(sample->n_value, decoded->n_sample_type);
		for (size_t l = 0; l < sample->n_location_id; l++)
			assert_in_range(sample->location_id[l], 1, decoded->n_location);
		for (size_t l = 0; l < sample->n_label; l++) {
			assert_true(*string_of(decoded, sample->label[l]->key));
			assert_true(sample->label[l]->str || sample->label[l]->num || sample->label[l]->num_unit);
			string_of(decoded, sample->label[l]->str);
			string_of(decoded, sample->label[l]->num_unit);
		}
	}
}

static void check_tables(const message *decoded)
{
	for (size_t i = 0; i < decoded->n_mapping; i++) {
		assert_int_equal(decoded->mapping[i]->id, i + 1);
		string_of(decoded, decoded->mapping[i]->filename);
		string_of(decoded, decoded->mapping[i]->build_id);
	}
	for (size_t i = 0; i < decoded->n_location; i++) {
		const Perftools__Profiles__Location *location = decoded->location[i];

		assert_int_equal(location->id, i + 1);
		assert_in_range(location->mapping_id, 0, decoded->n_mapping);
		if (location->mapping_id)
			assert_in_range(location->address, decoded->mapping[location->mapping_id - 1]->memory_start,
					decoded->mapping[location->mapping_id - 1]->memory_limit);
		for (size_t l = 0; l < location->n_line; l++)
			assert_in_range(location->line[l]->function_id, 1, decoded->n_function);
	}
	for (size_t i = 0; i < decoded->n_function; i++) {
		assert_int_equal(decoded->function[i]->id, i + 1);
		assert_true(*string_of(decoded, decoded->function[i]->name));
		string_of(decoded, decoded->function[i]->system_name);
		string_of(decoded, decoded->function[i]->filename);
	}
}

static void check_strings(const message *decoded)
{
	assert_true(decoded->n_string_table > 0);
	assert_string_equal(decoded->string_table[0], "");
	for (size_t i = 0; i < decoded->n_string_table; i++) {
		const char *str = decoded->string_table[i];
		size_t len = strlen(str);

		assert_true(len || !i);
		for (size_t pos = 0; pos < len;) {
			uint32_t point;
			size_t n = text_utf8_sequence(str + pos, len - pos, &point);

			assert_true(n);
			pos += n;
		}
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(str, decoded->string_table[j]);
	}
}

/* What every reader of the format asks for. */
static void check_rules(const message *decoded)
{
	for (size_t i = 0; i < decoded->n_sample_type; i++)
		check_value_type(decoded, decoded->sample_type[i]);
	check_value_type(decoded, decoded->period_type);
	check_samples(decoded);
	check_tables(decoded);
	check_strings(decoded);
}

static void put_location(const message *decoded, uint64_t id, struct buf *ret)
{
	const Perftools__Profiles__Location *location = decoded->location[id - 1];

	buf_printf(ret, "    %" PRIu64 " 0x%" PRIx64 " M%" PRIu64, id, location->address, location->mapping_id);
	for (size_t l = 0; l < location->n_line; l++) {
		const Perftools__Profiles__Line *line = location->line[l];
		const Perftools__Profiles__Function *function = decoded->function[line->function_id - 1];

		buf_printf(ret, " %s(%s) %s:%" PRId64 ":%" PRId64 " s=%" PRId64, string_of(decoded, function->name),
			   string_of(decoded, function->system_name), string_of(decoded, function->filename),
			   line->line, line->column, function->start_line);
	}
	buf_append_str(ret, "\n");
}

/* The file as text, for the golden one. */
static void describe(const message *decoded, struct buf *ret)
{
	buf_init(ret, ENCODED_MAX_BYTES);
	for (size_t i = 0; i < decoded->n_sample_type; i++)
		buf_printf(ret, "type %s/%s\n", string_of(decoded, decoded->sample_type[i]->type),
			   string_of(decoded, decoded->sample_type[i]->unit));
	buf_printf(ret, "period %s/%s %" PRId64 "\n", string_of(decoded, decoded->period_type->type),
		   string_of(decoded, decoded->period_type->unit), decoded->period);
	buf_printf(ret, "time %" PRId64 " duration %" PRId64 "\n", decoded->time_nanos, decoded->duration_nanos);
	for (size_t i = 0; i < decoded->n_comment; i++)
		buf_printf(ret, "comment %s\n", string_of(decoded, decoded->comment[i]));
	for (size_t i = 0; i < decoded->n_mapping; i++) {
		const Perftools__Profiles__Mapping *mapping = decoded->mapping[i];

		buf_printf(ret, "mapping %" PRIu64 " 0x%" PRIx64 "-0x%" PRIx64 " +0x%" PRIx64 " %s %s%s%s%s%s\n",
			   mapping->id, mapping->memory_start, mapping->memory_limit, mapping->file_offset,
			   string_of(decoded, mapping->filename), string_of(decoded, mapping->build_id),
			   mapping->has_functions ? " functions" : "", mapping->has_filenames ? " filenames" : "",
			   mapping->has_line_numbers ? " lines" : "", mapping->has_inline_frames ? " inline" : "");
	}
	for (size_t i = 0; i < decoded->n_sample; i++) {
		const Perftools__Profiles__Sample *sample = decoded->sample[i];

		buf_append_str(ret, "sample");
		for (size_t v = 0; v < sample->n_value; v++)
			buf_printf(ret, " %" PRId64, sample->value[v]);
		for (size_t l = 0; l < sample->n_label; l++)
			buf_printf(ret, " %s=%s", string_of(decoded, sample->label[l]->key),
				   string_of(decoded, sample->label[l]->str));
		buf_append_str(ret, "\n");
		for (size_t l = 0; l < sample->n_location_id; l++)
			put_location(decoded, sample->location_id[l], ret);
	}
	assert_int_equal(ret->err, 0);
}

static void encoded_profile_is_the_golden_one(void **state)
{
	struct profile *profile = sample_profile(false);
	message *decoded = decode(profile);
	struct buf text;

	(void)state;
	check_rules(decoded);
	describe(decoded, &text);
	assert_golden(__FILE__, "sample.pprof.txt", &text);
	buf_release(&text);
	perftools__profiles__profile__free_unpacked(decoded, NULL);
	profile_free(profile);
}

static void equal_profiles_are_equal_bytes(void **state)
{
	struct profile *profile = sample_profile(false), *reversed = sample_profile(true);
	struct buf first, again, other;

	(void)state;
	encode(profile, &first);
	encode(profile, &again);
	encode(reversed, &other);
	assert_int_equal(first.len, again.len);
	assert_memory_equal(first.data, again.data, first.len);
	assert_int_equal(first.len, other.len);
	assert_memory_equal(first.data, other.data, first.len);
	/* RFC 1952: deflate, no flags, no time, "unknown" system. */
	assert_memory_equal(first.data, "\x1f\x8b\x08\x00\x00\x00\x00\x00", 8);
	assert_int_equal(first.data[9], 255);
	buf_release(&first);
	buf_release(&again);
	buf_release(&other);
	profile_free(profile);
	profile_free(reversed);
}

static void what_no_sample_leads_to_is_left_out(void **state)
{
	struct profile *profile = new_profile();
	const uint32_t main_mapping = add_mapping(profile, "/bin/main", 0x1000000);
	const uint32_t unused = add_mapping(profile, "/lib/unused.so", 0x2000000);
	const uint32_t used = add_mapping(profile, "/lib/used.so", 0x3000000);
	uint32_t location;
	message *decoded;

	(void)state;
	add_location(profile, unused, 0x2000001, "unused_function");
	add_location(profile, main_mapping, 0x1000001, "main_unused");
	location = add_location(profile, used, 0x3000001, "used_function");
	add_sample(profile, "c", "1", &location, 1, 1);
	decoded = decode(profile);
	check_rules(decoded);
	assert_int_equal(decoded->n_location, 1);
	assert_int_equal(decoded->n_function, 1);
	assert_int_equal(decoded->n_mapping, 2);
	/* The first one is the executable, even where nothing was sampled in it. */
	assert_string_equal(string_of(decoded, decoded->mapping[0]->filename), "/bin/main");
	assert_string_equal(string_of(decoded, decoded->mapping[1]->filename), "/lib/used.so");
	for (size_t i = 0; i < decoded->n_string_table; i++)
		assert_null(strstr(decoded->string_table[i], "unused"));
	perftools__profiles__profile__free_unpacked(decoded, NULL);
	profile_free(profile);
}

static void empty_profile_has_its_header(void **state)
{
	struct profile *profile = new_profile();
	message *decoded;

	(void)state;
	assert_int_equal(profile_set_default_sample_type(profile, "samples"), 0);
	decoded = decode(profile);
	check_rules(decoded);
	assert_int_equal(decoded->n_sample, 0);
	assert_int_equal(decoded->n_mapping, 0);
	assert_int_equal(decoded->n_sample_type, 2);
	assert_int_equal(decoded->time_nanos, 1700000000000000000);
	assert_string_equal(string_of(decoded, decoded->default_sample_type), "samples");
	perftools__profiles__profile__free_unpacked(decoded, NULL);
	profile_free(profile);
}

static void numeric_labels_and_negative_values_arrive(void **state)
{
	struct profile *profile = new_profile();
	const struct profile_label labels[] = {{.key = "bytes", .num = -5, .unit = "bytes"},
					       {.key = "cpu", .num = 0, .unit = "number"}};
	const int64_t values[] = {-1, INT64_MIN};
	const uint32_t location = add_location(profile, 0, UINT64_MAX, "f");
	message *decoded;

	(void)state;
	assert_int_equal(profile_add_sample(profile, &location, 1, labels, 2, values), 0);
	decoded = decode(profile);
	check_rules(decoded);
	assert_int_equal(decoded->sample[0]->value[0], -1);
	assert_int_equal(decoded->sample[0]->value[1], INT64_MIN);
	assert_int_equal(decoded->sample[0]->n_label, 2);
	assert_int_equal(decoded->sample[0]->label[0]->num, -5);
	assert_string_equal(string_of(decoded, decoded->sample[0]->label[0]->num_unit), "bytes");
	assert_int_equal(decoded->sample[0]->label[1]->num, 0);
	assert_string_equal(string_of(decoded, decoded->sample[0]->label[1]->num_unit), "number");
	assert_true(decoded->location[0]->address == UINT64_MAX);
	perftools__profiles__profile__free_unpacked(decoded, NULL);
	profile_free(profile);
}

/* Deep stacks, so that the stream passes zlib's and our own buffers many times. */
static struct profile *large_profile(void)
{
	struct profile *profile = new_profile();
	uint32_t stack[PROFILE_MAX_DEPTH], random = 1;
	char name[32];

	for (unsigned int i = 0; i < 3000; i++) {
		for (unsigned int depth = 0; depth < 60; depth++) {
			random = random * 1664525 + 1013904223;
			snprintf(name, sizeof(name), "function_%u", (random >> 16) % 5000);
			stack[depth] = add_location(profile, 0, (random >> 16) % 5000, name);
		}
		add_sample(profile, "many", "1", stack, 60, i + 1);
	}
	return profile;
}

static void large_profile_arrives_whole(void **state)
{
	struct profile *profile = large_profile();
	message *decoded = decode(profile);
	int64_t total = 0;

	(void)state;
	check_samples(decoded);
	check_tables(decoded);
	assert_int_equal(decoded->n_sample, 3000);
	for (size_t i = 0; i < decoded->n_sample; i++) {
		assert_int_equal(decoded->sample[i]->n_location_id, 60);
		total += decoded->sample[i]->value[0];
	}
	assert_int_equal(total, 3000 * 3001 / 2);
	perftools__profiles__profile__free_unpacked(decoded, NULL);
	profile_free(profile);
}

static void full_disk_is_an_error(void **state)
{
	struct profile *profile = large_profile();

	(void)state;
	for (size_t room = 0; room < 200000; room += 70000) {
		size_t left = room;
		const struct sink sink = {.write = sink_to_full_disk_write, .ctx = &left};

		assert_int_equal(pprof_encode(profile, &sink), -ENOSPC);
	}
	profile_free(profile);
}

/* --- go tool pprof
 * ---------------------------------------------------------------------------------------------------- */

static int run_pprof(const char *arguments, char *output, size_t size)
{
	char command[512];
	FILE *pipe;
	size_t n;

	snprintf(command, sizeof(command), "PATH=$PATH:/usr/local/go/bin go tool pprof %s 2>&1", arguments);
	pipe = popen(command, "re");
	assert_non_null(pipe);
	n = fread(output, 1, size - 1, pipe);
	output[n] = 0;
	return pclose(pipe);
}

static void go_tool_pprof_reads_it(void **state)
{
	static const struct {
		const char *report, *expected;
	} cases[] = {
		{"-top", "42 70.00% 70.00%         42 70.00%  at"},
		{"-raw", "PeriodType: cpu nanoseconds"},
		{"-traces", "asm_exc_page_fault"},
		{"-comments", "hostprof.taken: 60"},
		{"-tags", "kworker/0:1"},
	};
	static char output[65536];
	const char *directory = getenv("TEST_TMPDIR");
	struct profile *profile = sample_profile(false);
	char path[256], arguments[400];
	struct buf packed;
	int fd;

	(void)state;
	if (run_pprof("-h", output, sizeof(output)) == 127 << 8 || !strstr(output, "-traces")) {
		profile_free(profile);
		skip();
	}
	snprintf(path, sizeof(path), "%s/pprof.XXXXXX", directory ? directory : "/tmp");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	encode(profile, &packed);
	assert_int_equal(io_write_full(fd, packed.data, packed.len), 0);
	close(fd);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		snprintf(arguments, sizeof(arguments), "-symbolize=none -sample_index=samples %s %s", cases[i].report,
			 path);
		if (run_pprof(arguments, output, sizeof(output)) != 0 || !strstr(output, cases[i].expected))
			fail_msg("%s:\n%s", cases[i].report, output);
	}
	unlink(path);
	buf_release(&packed);
	profile_free(profile);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encoded_profile_is_the_golden_one),
		cmocka_unit_test(equal_profiles_are_equal_bytes),
		cmocka_unit_test(what_no_sample_leads_to_is_left_out),
		cmocka_unit_test(empty_profile_has_its_header),
		cmocka_unit_test(numeric_labels_and_negative_values_arrive),
		cmocka_unit_test(large_profile_arrives_whole),
		cmocka_unit_test(full_disk_is_an_error),
		cmocka_unit_test(go_tool_pprof_reads_it),
	};

	return cmocka_run_group_tests_name("pprof_encode", tests, NULL, NULL);
}
