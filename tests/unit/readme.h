/* SPDX-License-Identifier: Apache-2.0 */
/* Documents as text, for tests that compare their tables with the code. */
#pragma once

#include <stdio.h>

#include "test.h"

/* `file` is __FILE__ of a test: the document is found from where the compiler was told that is. The caller frees. */
static inline char *document(const char *file, const char *name)
{
	const char *here = strstr(file, "tests/unit/");
	char path[512], *text = NULL;
	size_t cap = 0;
	FILE *from;

	assert_non_null(here);
	snprintf(path, sizeof(path), "%.*s%s", (int)(here - file), file, name);
	from = fopen(path, "re");
	if (!from)
		fail_msg("cannot read %s: run this from the top of the tree", path);
	assert_true(getdelim(&text, &cap, 0, from) > 0);
	fclose(from);
	return text;
}

static inline char *readme(const char *file)
{
	return document(file, "README.md");
}
