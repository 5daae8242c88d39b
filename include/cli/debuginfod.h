/* SPDX-License-Identifier: Apache-2.0 */
/* What --debuginfod and the environment say, with the names and meanings that elfutils' client gives them
 * (debuginfod-find(1), "ENVIRONMENT VARIABLES"):
 *
 *    DEBUGINFOD_URLS         servers, apart by blanks
 *    DEBUGINFOD_CACHE_PATH   where files are kept
 *    DEBUGINFOD_TIMEOUT      seconds in which 100 KB must come
 *    DEBUGINFOD_MAXTIME      seconds for a file
 *    DEBUGINFOD_MAXSIZE      bytes of a file */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "collector/downloads.h"

struct problem;

/* The option as it was given. */
struct debuginfod_choice {
	bool is_on;
	const char *urls[DEBUG_MAX_SERVERS]; /* none: those of the environment */
	size_t n_urls;
};

/* Cuts the text, URLs apart by blanks or commas, in place, and adds them. -EINVAL: *ret_bad is no http or https URL;
 * -E2BIG: it is one too many. In an environment what is for others is passed over: "file://…" and "ima:…". */
int debuginfod_add_urls(char *text, bool is_environment, struct debuginfod_choice *choice, const char **ret_bad);

struct debuginfod_environment {
	const char *urls, *cache_path, *timeout, *max_time, *max_size;
	const char *xdg_cache_home, *home;
};

/* Of the process; the home is that of the user whose the cache is, for sudo tells another. It lives as long as the
 * process. */
void debuginfod_environment_read(uid_t uid, struct debuginfod_environment *ret);

struct debuginfod_use {
	struct downloads_settings settings;
	char *urls, *cache; /* owned */
};

/* Nothing is filled where the choice is off. -EDESTADDRREQ: no server is named; or another, with the problem filled. To
 * be released on success. */
int debuginfod_use_init(struct debuginfod_use *use, const struct debuginfod_choice *choice,
			const struct debuginfod_environment *environment, struct problem *problem);
/* The same for a command that runs with the caller's rights, of the process' environment; the problem is told on
 * stderr.
 */
int debuginfod_use_for_command(struct debuginfod_use *use, const struct debuginfod_choice *choice);
void debuginfod_use_release(struct debuginfod_use *use);
