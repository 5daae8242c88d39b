/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of every channel, from both sides: two bytes of type, one that says whether a descriptor came along, then
 * the payload. What passes the check is walked as its readers walk it; each byte must be inside. Seeds: type, flag, and
 * zeros of the fixed part's size, { printf '\1\0\0'; head -c 16 /dev/zero; } >corpus/message/start; those with text
 * have its length set and the text behind. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint8_t sink;

static void touch(const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sink ^= bytes[i];
}

/* The text behind a fixed part, as opener and resolver copy it. */
static void walk_text(const void *text, uint32_t len)
{
	if (len > MESSAGE_MAX_PATH)
		abort();
	touch(text, len);
}

static void walk(uint16_t type, const void *payload, size_t len)
{
	const struct message_mappings *mappings = payload;
	const uint8_t *path;

	switch (type) {
	case MESSAGE_MAPPINGS:
		path = (const uint8_t *)&mappings->mappings[mappings->n];
		for (uint32_t i = 0; i < mappings->n; path += mappings->mappings[i++].path_len)
			touch(path, mappings->mappings[i].path_len);
		break;
	case MESSAGE_PROCESS:
		walk_text((const struct message_process *)payload + 1,
			  ((const struct message_process *)payload)->cgroup_len);
		break;
	case MESSAGE_OPEN_OBJECT:
		walk_text((const struct message_open_object *)payload + 1,
			  ((const struct message_open_object *)payload)->path_len);
		break;
	case MESSAGE_OBJECT:
		walk_text((const struct message_object *)payload + 1,
			  ((const struct message_object *)payload)->path_len);
		break;
	case MESSAGE_OUTPUT:
		walk_text((const struct message_output *)payload + 1,
			  ((const struct message_output *)payload)->name_len);
		break;
	default:
		touch(payload, len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint16_t type;
	size_t len;
	uint64_t *payload;

	if (size < 3)
		return 0;
	type = (uint16_t)(data[0] | data[1] << 8);
	len = size - 3;
	/* A copy of just this size, aligned as the channel's buffer. */
	payload = malloc(len ? len : 1);
	if (!payload)
		return 0;
	memcpy(payload, data + 3, len);
	if (!message_check(type, payload, len, data[2] & 1))
		walk(type, payload, len);
	free(payload);
	return 0;
}
