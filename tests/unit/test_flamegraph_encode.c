/* SPDX-License-Identifier: Apache-2.0 */
/* The page's data; what the page makes of them is seen in a browser: tests/integration/flamegraph_browser.sh */
#include "test.h"

#include <errno.h>
#include <jansson.h>

#include "encode/flamegraph_encode.h"
#include "encoded.h"

#define DATA_BEGIN "<script type=\"application/json\" id=\"data\">"
#define SCRIPT_END "</script>"

static void encode(const struct profile *profile, const char *title, struct buf *ret)
{
	const struct flamegraph_options options = {.title = title, .duration_seconds = 10};
	const struct sink sink = sink_to_buf(ret);

	assert_int_equal(flamegraph_encode(profile, &options, &sink), 0);
	assert_non_null(buf_cstr(ret));
}

/* As a browser finds them: up to the first end of the script element. */
static json_t *data_of(struct buf *page)
{
	const char *begin = strstr(buf_cstr(page), DATA_BEGIN), *end;
	json_error_t error;
	json_t *data;

	assert_non_null(begin);
	begin += strlen(DATA_BEGIN);
	end = strstr(begin, SCRIPT_END);
	assert_non_null(end);
	data = json_loadb(begin, (size_t)(end - begin), 0, &error);
	if (!data)
		fail_msg("%s", error.text);
	return data;
}

static long long number_at(const json_t *data, const char *array, size_t index)
{
	const json_t *value = json_array_get(json_object_get(data, array), index);

	assert_true(json_is_integer(value));
	return json_integer_value(value);
}

static size_t length(const json_t *data, const char *array)
{
	assert_true(json_is_array(json_object_get(data, array)));
	return json_array_size(json_object_get(data, array));
}

static const char *text_at(const json_t *data, long long id)
{
	const json_t *text = json_array_get(json_object_get(data, "strings"), (size_t)id);

	assert_true(json_is_string(text));
	return json_string_value(text);
}

/* The tree as indented text with what each node itself has taken, by process. */
static void describe(const json_t *data, struct buf *ret)
{
	static const char *const kinds[] = {"process", "user", "kernel", "unnamed", "truncated", "folded"};
	size_t entry = 0, entries = length(data, "entries") / 3;
	long long entry_node = entries ? number_at(data, "entries", 0) : -1;

	buf_init(ret, ENCODED_MAX_BYTES);
	for (size_t node = 0; node < length(data, "nodes"); node++) {
		const long long frame = number_at(data, "nodes", node);

		buf_printf(ret, "%*s%s (%s) %s", (int)number_at(data, "depths", node), "",
			   text_at(data, number_at(data, "frames", (size_t)frame * 3)),
			   text_at(data, number_at(data, "frames", (size_t)frame * 3 + 1)),
			   kinds[number_at(data, "frames", (size_t)frame * 3 + 2)]);
		while (entry < entries && entry_node == (long long)node) {
			const size_t process = (size_t)number_at(data, "entries", 3 * entry + 1);

			buf_printf(ret, " %s/%s=%lld", text_at(data, number_at(data, "processes", 2 * process)),
				   text_at(data, number_at(data, "processes", 2 * process + 1)),
				   number_at(data, "entries", 3 * entry + 2));
			if (++entry < entries)
				entry_node += number_at(data, "entries", 3 * entry);
		}
		buf_append_str(ret, "\n");
	}
	assert_int_equal(entry, entries);
	assert_non_null(buf_cstr(ret));
}

static void data_are_the_golden_ones(void **state)
{
	struct profile *profile = sample_profile(false), *reversed = sample_profile(true);
	struct buf page, other, text;
	json_t *data;

	(void)state;
	encode(profile, "hostprof", &page);
	encode(reversed, "hostprof", &other);
	assert_string_equal(buf_cstr(&page), buf_cstr(&other));
	data = data_of(&page);
	assert_string_equal(json_string_value(json_object_get(data, "title")), "hostprof");
	assert_string_equal(json_string_value(json_object_get(data, "unit")), "nanoseconds");
	assert_int_equal(json_integer_value(json_object_get(data, "period")), SAMPLE_PERIOD_NS);
	assert_int_equal(json_integer_value(json_object_get(data, "seconds")), 10);
	assert_true(json_is_null(json_object_get(data, "weights")));
	assert_int_equal(length(data, "comments"), 1);
	assert_string_equal(text_at(data, 0), "");
	describe(data, &text);
	assert_golden(__FILE__, "sample.flamegraph.txt", &text);
	json_decref(data);
	buf_release(&page);
	buf_release(&other);
	buf_release(&text);
	profile_free(profile);
	profile_free(reversed);
}

static void page_is_whole_and_fetches_nothing(void **state)
{
	struct profile *profile = sample_profile(false);
	struct buf page;
	const char *text;

	(void)state;
	encode(profile, "hostprof", &page);
	text = buf_cstr(&page);
	assert_int_equal(strncmp(text, "<!DOCTYPE html>", 15), 0);
	assert_non_null(strstr(text, "Content-Security-Policy\" content=\"default-src 'none';"));
	assert_non_null(strstr(text, "window.hostprof"));
	assert_non_null(strstr(text, "</html>\n"));
	assert_int_equal(strlen(text), page.len);
	for (size_t i = 0; i < 4; i++)
		assert_null(strstr(text, ((const char *[]){"http:", "https:", "src=", "{{"})[i]));
	assert_null(strstr(text, "@import"));
	assert_null(strstr(text, "url("));
	buf_release(&page);
	profile_free(profile);
}

/* Whatever a process calls itself: the page's own elements stay the only ones. */
static void hostile_names_stay_text(void **state)
{
	static const char *const names[] = {
		"</script><script>alert(1)</script>", "<!--<script>", "a&b\"'\\", "{{data}}",
		"x\xe2\x80\xa8y\xe2\x80\xa9z",	      "\x01\x1f\x7f",
	};
	struct profile *plain = sample_profile(false), *profile = new_profile();
	struct buf page, plain_page;
	json_t *data;
	bool has_seen[3] = {false};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const uint32_t location =
			add_location(profile, add_mapping(profile, names[i], 0x1000), 0x1001, names[i]);

		add_sample(profile, names[i], names[i], &location, 1, 1);
		assert_int_equal(profile_add_comment(profile, names[i]), 0);
	}
	encode(plain, "t", &plain_page);
	encode(profile, "</title><script>", &page);
	for (size_t i = 0; i < 2; i++) {
		const char *mark = ((const char *[]){"<script", "</title"})[i], *pos = buf_cstr(&page);
		size_t n = 0, wanted = 0;

		while ((pos = strstr(pos, mark)))
			n++, pos++;
		for (pos = buf_cstr(&plain_page); (pos = strstr(pos, mark)); pos++)
			wanted++;
		assert_int_equal(n, wanted);
	}
	assert_null(strstr(buf_cstr(&page), "\xe2\x80\xa8"));
	assert_null(strstr(buf_cstr(&page), "\xe2\x80\xa9"));
	data = data_of(&page);
	for (size_t i = 0; i < length(data, "strings"); i++) {
		has_seen[0] |= !strcmp(text_at(data, (long long)i), names[0]);
		has_seen[1] |= !strcmp(text_at(data, (long long)i), names[2]);
		has_seen[2] |= !strcmp(text_at(data, (long long)i), names[4]);
	}
	assert_true(has_seen[0] && has_seen[1] && has_seen[2]);
	assert_string_equal(json_string_value(json_object_get(data, "title")), "</title><script>");
	json_decref(data);
	buf_release(&page);
	buf_release(&plain_page);
	profile_free(plain);
	profile_free(profile);
}

static void weights_of_their_own_are_written(void **state)
{
	struct profile *profile = new_profile();
	const uint32_t location = add_location(profile, 0, 1, "f");
	const int64_t values[] = {2, 12345};
	const struct profile_label labels[] = {{.key = "comm", .str = "c"}, {.key = "pid", .num = 42, .unit = "id"}};
	struct buf page;
	json_t *data;

	(void)state;
	assert_int_equal(profile_add_sample(profile, &location, 1, labels, 2, values), 0);
	encode(profile, "t", &page);
	data = data_of(&page);
	assert_int_equal(length(data, "weights"), 1);
	assert_int_equal(number_at(data, "weights", 0), 12345);
	assert_int_equal(number_at(data, "entries", 2), 2);
	assert_string_equal(text_at(data, number_at(data, "processes", 1)), "42");
	json_decref(data);
	buf_release(&page);
	profile_free(profile);
}

/* 250,000 leaves of one sample and one of as many: what is small goes below one stand-in, no sample is lost. */
static void too_many_nodes_are_folded_and_told(void **state)
{
	enum { LEAVES = 250000 };
	const struct profile_limits limits = {.max_bytes = 1u << 30};
	struct profile *profile;
	uint32_t stack[2];
	struct buf page, text;
	char name[24];
	json_t *data;

	(void)state;
	assert_int_equal(profile_new(&limits, &profile), 0);
	assert_int_equal(profile_add_sample_type(profile, "samples", "count"), 0);
	stack[1] = add_location(profile, 0, 0, "root");
	for (unsigned int i = 0; i <= LEAVES; i++) {
		const struct profile_label label = {.key = "comm", .str = "c"};
		const int64_t value = i == LEAVES ? LEAVES : 1;

		snprintf(name, sizeof(name), "leaf%u", i);
		stack[0] = add_location(profile, 0, 0, name);
		assert_int_equal(profile_add_sample(profile, stack, 2, &label, 1, &value), 0);
	}
	encode(profile, "t", &page);
	data = data_of(&page);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(data, "folded"), "nodes")), LEAVES);
	describe(data, &text);
	assert_string_equal(buf_cstr(&text), " c () process\n"
					     "  root () user\n"
					     "   [small subtrees] () folded c/=250000\n"
					     "   leaf250000 () user c/=250000\n");
	json_decref(data);
	buf_release(&text);
	buf_release(&page);
	profile_free(profile);
}

static void empty_profile_is_a_page(void **state)
{
	struct profile *profile = new_profile();
	struct buf page;
	json_t *data;

	(void)state;
	encode(profile, "t", &page);
	data = data_of(&page);
	assert_int_equal(length(data, "nodes"), 0);
	assert_int_equal(length(data, "entries"), 0);
	json_decref(data);
	buf_release(&page);
	profile_free(profile);
}

static void full_disk_is_an_error(void **state)
{
	const struct flamegraph_options options = {.title = "t"};
	struct profile *profile = sample_profile(false);
	size_t left = 10;
	const struct sink sink = {.write = sink_to_full_disk_write, .ctx = &left};

	(void)state;
	assert_int_equal(flamegraph_encode(profile, &options, &sink), -ENOSPC);
	profile_free(profile);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_are_the_golden_ones),
		cmocka_unit_test(page_is_whole_and_fetches_nothing),
		cmocka_unit_test(hostile_names_stay_text),
		cmocka_unit_test(weights_of_their_own_are_written),
		cmocka_unit_test(too_many_nodes_are_folded_and_told),
		cmocka_unit_test(empty_profile_is_a_page),
		cmocka_unit_test(full_disk_is_an_error),
	};

	return cmocka_run_group_tests_name("flamegraph_encode", tests, NULL, NULL);
}
