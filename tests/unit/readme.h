/* SPDX-License-Identifier: Apache-2.0 */
/* README.md as text, for tests that compare its tables with the code. */
#pragma once

#include <stdio.h>

#include "test.h"

/* `file` is __FILE__ of a test: README.md is found from where the compiler was told that is. The caller frees. */
static inline char *readme(const char *file)
{
	const char *here = strstr(file, "tests/unit/");
	char path[512], *text = NULL;
	size_t cap = 0;
	FILE *from;

	assert_non_null(here);
	snprintf(path, sizeof(path), "%.*sREADME.md", (int)(here - file), file);
	from = fopen(path, "re");
	if (!from)
		fail_msg("cannot read %s: run this from the top of the tree", path);
	assert_true(getdelim(&text, &cap, 0, from) > 0);
	fclose(from);
	return text;
}
