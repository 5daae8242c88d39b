/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>

#include "encoded.h"
#include "profile/profile.h"

static void equal_things_are_one_thing(void **state)
{
	struct profile *profile = new_profile();
	const struct profile_function plain = {.name = "f", .system_name = "_Zf", .file = "f.c", .start_line = 3};
	struct profile_function other = plain;
	struct profile_line line = {.line = 1}, other_line;
	uint32_t function, id, mapping, location;

	(void)state;
	assert_int_equal(profile_add_function(profile, &plain, &function), 0);
	assert_int_equal(function, 1);
	assert_int_equal(profile_add_function(profile, &plain, &id), 0);
	assert_int_equal(id, function);
	other.start_line = 4;
	assert_int_equal(profile_add_function(profile, &other, &id), 0);
	assert_int_equal(id, 2);
	other = plain;
	other.system_name = NULL;
	assert_int_equal(profile_add_function(profile, &other, &id), 0);
	assert_int_equal(id, 3);
	assert_int_equal(profile_functions(profile), 3);

	mapping = add_mapping(profile, "/bin/a", 0x1000);
	assert_int_equal(mapping, 1);
	assert_int_equal(add_mapping(profile, "/bin/a", 0x1000), mapping);
	assert_int_equal(add_mapping(profile, "/bin/a", 0x2000), 2);
	assert_int_equal(add_mapping(profile, "/bin/b", 0x1000), 3);

	line.function = function;
	assert_int_equal(profile_add_location(profile, mapping, 0x1001, &line, 1, &location), 0);
	assert_int_equal(profile_add_location(profile, mapping, 0x1001, &line, 1, &id), 0);
	assert_int_equal(id, location);
	other_line = line;
	other_line.column = 9;
	assert_int_equal(profile_add_location(profile, mapping, 0x1001, &other_line, 1, &id), 0);
	assert_int_equal(id, 2);
	assert_int_equal(profile_add_location(profile, mapping, 0x1002, &line, 1, &id), 0);
	assert_int_equal(id, 3);
	assert_int_equal(profile_add_location(profile, 0, 0, &line, 1, &id), 0);
	assert_int_equal(id, 4);
	assert_int_equal(profile_add_location(profile, 0, 0, &line, 1, &id), 0);
	assert_int_equal(id, 4);
	assert_int_equal(profile_add_location(profile, mapping, 0x1001, NULL, 0, &id), 0);
	assert_int_equal(profile_locations(profile), 5);
	profile_free(profile);
}

static void padding_of_lines_is_no_content(void **state)
{
	struct profile *profile = new_profile();
	uint32_t first, second;
	struct profile_line line;

	(void)state;
	add_location(profile, 0, 1, "f");
	memset(&line, 0xff, sizeof(line));
	line.function = 1;
	line.line = line.column = 0;
	assert_int_equal(profile_add_location(profile, 0, 2, &line, 1, &first), 0);
	memset(&line, 0, sizeof(line));
	line.function = 1;
	assert_int_equal(profile_add_location(profile, 0, 2, &line, 1, &second), 0);
	assert_int_equal(first, second);
	profile_free(profile);
}

static void equal_samples_add_up(void **state)
{
	struct profile *profile = new_profile();
	const struct profile_label labels[] = {{.key = "pid", .num = 7, .unit = "id"}, {.key = "comm", .str = "a"}};
	const struct profile_label swapped[] = {labels[1], labels[0]};
	const struct profile_label silent[] = {labels[0], {.key = "empty", .str = ""}, labels[1], {.key = "zero"}};
	const int64_t values[] = {2, 20}, large[] = {INT64_MAX - 5, -4};
	struct profile_sample_view view;
	struct profile_label_view label;
	uint32_t stack[2];

	(void)state;
	stack[0] = add_location(profile, 0, 1, "leaf");
	stack[1] = add_location(profile, 0, 2, "root");
	assert_int_equal(profile_add_sample(profile, stack, 2, labels, 2, values), 0);
	assert_int_equal(profile_add_sample(profile, stack, 2, swapped, 2, values), 0);
	assert_int_equal(profile_add_sample(profile, stack, 2, silent, 4, values), 0);
	assert_int_equal(profile_samples(profile), 1);
	profile_sample(profile, 0, &view);
	assert_int_equal(view.values[0], 6);
	assert_int_equal(view.values[1], 60);
	assert_int_equal(view.n_locations, 2);
	assert_int_equal(view.locations[0], stack[0]);
	assert_int_equal(view.n_labels, 2);
	profile_sample_label(profile, &view, 0, &label);
	assert_string_equal(profile_string(profile, label.key, NULL), "comm");
	assert_string_equal(profile_string(profile, label.str, NULL), "a");
	profile_sample_label(profile, &view, 1, &label);
	assert_string_equal(profile_string(profile, label.key, NULL), "pid");
	assert_int_equal(label.num, 7);
	assert_string_equal(profile_string(profile, label.unit, NULL), "id");

	/* Sums stay at the end of their range. */
	assert_int_equal(profile_add_sample(profile, stack, 2, labels, 2, large), 0);
	profile_sample(profile, 0, &view);
	assert_int_equal(view.values[0], INT64_MAX);
	assert_int_equal(view.values[1], 56);

	/* Other stack, other labels: other samples. */
	assert_int_equal(profile_add_sample(profile, stack, 1, labels, 2, values), 0);
	assert_int_equal(profile_add_sample(profile, stack, 2, labels, 1, values), 0);
	assert_int_equal(profile_samples(profile), 3);
	profile_free(profile);
}

static void what_refers_to_nothing_is_refused(void **state)
{
	struct profile *profile = new_profile(), *bare;
	const struct profile_limits limits = {.max_bytes = 1 << 20};
	const uint32_t known = add_location(profile, 0, 1, "f"), none = 0, unknown = known + 1;
	const struct profile_line bad_lines[] = {{.function = 0}, {.function = 99}};
	static uint32_t deep[PROFILE_MAX_DEPTH + 1];
	static struct profile_line many[PROFILE_MAX_LINES + 1];
	static struct profile_label labels[PROFILE_MAX_LABELS + 1];
	const int64_t values[] = {1, 1};
	uint32_t id = 77;

	(void)state;
	for (size_t i = 0; i < PROFILE_MAX_DEPTH + 1; i++)
		deep[i] = known;
	for (size_t i = 0; i < PROFILE_MAX_LINES + 1; i++)
		many[i].function = 1;
	for (size_t i = 0; i < PROFILE_MAX_LABELS + 1; i++)
		labels[i].key = "k";
	assert_int_equal(profile_add_location(profile, 1, 0, NULL, 0, &id), -EINVAL);
	assert_int_equal(profile_add_location(profile, 0, 5, &bad_lines[0], 1, &id), -EINVAL);
	assert_int_equal(profile_add_location(profile, 0, 5, &bad_lines[1], 1, &id), -EINVAL);
	assert_int_equal(profile_add_location(profile, 0, 5, many, PROFILE_MAX_LINES + 1, &id), -EINVAL);
	assert_int_equal(id, 77);
	assert_int_equal(profile_add_location(profile, 0, 5, many, PROFILE_MAX_LINES, &id), 0);
	assert_int_equal(profile_add_sample(profile, &known, 0, NULL, 0, values), -EINVAL);
	assert_int_equal(profile_add_sample(profile, &none, 1, NULL, 0, values), -EINVAL);
	assert_int_equal(profile_add_sample(profile, &unknown, 1, NULL, 0, values), 0); /* the one with many lines */
	assert_int_equal(profile_add_sample(profile, (const uint32_t[]){3}, 1, NULL, 0, values), -EINVAL);
	assert_int_equal(profile_add_sample(profile, deep, PROFILE_MAX_DEPTH + 1, NULL, 0, values), -EINVAL);
	assert_int_equal(profile_add_sample(profile, deep, PROFILE_MAX_DEPTH, labels, PROFILE_MAX_LABELS + 1, values),
			 -EINVAL);
	assert_int_equal(profile_add_sample(profile, deep, PROFILE_MAX_DEPTH, labels, PROFILE_MAX_LABELS, values), 0);
	assert_int_equal(profile_samples(profile), 2);
	assert_int_equal(profile_add_sample_type(profile, "late", "count"), -EINVAL);
	profile_free(profile);

	assert_int_equal(profile_new(&limits, &bare), 0);
	add_location(bare, 0, 1, "f");
	assert_int_equal(profile_add_sample(bare, &known, 1, NULL, 0, values), -EINVAL);
	for (size_t i = 0; i < PROFILE_MAX_VALUES; i++)
		assert_int_equal(profile_add_sample_type(bare, "t", "u"), 0);
	assert_int_equal(profile_add_sample_type(bare, "t", "u"), -E2BIG);
	profile_free(bare);
}

static void strings_become_utf8(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"plain ~", "plain ~"},
		{"\xc3\xa4\xe2\x82\xac", "\xc3\xa4\xe2\x82\xac"},
		{"a\xff", "a\xef\xbf\xbd"},
		{"\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd"},
		{"line\nend\x7f", "line\xef\xbf\xbd"
				  "end\xef\xbf\xbd"},
		{"", ""},
	};
	struct profile *profile = new_profile();
	struct profile_function_view view;
	uint32_t id;
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct profile_function function = {.name = cases[i].in};

		assert_int_equal(profile_add_function(profile, &function, &id), 0);
		profile_function(profile, id, &view);
		assert_string_equal(profile_string(profile, view.name, &len), cases[i].out);
		assert_int_equal(len, strlen(cases[i].out));
		assert_int_equal(view.system_name, 0);
	}
	profile_free(profile);
}

static void detail_of_a_mapping_is_what_all_its_locations_have(void **state)
{
	struct profile *profile = new_profile();
	const struct profile_function full = {.name = "f", .system_name = "f", .file = "f.c"};
	const struct profile_function no_file = {.name = "g", .system_name = "g"};
	const struct profile_function stand_in = {.name = "[stripped lib+0x12]"};
	struct profile_line lines[2] = {{.line = 3}, {.line = 4}};
	uint32_t ids[4], location, function;
	struct profile_mapping_view view;

	(void)state;
	for (uint32_t m = 0; m < 4; m++)
		ids[m] = add_mapping(profile, "/bin/a", 0x1000000 * (m + 1));
	profile_mapping(profile, ids[0], &view);
	assert_false(view.has_functions || view.has_filenames || view.has_line_numbers || view.has_inline_frames);

	assert_int_equal(profile_add_function(profile, &full, &function), 0);
	lines[0].function = lines[1].function = function;
	for (uint32_t m = 0; m < 4; m++)
		assert_int_equal(profile_add_location(profile, ids[m], 1, lines, 1, &location), 0);
	profile_mapping(profile, ids[0], &view);
	assert_true(view.has_functions && view.has_filenames && view.has_line_numbers);
	assert_false(view.has_inline_frames);

	assert_int_equal(profile_add_location(profile, ids[0], 2, lines, 2, &location), 0);
	profile_mapping(profile, ids[0], &view);
	assert_true(view.has_functions && view.has_filenames && view.has_line_numbers && view.has_inline_frames);

	assert_int_equal(profile_add_function(profile, &no_file, &function), 0);
	lines[0] = (struct profile_line){.function = function};
	assert_int_equal(profile_add_location(profile, ids[1], 2, lines, 1, &location), 0);
	profile_mapping(profile, ids[1], &view);
	assert_true(view.has_functions);
	assert_false(view.has_filenames || view.has_line_numbers || view.has_inline_frames);

	assert_int_equal(profile_add_function(profile, &stand_in, &function), 0);
	lines[0].function = function;
	assert_int_equal(profile_add_location(profile, ids[2], 2, lines, 1, &location), 0);
	profile_mapping(profile, ids[2], &view);
	assert_false(view.has_functions);

	assert_int_equal(profile_add_location(profile, ids[3], 2, NULL, 0, &location), 0);
	profile_mapping(profile, ids[3], &view);
	assert_false(view.has_functions || view.has_filenames || view.has_line_numbers);
	profile_free(profile);
}

/* What the order is made of, as text. */
static void describe(const struct profile *profile, struct buf *ret)
{
	uint32_t *order;

	buf_init(ret, ENCODED_MAX_BYTES);
	assert_int_equal(profile_order(profile, &order), 0);
	for (size_t i = 0; i < profile_samples(profile); i++) {
		struct profile_sample_view sample;

		profile_sample(profile, order[i], &sample);
		for (size_t l = sample.n_locations; l > 0; l--) {
			struct profile_location_view location;

			profile_location(profile, sample.locations[l - 1], &location);
			for (size_t f = location.n_lines; f > 0; f--) {
				struct profile_function_view function;

				profile_function(profile, location.lines[f - 1].function, &function);
				buf_printf(ret, "%s ", profile_string(profile, function.name, NULL));
			}
		}
		for (size_t l = 0; l < sample.n_labels; l++) {
			struct profile_label_view label;

			profile_sample_label(profile, &sample, l, &label);
			buf_printf(ret, "%s=%s ", profile_string(profile, label.key, NULL),
				   profile_string(profile, label.str, NULL));
		}
		buf_printf(ret, "%lld\n", (long long)sample.values[0]);
	}
	assert_non_null(buf_cstr(ret));
	free(order);
}

static void order_depends_on_content_alone(void **state)
{
	struct profile *profile = sample_profile(false), *reversed = sample_profile(true);
	struct buf text, reversed_text;

	(void)state;
	describe(profile, &text);
	describe(reversed, &reversed_text);
	assert_string_equal(buf_cstr(&text), buf_cstr(&reversed_text));
	assert_string_equal(buf_cstr(&text),
			    "[truncated: no frame pointer] [stripped libstripped.so.1+0x12] comm=other pid=7 3\n"
			    "main comm=program pid=100 5\n"
			    "main a;b\xef\xbf\xbd"
			    "c comm=od;d \xef\xbf\xbd pid=8 2\n"
			    "main fill asm_exc_page_fault clear_page_erms comm=program pid=100 7\n"
			    "main work at comm=program pid=100 30\n"
			    "main work at comm=program pid=101 12\n"
			    "ret_from_fork nft_do_chain comm=kworker/0:1 pid=9 1\n");
	buf_release(&text);
	buf_release(&reversed_text);
	profile_free(profile);
	profile_free(reversed);
}

/* Without an address, an inlined location may differ from another by its innermost lines alone. */
static void order_tells_inlining_apart(void **state)
{
	struct buf texts[2];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct profile *profile = new_profile();
		struct profile_line lines[2] = {{0}};

		for (size_t step = 0; step < 2; step++) {
			const size_t n_lines = step == i ? 1 : 2;
			const struct profile_function inner = {.name = "inner"}, outer = {.name = "outer"};
			uint32_t location;

			assert_int_equal(profile_add_function(profile, &inner, &lines[0].function), 0);
			assert_int_equal(profile_add_function(profile, &outer, &lines[1].function), 0);
			assert_int_equal(profile_add_location(profile, 0, 0, lines + 2 - n_lines, n_lines, &location),
					 0);
			add_sample(profile, "c", "1", &location, 1, (int64_t)n_lines);
		}
		describe(profile, &texts[i]);
		profile_free(profile);
	}
	assert_string_equal(buf_cstr(&texts[0]), "outer comm=c pid=1 1\nouter inner comm=c pid=1 2\n");
	assert_string_equal(buf_cstr(&texts[0]), buf_cstr(&texts[1]));
	buf_release(&texts[0]);
	buf_release(&texts[1]);
}

static void byte_limit_is_kept(void **state)
{
	const struct profile_limits limits = {.max_bytes = 200000};
	struct profile *profile;
	struct profile_sample_view view;
	const int64_t values[] = {1};
	char name[32];
	size_t added = 0;
	int err = 0;

	(void)state;
	assert_int_equal(profile_new(&limits, &profile), 0);
	assert_int_equal(profile_add_sample_type(profile, "samples", "count"), 0);
	for (unsigned int i = 0; !err && i < 100000; i++) {
		struct profile_function function = {.name = name};
		struct profile_line line = {0};
		uint32_t location;

		snprintf(name, sizeof(name), "function_%u", i);
		err = profile_add_function(profile, &function, &line.function);
		if (!err)
			err = profile_add_location(profile, 0, i, &line, 1, &location);
		if (!err)
			err = profile_add_sample(profile, &location, 1, NULL, 0, values);
		added += !err;
		assert_in_range(profile_memory_bytes(profile), 1, limits.max_bytes);
	}
	assert_int_equal(err, -E2BIG);
	assert_in_range(added, 100, 2000);
	/* What was added is still there, and equal samples still add up. */
	assert_int_equal(profile_samples(profile), added);
	assert_int_equal(profile_add_sample(profile, (const uint32_t[]){1}, 1, NULL, 0, values), 0);
	profile_sample(profile, 0, &view);
	assert_int_equal(view.values[0], 2);
	profile_free(profile);
}

static void large_profiles_find_their_own(void **state)
{
	struct profile *profile = new_profile();
	uint32_t ids[3000];
	char name[32];

	(void)state;
	for (unsigned int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		ids[i] = add_location(profile, 0, i, name);
		assert_int_equal(ids[i], i + 1);
	}
	for (int round = 0; round < 2; round++)
		for (unsigned int i = 0; i + 2 < 3000; i++)
			add_sample(profile, i % 2 ? "odd" : "even", "1", ids + i, 3, 1);
	assert_int_equal(profile_samples(profile), 2998);
	for (size_t i = 0; i < 2998; i++) {
		struct profile_sample_view view;

		profile_sample(profile, i, &view);
		assert_int_equal(view.values[0], 2);
		assert_int_equal(view.locations[2], i + 3);
	}
	profile_free(profile);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_things_are_one_thing),
		cmocka_unit_test(padding_of_lines_is_no_content),
		cmocka_unit_test(equal_samples_add_up),
		cmocka_unit_test(what_refers_to_nothing_is_refused),
		cmocka_unit_test(strings_become_utf8),
		cmocka_unit_test(detail_of_a_mapping_is_what_all_its_locations_have),
		cmocka_unit_test(order_depends_on_content_alone),
		cmocka_unit_test(order_tells_inlining_apart),
		cmocka_unit_test(byte_limit_is_kept),
		cmocka_unit_test(large_profiles_find_their_own),
	};

	return cmocka_run_group_tests_name("profile", tests, NULL, NULL);
}
