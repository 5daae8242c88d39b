/* SPDX-License-Identifier: Apache-2.0 */
/* Frames without a function's name: why, and how they are spelled. One form for all, in brackets and with an offset, so
 * that no tool takes them for names. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum unnamed {
#define UNNAMED(name, word, form, text) UNNAMED_##name,
#include "base/unnamed.def"
#undef UNNAMED
	UNNAMED_COUNT
};

/* "[stripped libfoo.so+0x1234]", "[anon+0x7f0012345678]", "[32-bit]"; cut at size - 1. Brackets around the module
 * ("[anon]") are left out. */
void unnamed_spell(enum unnamed why, const char *module, uint64_t offset, char *to, size_t size);
/* "the file has no table of its own functions" */
const char *unnamed_text(enum unnamed why);
/* "STRIPPED" */
const char *unnamed_name(enum unnamed why);
