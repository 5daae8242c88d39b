/* SPDX-License-Identifier: Apache-2.0 */
#include "base/unnamed.h"

#include <stdio.h>
#include <string.h>

enum form { FORM_WORD, FORM_PLACE };

static const struct spelling {
	const char *word; /* NULL: the module says it */
	enum form form;
	const char *text, *name;
} spellings[UNNAMED_COUNT] = {
#define UNNAMED(name, word, form, text) [UNNAMED_##name] = {word, FORM_##form, text, #name},
#include "base/unnamed.def"
#undef UNNAMED
};

void unnamed_spell(enum unnamed why, const char *module, uint64_t offset, char *to, size_t size)
{
	const struct spelling *spelling = &spellings[why];
	const char *word = spelling->word ? spelling->word : "";
	size_t len = strlen(module);

	if (spelling->form == FORM_WORD) {
		snprintf(to, size, "[%s]", word);
		return;
	}
	if (len > 2 && module[0] == '[' && module[len - 1] == ']') {
		module++;
		len -= 2;
	}
	snprintf(to, size, "[%s%s%.*s+0x%llx]", word, *word && len ? " " : "", (int)len, module,
		 (unsigned long long)offset);
}

const char *unnamed_text(enum unnamed why)
{
	return spellings[why].text;
}

const char *unnamed_name(enum unnamed why)
{
	return spellings[why].name;
}
