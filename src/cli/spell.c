/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/spell.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"

#define MAX_TEXT_BYTES 16384 /* of one name or path made safe: 4096 bytes become three times that at most */

/* Whole numbers of jansson are signed. */
json_t *spell_json_count(uint64_t count)
{
	return json_integer(count > INT64_MAX ? INT64_MAX : (json_int_t)count);
}

json_t *spell_json_text(const char *text)
{
	struct buf valid;
	json_t *json;

	buf_init(&valid, MAX_TEXT_BYTES);
	text_append_utf8(&valid, text, strlen(text));
	json = buf_cstr(&valid) ? json_string(buf_cstr(&valid)) : NULL;
	buf_release(&valid);
	return json;
}

int spell_json_line(FILE *to, const json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(15));

	if (!text)
		return -ENOMEM;
	fprintf(to, "%s\n", text);
	free(text);
	return 0;
}

char *spell_name(const char *name)
{
	struct buf buf;
	const char *text;
	char *safe;

	buf_init(&buf, MAX_TEXT_BYTES);
	text_append_terminal(&buf, name, strlen(name));
	text = buf_cstr(&buf);
	safe = text ? strdup(text) : NULL;
	buf_release(&buf);
	return safe;
}

const char *spell_machine(uint32_t machine)
{
	return machine == EM_X86_64 ? "x86-64" : machine == EM_AARCH64 ? "arm64" : NULL;
}

const char *spell_hex(const uint8_t *bytes, size_t n, char *to, size_t size)
{
	to[0] = '\0';
	for (size_t i = 0; i < n && 2 * i + 2 < size; i++)
		snprintf(to + 2 * i, 3, "%02x", bytes[i]);
	return to;
}

const char *spell_percent(double part, double whole, char to[16])
{
	double percent = whole > 0 ? 100 * part / whole : 0;

	if (percent > 0 && percent < 0.05)
		snprintf(to, 16, "<0.1 %%");
	else if (percent >= 99.95 && part < whole)
		snprintf(to, 16, ">99.9 %%");
	else
		snprintf(to, 16, "%.1f %%", percent);
	return to;
}

const char *spell_bytes(uint64_t bytes, char to[16])
{
	static const char *const units[] = {"kB", "MB", "GB", "TB"};
	double value = (double)bytes / 1000;
	size_t unit = 0;

	if (bytes < 1000) {
		snprintf(to, 16, "%u B", (unsigned int)bytes);
		return to;
	}
	/* 999.95 would be printed as 1000.0 */
	for (; value >= 999.95 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
		value /= 1000;
	snprintf(to, 16, "%.1f %s", value, units[unit]);
	return to;
}
