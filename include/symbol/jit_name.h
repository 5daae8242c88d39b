/* SPDX-License-Identifier: Apache-2.0 */
/* Where in its source the function is that a runtime's name for its code tells of. The name stays as it is: it is what
 * users of perf know. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct jit_source {
	size_t file, file_len; /* within the name; length 0: it tells of no file */
	uint32_t line;	       /* at which the function begins; 0: unknown */
};

/* V8: "LazyCompile:*hot /srv/a.js:3:14", "JS:~init file:///srv/b.mjs:1:1"; CPython: "py::hot:/srv/c.py". Others, and
 * those that could be read in two ways, tell of none. */
void jit_name_source(const char *name, struct jit_source *ret);
