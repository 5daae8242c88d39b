/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <stdbool.h>
#include <string.h>

#include "base/buf.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

size_t text_copy(char *to, size_t size, const char *from)
{
	size_t len;

	if (!size)
		return 0;
	len = strnlen(from, size - 1);
	memcpy(to, from, len);
	to[len] = 0;
	return len;
}

size_t text_utf8_sequence(const char *bytes, size_t n, uint32_t *ret)
{
	/* RFC 3629 section 4: the first byte says the length, and the least code point that needs this length. */
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const uint8_t *pos = (const uint8_t *)bytes;
	uint32_t point;
	size_t len;

	if (!n)
		return 0;
	if (pos[0] < 0x80) {
		*ret = pos[0];
		return 1;
	}
	len = (pos[0] & 0xe0) == 0xc0 ? 2 : (pos[0] & 0xf0) == 0xe0 ? 3 : (pos[0] & 0xf8) == 0xf0 ? 4 : 0;
	if (!len || len > n)
		return 0;
	point = pos[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((pos[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (pos[i] & 0x3f);
	}
	if (point < least[len] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
		return 0;
	*ret = point;
	return len;
}

static bool is_c0_or_del(uint32_t point)
{
	return point < 0x20 || point == 0x7f;
}

static bool is_c1(uint32_t point)
{
	return point >= 0x80 && point < 0xa0;
}

static int append_clean(struct buf *buf, const char *bytes, size_t len, bool for_terminal)
{
	size_t good = 0, pos = 0; /* bytes[good..pos) are fit and not yet written */

	while (pos < len) {
		uint32_t point;
		size_t n = text_utf8_sequence(bytes + pos, len - pos, &point);

		if (n && !is_c0_or_del(point) && !(for_terminal && is_c1(point))) {
			pos += n;
			continue;
		}
		buf_append(buf, bytes + good, pos - good);
		buf_append_str(buf, REPLACEMENT);
		pos += n ? n : 1;
		good = pos;
	}
	return buf_append(buf, bytes + good, pos - good);
}

int text_append_utf8(struct buf *buf, const char *bytes, size_t len)
{
	return append_clean(buf, bytes, len, false);
}

int text_append_terminal(struct buf *buf, const char *bytes, size_t len)
{
	return append_clean(buf, bytes, len, true);
}

static bool is_file_name_byte(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
	       (byte && strchr("._+-", byte));
}

void text_file_name(char *to, size_t size, const char *from)
{
	size_t len = text_copy(to, size, *from ? from : "unknown");

	for (size_t i = 0; i < len; i++)
		if (!is_file_name_byte(to[i]) || (!i && to[i] == '.'))
			to[i] = '_';
}
