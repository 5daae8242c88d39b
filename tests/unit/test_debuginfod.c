/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/problem.h"
#include "cli/debuginfod.h"

static struct debuginfod_use use;
static struct problem problem;

static int use_of(const char *urls, const struct debuginfod_environment *environment)
{
	struct debuginfod_choice choice = {.is_on = true};

	problem = (struct problem){0};
	if (urls) {
		choice.urls[0] = urls;
		choice.n_urls = 1;
	}
	return debuginfod_use_init(&use, &choice, environment, &problem);
}

static void urls_are_cut_at_blanks_and_commas(void **state)
{
	char text[] = " http://a/,https://b:8002\thttp://c ,, https://d\n";
	struct debuginfod_choice choice = {0};
	const char *bad;

	(void)state;
	assert_int_equal(debuginfod_add_urls(text, false, &choice, &bad), 0);
	assert_int_equal(choice.n_urls, 4);
	assert_string_equal(choice.urls[0], "http://a/");
	assert_string_equal(choice.urls[1], "https://b:8002");
	assert_string_equal(choice.urls[2], "http://c");
	assert_string_equal(choice.urls[3], "https://d");
}

static void what_is_no_url_is_named(void **state)
{
	static const char *const wrong[] = {"ftp://a", "file:///srv", "debuginfod.example",
					    "http://", "https:///x",  "ima:enforcing"};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct debuginfod_choice choice = {0};
		const char *bad = NULL;
		char text[64];

		snprintf(text, sizeof(text), "http://a,%s", wrong[i]);
		assert_int_equal(debuginfod_add_urls(text, false, &choice, &bad), -EINVAL);
		assert_string_equal(bad, wrong[i]);
	}
}

static void there_are_sixteen_servers_at_most(void **state)
{
	struct debuginfod_choice choice = {0};
	const char *bad;
	char text[256] = "";

	(void)state;
	for (int i = 0; i < DEBUG_MAX_SERVERS + 1; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "http://%c ", 'a' + i);
	assert_int_equal(debuginfod_add_urls(text, false, &choice, &bad), -E2BIG);
	assert_int_equal(choice.n_urls, DEBUG_MAX_SERVERS);
}

static void the_environment_names_servers_and_what_is_for_others(void **state)
{
	const struct debuginfod_environment environment = {
		.urls = "ima:enforcing https://debuginfod.example/ file:///mnt/debug ima:ignore http://b"};

	(void)state;
	assert_int_equal(use_of(NULL, &environment), 0);
	assert_int_equal(use.settings.n_servers, 2);
	assert_string_equal(use.settings.servers[0], "https://debuginfod.example/");
	assert_string_equal(use.settings.servers[1], "http://b");
	debuginfod_use_release(&use);
	/* The option's word is more. */
	assert_int_equal(use_of("http://mine", &environment), 0);
	assert_int_equal(use.settings.n_servers, 1);
	assert_string_equal(use.settings.servers[0], "http://mine");
	debuginfod_use_release(&use);
}

static void without_a_server_it_is_said_how_to_name_one(void **state)
{
	static const char *const none[] = {NULL, "", "  ", "file:///only"};
	char text[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		const struct debuginfod_environment environment = {.urls = none[i]};

		assert_int_equal(use_of(NULL, &environment), -EDESTADDRREQ);
		problem_text(&problem, text, sizeof(text));
		assert_non_null(strstr(text, "--debuginfod=URL"));
		assert_non_null(strstr(text, "--preserve-env=DEBUGINFOD_URLS"));
	}
	assert_int_equal(use_of(NULL, &(struct debuginfod_environment){.urls = "gopher://x"}), -EINVAL);
	assert_non_null(strstr(problem.what, "gopher://x"));
}

static void off_is_off(void **state)
{
	const struct debuginfod_choice choice = {0};

	(void)state;
	assert_int_equal(debuginfod_use_init(&use, &choice, &(struct debuginfod_environment){.urls = "http://a"}, NULL),
			 0);
	assert_int_equal(use.settings.n_servers, 0);
}

static void the_cache_is_where_elfutils_has_it(void **state)
{
	static const struct {
		struct debuginfod_environment environment;
		const char *path;
	} cases[] = {
		{{.home = "/home/u"}, "/home/u/.cache/debuginfod_client"},
		{{.home = "/home/u", .xdg_cache_home = "/x"}, "/x/debuginfod_client"},
		{{.home = "/home/u", .xdg_cache_home = ""}, "/home/u/.cache/debuginfod_client"},
		{{.home = "/home/u", .xdg_cache_home = "/x", .cache_path = "/c"}, "/c"},
		{{.home = NULL}, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(use_of("http://a", &cases[i].environment), 0);
		if (cases[i].path)
			assert_string_equal(use.settings.cache, cases[i].path);
		else
			assert_null(use.settings.cache);
		debuginfod_use_release(&use);
	}
}

static void limits_are_those_of_elfutils_client(void **state)
{
	static const struct {
		struct debuginfod_environment environment;
		uint32_t stall, total;
		uint64_t bytes;
	} cases[] = {
		{{0}, 90, 600, 2ULL << 30},
		{{.timeout = "5", .max_time = "20", .max_size = "1000"}, 5, 20, 1000},
		{{.timeout = "0", .max_time = "0", .max_size = "0"}, 0, 600, 2ULL << 30},
		{{.timeout = "-1", .max_time = "x", .max_size = "1G"}, 90, 600, 2ULL << 30},
		{{.timeout = "99999999999", .max_time = "", .max_size = "99999999999999"}, 86400, 600, 2ULL << 30},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(use_of("http://a", &cases[i].environment), 0);
		assert_int_equal(use.settings.stall_seconds, cases[i].stall);
		assert_int_equal(use.settings.total_seconds, cases[i].total);
		assert_int_equal(use.settings.max_bytes, cases[i].bytes);
		debuginfod_use_release(&use);
	}
}

static void another_user_s_home_is_looked_up(void **state)
{
	struct debuginfod_environment environment;

	(void)state;
	setenv("HOME", "/nowhere", 1);
	setenv("XDG_CACHE_HOME", "/elsewhere", 1);
	debuginfod_environment_read(getuid(), &environment);
	assert_string_equal(environment.home, "/nowhere");
	assert_string_equal(environment.xdg_cache_home, "/elsewhere");
	debuginfod_environment_read(getuid() + 1, &environment); /* 1: daemon, for root */
	assert_null(environment.xdg_cache_home);
	assert_true(!environment.home || strcmp(environment.home, "/nowhere") != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_are_cut_at_blanks_and_commas),
		cmocka_unit_test(what_is_no_url_is_named),
		cmocka_unit_test(there_are_sixteen_servers_at_most),
		cmocka_unit_test(the_environment_names_servers_and_what_is_for_others),
		cmocka_unit_test(without_a_server_it_is_said_how_to_name_one),
		cmocka_unit_test(off_is_off),
		cmocka_unit_test(the_cache_is_where_elfutils_has_it),
		cmocka_unit_test(limits_are_those_of_elfutils_client),
		cmocka_unit_test(another_user_s_home_is_looked_up),
	};

	return cmocka_run_group_tests_name("debuginfod", tests, NULL, NULL);
}
