/* SPDX-License-Identifier: Apache-2.0 */
#include "oom.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned long taken, failing;

void *oom_malloc(size_t size);
void *oom_calloc(size_t n, size_t size);
void *oom_realloc(void *old, size_t size);
void *oom_reallocarray(void *old, size_t n, size_t size);
char *oom_strdup(const char *str);
char *oom_strndup(const char *str, size_t n);

__attribute__((constructor)) static void oom_begin(void)
{
	const char *at = getenv("OOM_AT");

	if (at)
		failing = strtoul(at, NULL, 10);
}

__attribute__((destructor)) static void oom_end(void)
{
	const char *path = getenv("OOM_COUNT_FILE");
	FILE *file = path ? fopen(path, "we") : NULL;

	if (!file)
		return;
	fprintf(file, "%lu\n", taken);
	fclose(file);
}

void oom_fail_at(unsigned long nth)
{
	failing = nth ? taken + nth : 0;
}

static bool fails(void)
{
	if (++taken != failing)
		return false;
	errno = ENOMEM;
	return true;
}

void *oom_malloc(size_t size)
{
	return fails() ? NULL : malloc(size);
}

void *oom_calloc(size_t n, size_t size)
{
	return fails() ? NULL : calloc(n, size);
}

void *oom_realloc(void *old, size_t size)
{
	return fails() ? NULL : realloc(old, size);
}

void *oom_reallocarray(void *old, size_t n, size_t size)
{
	return fails() ? NULL : reallocarray(old, n, size);
}

char *oom_strdup(const char *str)
{
	return fails() ? NULL : strdup(str);
}

char *oom_strndup(const char *str, size_t n)
{
	return fails() ? NULL : strndup(str, n);
}
