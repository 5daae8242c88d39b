/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/debuginfod.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/problem.h"

#define STALL_SECONDS 90
#define TOTAL_SECONDS 600
#define MAX_SECONDS 86400
#define MAX_FILE_BYTES (2ULL << 30)
#define SEPARATORS " \t\n,"
#define CACHE_NAME "debuginfod_client"
#define MEND_URLS                                                                                                      \
	"give --debuginfod=URL, or set DEBUGINFOD_URLS, which sudo passes on with --preserve-env=DEBUGINFOD_URLS"

static bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

static bool is_url(const char *text)
{
	const char *host = begins(text, "https://") ? text + 8 : begins(text, "http://") ? text + 7 : "";

	return *host && *host != '/';
}

static bool is_of_others(const char *word)
{
	return begins(word, "ima:") || begins(word, "file:");
}

/* Cuts it off; NULL: there is none left. */
static char *next_word(char **text)
{
	char *word = *text + strspn(*text, SEPARATORS);
	char *end = word + strcspn(word, SEPARATORS);

	*text = *end ? end + 1 : end;
	*end = '\0';
	return *word ? word : NULL;
}

int debuginfod_add_urls(char *text, bool is_environment, struct debuginfod_choice *choice, const char **ret_bad)
{
	char *word;

	while ((word = next_word(&text))) {
		if (is_environment && is_of_others(word))
			continue;
		*ret_bad = word;
		if (!is_url(word) || strlen(word) > MESSAGE_MAX_PATH)
			return -EINVAL;
		if (choice->n_urls == DEBUG_MAX_SERVERS)
			return -E2BIG;
		choice->urls[choice->n_urls++] = word;
	}
	return 0;
}

/* Of the user's entry in passwd where the environment may be another's (sudo). */
static const char *home_of(uid_t uid)
{
	const char *home = getenv("HOME");
	const struct passwd *entry;

	if (uid == getuid() && home && *home)
		return home;
	entry = getpwuid(uid);
	return entry ? entry->pw_dir : NULL;
}

void debuginfod_environment_read(uid_t uid, struct debuginfod_environment *ret)
{
	*ret = (struct debuginfod_environment){.urls = getenv("DEBUGINFOD_URLS"),
					       .cache_path = getenv("DEBUGINFOD_CACHE_PATH"),
					       .timeout = getenv("DEBUGINFOD_TIMEOUT"),
					       .max_time = getenv("DEBUGINFOD_MAXTIME"),
					       .max_size = getenv("DEBUGINFOD_MAXSIZE"),
					       .xdg_cache_home = uid == getuid() ? getenv("XDG_CACHE_HOME") : NULL,
					       .home = home_of(uid)};
}

/* What is no number is as if it were not there. */
static uint64_t read_number(const char *text, uint64_t otherwise, uint64_t max)
{
	struct cursor cursor;
	uint64_t number;

	if (!text)
		return otherwise;
	cursor_init(&cursor, text, strlen(text));
	number = cursor_dec(&cursor);
	if (!cursor_ok(&cursor) || !cursor_at_end(&cursor))
		return otherwise;
	return number < max ? number : max;
}

static bool is_set(const char *text)
{
	return text && *text;
}

/* *ret NULL: nowhere. */
static int find_cache(const struct debuginfod_environment *environment, char **ret)
{
	int n = 0;

	*ret = NULL;
	if (is_set(environment->cache_path))
		n = asprintf(ret, "%s", environment->cache_path);
	else if (is_set(environment->xdg_cache_home))
		n = asprintf(ret, "%s/" CACHE_NAME, environment->xdg_cache_home);
	else if (is_set(environment->home))
		n = asprintf(ret, "%s/.cache/" CACHE_NAME, environment->home);
	if (n < 0)
		*ret = NULL;
	return n < 0 ? -ENOMEM : 0;
}

/* Those of the environment where the option names none. */
static int find_servers(struct debuginfod_use *use, const struct debuginfod_choice *choice,
			const struct debuginfod_environment *environment, struct problem *problem)
{
	struct debuginfod_choice servers = *choice;
	const char *bad;
	int err;

	if (!servers.n_urls && environment->urls) {
		use->urls = strdup(environment->urls);
		err = use->urls ? debuginfod_add_urls(use->urls, true, &servers, &bad) : -ENOMEM;
		if (err == -EINVAL)
			return problem_set(problem, err, "each is http://… or https://…",
					   "cannot use '%s' of DEBUGINFOD_URLS", bad);
		if (err && err != -E2BIG) /* the first ones will do */
			return problem_set(problem, err, "", "cannot use debuginfod");
	}
	if (!servers.n_urls)
		return problem_set(problem, -EDESTADDRREQ, MEND_URLS, "no debuginfod server is named");
	memcpy(use->settings.servers, servers.urls, sizeof(servers.urls));
	use->settings.n_servers = servers.n_urls;
	return 0;
}

int debuginfod_use_init(struct debuginfod_use *use, const struct debuginfod_choice *choice,
			const struct debuginfod_environment *environment, struct problem *problem)
{
	int err;

	*use = (struct debuginfod_use){0};
	if (!choice->is_on)
		return 0;
	use->settings.stall_seconds = (uint32_t)read_number(environment->timeout, STALL_SECONDS, MAX_SECONDS);
	use->settings.total_seconds = (uint32_t)read_number(environment->max_time, TOTAL_SECONDS, MAX_SECONDS);
	use->settings.max_bytes = read_number(environment->max_size, MAX_FILE_BYTES, MAX_FILE_BYTES);
	if (!use->settings.max_bytes) /* as elfutils': no limit of one's own */
		use->settings.max_bytes = MAX_FILE_BYTES;
	if (!use->settings.total_seconds)
		use->settings.total_seconds = TOTAL_SECONDS;
	err = find_servers(use, choice, environment, problem);
	if (!err && find_cache(environment, &use->cache))
		err = problem_set(problem, -ENOMEM, "", "cannot use debuginfod");
	use->settings.cache = use->cache;
	if (err)
		debuginfod_use_release(use);
	return err;
}

int debuginfod_use_for_command(struct debuginfod_use *use, const struct debuginfod_choice *choice)
{
	struct debuginfod_environment environment;
	struct problem problem = {0};
	char text[1024];
	int err;

	debuginfod_environment_read(geteuid(), &environment);
	err = debuginfod_use_init(use, choice, &environment, &problem);
	if (!err)
		return 0;
	problem_text(&problem, text, sizeof(text));
	fprintf(stderr, "hostprof: %s\n", text);
	return err;
}

void debuginfod_use_release(struct debuginfod_use *use)
{
	free(use->urls);
	free(use->cache);
	*use = (struct debuginfod_use){0};
}
