/* SPDX-License-Identifier: Apache-2.0 */
#include "symbol/jit_name.h"

#include <stdbool.h>
#include <string.h>

#define FILE_URL "file://"

static bool starts_with(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* ":123" at the end of the text; its value, 0: there is none. *len becomes that of what comes before. */
static uint32_t cut_number(const char *text, size_t *len)
{
	size_t at = *len;
	uint64_t value = 0, unit = 1;

	for (; at && is_digit(text[at - 1]); at--, unit *= 10) {
		if (unit > 1000000000)
			return 0;
		value += (uint64_t)(text[at - 1] - '0') * unit;
	}
	if (!at || at == *len || text[at - 1] != ':' || value > UINT32_MAX)
		return 0;
	*len = at - 1;
	return (uint32_t)value;
}

/* The names of V8's events for functions (deps/v8/src/logging/log.cc, kLogEventsNames and CodeTag). */
static bool is_v8(const char *name)
{
	static const char *const tags[] = {"LazyCompile:", "Function:", "Script:", "Eval:", "JS:"};

	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
		if (starts_with(name, tags[i]))
			return true;
	return false;
}

/* " /srv/a.js", " file:///srv/a.js", " node:fs": what begins a file, behind a function's name that may have blanks. */
static const char *find_v8_file(const char *name)
{
	static const char *const begins[] = {" /", " " FILE_URL, " node:"};
	const char *first = NULL;

	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		const char *at = strstr(name, begins[i]);

		if (at && (!first || at < first))
			first = at;
	}
	if (!first)
		return NULL;
	first++;
	return starts_with(first, FILE_URL) ? first + strlen(FILE_URL) : first;
}

static void v8_source(const char *name, struct jit_source *ret)
{
	const char *file = find_v8_file(name);
	size_t len = strlen(name), before_column;
	uint32_t line;

	if (!file || !cut_number(name, &len))
		return;
	before_column = len;
	line = cut_number(name, &before_column);
	if (!line || name + before_column <= file)
		return;
	*ret = (struct jit_source){(size_t)(file - name), (size_t)(name + before_column - file), line};
}

/* "py::QUALIFIED_NAME:FILE" (Objects/perf_trampoline.c of CPython 3.12); a qualified name holds no colon. */
static void python_source(const char *name, struct jit_source *ret)
{
	const char *function = name + strlen("py::"), *colon = strchr(function, ':');

	if (colon && colon > function && colon[1])
		*ret = (struct jit_source){.file = (size_t)(colon + 1 - name), .file_len = strlen(colon + 1)};
}

void jit_name_source(const char *name, struct jit_source *ret)
{
	*ret = (struct jit_source){0};
	if (is_v8(name))
		v8_source(name, ret);
	else if (starts_with(name, "py::"))
		python_source(name, ret);
}
