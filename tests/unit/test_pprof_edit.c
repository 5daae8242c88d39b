/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "encode/gzip.h"
#include "encode/pprof_edit.h"
#include "encode/pprof_encode.h"
#include "encode/profile.pb-c.h"
#include "encoded.h"
#include "ipc/memfd.h"

#define MAX_BYTES (16u << 20)
#define SMALL_BYTES (1u << 20)
#define CUT_BYTES 61 /* from one cut to the next */
#define STRIPPED "/usr/lib/libstripped.so.1"

typedef Perftools__Profiles__Profile message;

/* --- files -------------------------------------------------------------------------------------------------------- */

static int file_of(const struct buf *bytes)
{
	int fd;

	assert_int_equal(memfd_from_bytes("test", bytes->data, bytes->len, &fd), 0);
	return fd;
}

/* The profile with a bit of everything: of one location, in the stripped file, a stand-in alone is known. */
static struct pprof_edit *read_sample_profile(void)
{
	struct profile *profile = sample_profile(false);
	struct pprof_edit *edit;
	struct buf bytes;
	const struct sink sink = sink_to_buf(&bytes);
	auto_close int fd = -1;

	assert_int_equal(pprof_encode(profile, &sink), 0);
	fd = file_of(&bytes);
	assert_int_equal(pprof_edit_read(fd, MAX_BYTES, &edit), 0);
	buf_release(&bytes);
	profile_free(profile);
	return edit;
}

static int read_message(const message *from, struct pprof_edit **ret)
{
	const size_t size = perftools__profiles__profile__get_packed_size(from);
	auto_free uint8_t *bytes = malloc(size + 1);
	auto_close int fd = -1;

	perftools__profiles__profile__pack(from, bytes);
	assert_int_equal(memfd_from_bytes("test", bytes, size, &fd), 0);
	return pprof_edit_read(fd, MAX_BYTES, ret);
}

static message *written(const struct pprof_edit *edit)
{
	struct buf packed, plain;
	const struct sink sink = sink_to_buf(&packed);
	message *decoded;

	assert_int_equal(pprof_edit_write(edit, &sink), 0);
	gunzip(&packed, &plain);
	decoded = perftools__profiles__profile__unpack(NULL, plain.len, plain.data);
	assert_non_null(decoded);
	buf_release(&packed);
	buf_release(&plain);
	return decoded;
}

/* --- naming ------------------------------------------------------------------------------------------------------- */

static size_t index_of(const struct pprof_edit *edit, const char *file)
{
	struct pprof_edit_mapping mapping;

	for (size_t i = 0; i < pprof_edit_mappings(edit); i++) {
		pprof_edit_mapping(edit, i, &mapping);
		if (!strcmp(mapping.file, file))
			return i;
	}
	fail_msg("no mapping of %s", file);
	return 0;
}

struct asked {
	size_t n, mapping;
	uint64_t address;
};

/* Two lines: inlined() in holder(). */
static int name_with_inlined(void *ctx, const struct pprof_edit_place *place, struct pprof_edit_line *lines, size_t max,
			     size_t *ret_n)
{
	struct asked *asked = ctx;

	assert_true(max >= 2);
	if (!place->is_named)
		*asked = (struct asked){.n = asked->n + 1, .mapping = place->mapping, .address = place->address};
	lines[0] = (struct pprof_edit_line){
		.name = "inlined()", .system_name = "_Z7inlinedv", .file = "/a.h", .line = 7, .start_line = 6};
	lines[1] =
		(struct pprof_edit_line){.name = "holder()", .system_name = "_Z6holderv", .file = "/a.cc", .line = 70};
	*ret_n = 2;
	return 0;
}

static int name_nothing(void *ctx, const struct pprof_edit_place *place, struct pprof_edit_line *lines, size_t max,
			size_t *ret_n)
{
	(void)ctx;
	(void)place;
	(void)lines;
	(void)max;
	*ret_n = 0;
	return 0;
}

static int fail_to_name(void *ctx, const struct pprof_edit_place *place, struct pprof_edit_line *lines, size_t max,
			size_t *ret_n)
{
	name_nothing(ctx, place, lines, max, ret_n);
	return -ETIMEDOUT;
}

static const char *name_of(const message *decoded, uint64_t function)
{
	for (size_t i = 0; i < decoded->n_function; i++)
		if (decoded->function[i]->id == function)
			return decoded->string_table[decoded->function[i]->name];
	fail_msg("no function %llu", (unsigned long long)function);
	return NULL;
}

static bool has_function(const message *decoded, const char *name)
{
	for (size_t i = 0; i < decoded->n_function; i++)
		if (!strcmp(decoded->string_table[decoded->function[i]->name], name))
			return true;
	return false;
}

static void mappings_tell_what_lacks_a_name(void **state)
{
	struct pprof_edit *edit = read_sample_profile();
	struct pprof_edit_mapping mapping;

	(void)state;
	for (size_t i = 0; i < pprof_edit_mappings(edit); i++) {
		pprof_edit_mapping(edit, i, &mapping);
		assert_string_equal(mapping.build_id, "c0ffee");
		assert_int_equal(mapping.unnamed, !strcmp(mapping.file, STRIPPED));
	}
	pprof_edit_free(edit);
}

static void what_has_no_name_gets_one(void **state)
{
	struct pprof_edit *edit = read_sample_profile();
	const size_t stripped = index_of(edit, STRIPPED);
	struct pprof_edit_result result;
	struct asked asked = {0};
	message *decoded;
	bool seen = false;

	(void)state;
	assert_int_equal(pprof_edit_name(edit, name_with_inlined, &asked, &result), 0);
	/* The stand-in for the end of a stack lies in no mapping. */
	assert_int_equal(result.named, 1);
	assert_int_equal(result.unnamed, 1);
	assert_int_equal(asked.n, 1);
	assert_int_equal(asked.mapping, stripped);
	assert_int_equal(asked.address, 0x7f1000000012);
	decoded = written(edit);
	for (size_t i = 0; i < decoded->n_location; i++) {
		const Perftools__Profiles__Location *location = decoded->location[i];

		if (location->address != 0x7f1000000012)
			continue;
		seen = true;
		assert_int_equal(location->n_line, 2);
		assert_string_equal(name_of(decoded, location->line[0]->function_id), "inlined()");
		assert_string_equal(name_of(decoded, location->line[1]->function_id), "holder()");
		assert_int_equal(location->line[0]->line, 7);
		assert_int_equal(location->line[1]->line, 70);
	}
	assert_true(seen);
	assert_false(has_function(decoded, "[stripped libstripped.so.1+0x12]"));
	assert_true(has_function(decoded, "[truncated: no frame pointer]"));
	assert_true(decoded->mapping[stripped]->has_functions);
	assert_true(decoded->mapping[stripped]->has_inline_frames);
	perftools__profiles__profile__free_unpacked(decoded, NULL);
	pprof_edit_free(edit);
}

/* Equal lines are equal functions, however many locations have them. */
static void functions_are_added_once(void **state)
{
	struct profile *profile = new_profile();
	const uint32_t mapping = add_mapping(profile, STRIPPED, 0x1000);
	const uint32_t stack[] = {add_location(profile, mapping, 0x1010, "+[stripped a+0x10]"),
				  add_location(profile, mapping, 0x1020, "+[stripped a+0x20]")};
	struct pprof_edit_result result;
	struct asked asked = {0};
	struct pprof_edit *edit;
	message *decoded;
	struct buf bytes;
	const struct sink sink = sink_to_buf(&bytes);
	auto_close int fd = -1;

	(void)state;
	add_sample(profile, "a", "1", stack, 2, 1);
	assert_int_equal(pprof_encode(profile, &sink), 0);
	fd = file_of(&bytes);
	assert_int_equal(pprof_edit_read(fd, MAX_BYTES, &edit), 0);
	assert_int_equal(pprof_edit_name(edit, name_with_inlined, &asked, &result), 0);
	assert_int_equal(result.named, 2);
	decoded = written(edit);
	assert_int_equal(decoded->n_function, 2);
	assert_int_equal(decoded->n_sample, 1);
	perftools__profiles__profile__free_unpacked(decoded, NULL);
	pprof_edit_free(edit);
	buf_release(&bytes);
	profile_free(profile);
}

static void without_names_nothing_changes(void **state)
{
	struct pprof_edit *edit = read_sample_profile();
	struct pprof_edit_result result;
	struct buf before, after;
	const struct sink to_before = sink_to_buf(&before), to_after = sink_to_buf(&after);

	(void)state;
	assert_int_equal(pprof_edit_write(edit, &to_before), 0);
	assert_int_equal(pprof_edit_name(edit, name_nothing, NULL, &result), 0);
	assert_int_equal(result.named, 0);
	assert_int_equal(result.unnamed, 2);
	assert_int_equal(pprof_edit_write(edit, &to_after), 0);
	assert_int_equal(before.len, after.len);
	assert_memory_equal(before.data, after.data, before.len);
	buf_release(&before);
	buf_release(&after);
	pprof_edit_free(edit);
}

static void a_failure_to_name_is_told(void **state)
{
	struct pprof_edit *edit = read_sample_profile();
	struct pprof_edit_result result;

	(void)state;
	assert_int_equal(pprof_edit_name(edit, fail_to_name, NULL, &result), -ETIMEDOUT);
	pprof_edit_free(edit);
}

/* --- foreign files ------------------------------------------------------------------------------------------------ */

/* One of each, ids 1, with names from the outside: the smallest whole profile. */
struct small {
	message profile;
	Perftools__Profiles__Sample sample, *samples[1];
	Perftools__Profiles__Mapping mapping, *mappings[1];
	Perftools__Profiles__Location location, *locations[1];
	Perftools__Profiles__Function function, *functions[1];
	Perftools__Profiles__Line line, *lines[1];
	char *strings[4];
	uint64_t ids[1];
};

static void small_init(struct small *small)
{
	static char empty[] = "", file[] = "/bin/a", name[] = "f";

	perftools__profiles__profile__init(&small->profile);
	perftools__profiles__sample__init(&small->sample);
	perftools__profiles__mapping__init(&small->mapping);
	perftools__profiles__location__init(&small->location);
	perftools__profiles__function__init(&small->function);
	perftools__profiles__line__init(&small->line);
	small->strings[0] = empty;
	small->strings[1] = file;
	small->strings[2] = name;
	small->profile.string_table = small->strings;
	small->profile.n_string_table = 3;
	small->ids[0] = small->mapping.id = small->location.id = small->function.id = 1;
	small->mapping.memory_limit = 0x1000;
	small->mapping.filename = 1;
	small->location.mapping_id = small->line.function_id = 1;
	small->function.name = 2;
	small->samples[0] = &small->sample;
	small->mappings[0] = &small->mapping;
	small->locations[0] = &small->location;
	small->functions[0] = &small->function;
	small->lines[0] = &small->line;
	small->sample.n_location_id = 1;
	small->sample.location_id = small->ids;
	small->location.n_line = 1;
	small->location.line = small->lines;
	small->profile.n_sample = small->profile.n_mapping = small->profile.n_location = small->profile.n_function = 1;
	small->profile.sample = small->samples;
	small->profile.mapping = small->mappings;
	small->profile.location = small->locations;
	small->profile.function = small->functions;
}

/* Nothing is mapped at address 0: such a mapping tells the file alone. */
static void addresses_may_be_those_of_the_file(void **state)
{
	struct pprof_edit_result result;
	struct asked asked = {0};
	struct pprof_edit *edit;
	struct small small;

	(void)state;
	small_init(&small);
	small.mapping.memory_limit = 0;
	small.location.address = 0x401234;
	small.location.n_line = 0;
	assert_int_equal(read_message(&small.profile, &edit), 0);
	assert_int_equal(pprof_edit_name(edit, name_with_inlined, &asked, &result), 0);
	assert_int_equal(result.named, 1);
	assert_int_equal(asked.address, 0x401234);
	pprof_edit_free(edit);
	/* In memory it must lie in it. */
	small.mapping.memory_start = 0x1000;
	small.mapping.memory_limit = 0x2000;
	assert_int_equal(read_message(&small.profile, &edit), 0);
	assert_int_equal(pprof_edit_name(edit, name_with_inlined, &asked, &result), 0);
	assert_int_equal(result.named, 0);
	assert_int_equal(result.unnamed, 1);
	pprof_edit_free(edit);
}

/* Other tools fill the name alone. */
static void a_name_without_a_system_name_may_be_one(void **state)
{
	static const struct {
		const char *name;
		bool is_name;
	} cases[] = {
		{"main", true},
		{"0x12 bytes", true},
		{"[", true},
		{"operator[]", true},
		{"[stripped a+0x1]", false},
		{"[unknown]", false},
		{"0x401234", false},
		{"??", false},
		{"", false},
	};
	struct pprof_edit_mapping mapping;
	struct pprof_edit *edit;
	struct small small;
	char name[32];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		small_init(&small);
		snprintf(name, sizeof(name), "%s", cases[i].name);
		small.strings[2] = name;
		assert_int_equal(read_message(&small.profile, &edit), 0);
		pprof_edit_mapping(edit, 0, &mapping);
		if (mapping.unnamed == cases[i].is_name)
			fail_msg("'%s': %zu without a name", cases[i].name, mapping.unnamed);
		pprof_edit_free(edit);
	}
}

/* The namer says: inlined() in holder(). */
static void a_name_without_a_line_gets_one_when_it_is_the_same(void **state)
{
	static const struct {
		const char *name, *system_name;
		bool is_same;
	} cases[] = {
		{"my holder", "_Z6holderv", true}, {"holder()", "", true},
		{"_Z6holderv", "", true},	   {"inlined()", "", false},
		{"holder()", "_Z6holderi", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char name[32], system_name[32];
		struct pprof_edit_result result;
		struct pprof_edit_mapping mapping;
		struct asked asked = {0};
		struct pprof_edit *edit;
		struct small small;
		message *decoded;

		small_init(&small);
		snprintf(name, sizeof(name), "%s", cases[i].name);
		snprintf(system_name, sizeof(system_name), "%s", cases[i].system_name);
		small.strings[2] = name;
		small.strings[3] = system_name;
		small.profile.n_string_table = 4;
		small.function.system_name = 3;
		assert_int_equal(read_message(&small.profile, &edit), 0);
		pprof_edit_mapping(edit, 0, &mapping);
		assert_int_equal(mapping.lineless, 1);
		assert_int_equal(mapping.unnamed, 0);
		assert_int_equal(pprof_edit_name(edit, name_with_inlined, &asked, &result), 0);
		assert_int_equal(result.named, 0);
		assert_int_equal(result.unnamed, 0);
		if (result.lined != cases[i].is_same)
			fail_msg("%s, %s: %zu got lines", cases[i].name, cases[i].system_name, result.lined);
		decoded = written(edit);
		assert_int_equal(decoded->location[0]->n_line, cases[i].is_same ? 2 : 1);
		assert_int_equal(decoded->mapping[0]->has_functions, cases[i].is_same);
		assert_int_equal(decoded->mapping[0]->has_inline_frames, cases[i].is_same);
		/* It keeps its name, whatever it would be called now. */
		assert_string_equal(name_of(decoded, decoded->location[0]->line[cases[i].is_same]->function_id), name);
		perftools__profiles__profile__free_unpacked(decoded, NULL);
		pprof_edit_free(edit);
	}
}

/* With a file, a line, or more functions it is whole. */
static void what_has_a_line_is_not_asked_for(void **state)
{
	struct pprof_edit_mapping mapping;
	struct pprof_edit *edit;
	struct small small;

	(void)state;
	small_init(&small);
	small.line.line = 7;
	assert_int_equal(read_message(&small.profile, &edit), 0);
	pprof_edit_mapping(edit, 0, &mapping);
	assert_int_equal(mapping.lineless, 0);
	pprof_edit_free(edit);
	small_init(&small);
	small.function.filename = 1;
	assert_int_equal(read_message(&small.profile, &edit), 0);
	pprof_edit_mapping(edit, 0, &mapping);
	assert_int_equal(mapping.lineless, 0);
	pprof_edit_free(edit);
}

static void a_location_without_lines_has_no_name(void **state)
{
	struct pprof_edit_mapping mapping;
	struct pprof_edit *edit;
	struct small small;

	(void)state;
	small_init(&small);
	small.location.n_line = 0;
	assert_int_equal(read_message(&small.profile, &edit), 0);
	pprof_edit_mapping(edit, 0, &mapping);
	assert_int_equal(mapping.unnamed, 1);
	assert_string_equal(mapping.file, "/bin/a");
	assert_string_equal(mapping.build_id, "");
	pprof_edit_free(edit);
}

/* What none of our profiles has is kept. */
static void the_rest_of_a_foreign_profile_stays(void **state)
{
	struct pprof_edit_result result;
	struct asked asked = {0};
	struct pprof_edit *edit;
	struct small small;
	message *decoded;

	(void)state;
	small_init(&small);
	small.profile.drop_frames = 2;
	small.profile.doc_url = 1;
	small.location.is_folded = true;
	small.location.n_line = 0;
	small.function.id = small.line.function_id = UINT64_MAX;
	assert_int_equal(read_message(&small.profile, &edit), 0);
	assert_int_equal(pprof_edit_name(edit, name_with_inlined, &asked, &result), 0);
	decoded = written(edit);
	assert_string_equal(decoded->string_table[decoded->drop_frames], "f");
	assert_string_equal(decoded->string_table[decoded->doc_url], "/bin/a");
	assert_true(decoded->location[0]->is_folded);
	assert_int_equal(decoded->location[0]->n_line, 2);
	perftools__profiles__profile__free_unpacked(decoded, NULL);
	pprof_edit_free(edit);
}

static void ids_and_indexes_must_fit_together(void **state)
{
	struct pprof_edit *edit;
	struct small small;

	(void)state;
	for (int wrong = 0; wrong <= 13; wrong++) {
		small_init(&small);
		switch (wrong) {
		case 0:
			break;
		case 1:
			small.ids[0] = 2;
			break;
		case 2:
			small.location.mapping_id = 2;
			break;
		case 3:
			small.line.function_id = 0;
			break;
		case 4:
			small.line.function_id = 7;
			break;
		case 5:
			small.function.name = 3;
			break;
		case 6:
			small.function.system_name = -1;
			break;
		case 7:
			small.function.filename = INT64_MAX;
			break;
		case 8:
			small.mapping.filename = 3;
			break;
		case 9:
			small.mapping.build_id = INT64_MIN;
			break;
		case 10:
			small.mapping.id = 0;
			break;
		case 11:
			small.profile.n_string_table = 0;
			break;
		case 12:
			small.strings[0] = small.strings[1];
			break;
		default: {
			Perftools__Profiles__Function *twice[] = {&small.function, &small.function};

			small.profile.function = twice;
			small.profile.n_function = 2;
			assert_int_equal(read_message(&small.profile, &edit), -EBADMSG);
			continue;
		}
		}
		assert_int_equal(read_message(&small.profile, &edit), wrong ? -EBADMSG : 0);
		if (!wrong)
			pprof_edit_free(edit);
	}
}

static void what_is_no_profile_is_refused(void **state)
{
	static const char *const texts[] = {"",
					    "\x7f"
					    "ELF and no more",
					    "\x1f\x8b", "\x1f\x8b\x08 broken"};
	struct pprof_edit *edit;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		auto_close int fd = -1;

		assert_int_equal(memfd_from_bytes("test", texts[i], strlen(texts[i]), &fd), 0);
		assert_int_equal(pprof_edit_read(fd, MAX_BYTES, &edit), -EBADMSG);
	}
}

static void a_cut_file_is_refused(void **state)
{
	struct profile *profile = sample_profile(false);
	struct pprof_edit *edit;
	struct buf bytes;
	const struct sink sink = sink_to_buf(&bytes);

	(void)state;
	assert_int_equal(pprof_encode(profile, &sink), 0);
	for (bytes.len--; bytes.len > CUT_BYTES; bytes.len -= CUT_BYTES) {
		auto_close int fd = file_of(&bytes);

		assert_int_equal(pprof_edit_read(fd, MAX_BYTES, &edit), -EBADMSG);
	}
	buf_release(&bytes);
	profile_free(profile);
}

/* A bomb: megabytes of zeros in a few kilobytes, and a message that is far larger unpacked. */
static void what_does_not_fit_is_refused(void **state)
{
	static uint8_t zeros[64 << 10];
	struct gzip *gzip = malloc(sizeof(*gzip));
	struct pprof_edit *edit;
	struct buf bytes;
	const struct sink sink = sink_to_buf(&bytes);
	auto_close int fd = -1;

	(void)state;
	assert_int_equal(gzip_begin(gzip, &sink), 0);
	for (int i = 0; i < 64; i++)
		assert_int_equal(gzip_add(gzip, zeros, sizeof(zeros)), 0);
	assert_int_equal(gzip_finish(gzip), 0);
	gzip_release(gzip);
	free(gzip);
	fd = file_of(&bytes);
	assert_int_equal(pprof_edit_read(fd, SMALL_BYTES, &edit), -E2BIG);
	buf_release(&bytes);
	close(take_fd(&fd));
	/* Empty samples take two bytes each. */
	for (size_t i = 0; i < sizeof(zeros); i += 2)
		zeros[i] = 0x12;
	assert_int_equal(memfd_from_bytes("test", zeros, sizeof(zeros), &fd), 0);
	assert_int_equal(pprof_edit_read(fd, SMALL_BYTES, &edit), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mappings_tell_what_lacks_a_name),
		cmocka_unit_test(what_has_no_name_gets_one),
		cmocka_unit_test(functions_are_added_once),
		cmocka_unit_test(without_names_nothing_changes),
		cmocka_unit_test(a_failure_to_name_is_told),
		cmocka_unit_test(a_location_without_lines_has_no_name),
		cmocka_unit_test(a_name_without_a_system_name_may_be_one),
		cmocka_unit_test(a_name_without_a_line_gets_one_when_it_is_the_same),
		cmocka_unit_test(what_has_a_line_is_not_asked_for),
		cmocka_unit_test(addresses_may_be_those_of_the_file),
		cmocka_unit_test(the_rest_of_a_foreign_profile_stays),
		cmocka_unit_test(ids_and_indexes_must_fit_together),
		cmocka_unit_test(what_is_no_profile_is_refused),
		cmocka_unit_test(a_cut_file_is_refused),
		cmocka_unit_test(what_does_not_fit_is_refused),
	};

	return cmocka_run_group_tests_name("pprof_edit", tests, NULL, NULL);
}
