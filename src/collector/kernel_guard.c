/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/kernel_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/io.h"
#include "base/text.h"

void kernel_texts_read(struct kernel_texts *ret)
{
	auto_close int fd = open("/proc/version_signature", O_RDONLY | O_CLOEXEC);
	struct utsname name;

	memset(ret, 0, sizeof(*ret));
	if (!uname(&name)) {
		text_copy(ret->release, sizeof(ret->release), name.release);
		text_copy(ret->build, sizeof(ret->build), name.version);
	}
	if (fd >= 0 && io_pread_full(fd, ret->signature, sizeof(ret->signature) - 1, 0) < 0)
		ret->signature[0] = 0;
}

static bool read_part(struct cursor *cursor, uint32_t *ret)
{
	uint64_t part = cursor_dec(cursor);

	if (!cursor_ok(cursor) || part > UINT32_MAX)
		return false;
	*ret = (uint32_t)part;
	return true;
}

static bool skip(struct cursor *cursor, uint8_t byte)
{
	if (!cursor_left(cursor) || *cursor->pos != byte)
		return false;
	cursor_skip(cursor, 1);
	return true;
}

/* "6.1.55-1", "1:6.1.63-1" or "6.4-rc3": what the word begins with. */
static bool read_version(struct cursor word, struct kernel_version *ret)
{
	struct kernel_version version = {0};

	if (!read_part(&word, &version.major))
		return false;
	if (skip(&word, ':') && !read_part(&word, &version.major)) /* that was an epoch */
		return false;
	if (!skip(&word, '.') || !read_part(&word, &version.minor))
		return false;
	if (skip(&word, '.') && !read_part(&word, &version.patch))
		return false;
	*ret = version;
	return true;
}

/* The version in the word behind "Debian" of the build, or in the last word of the signature. */
static bool find_version(const char *text, const char *before, struct kernel_version *ret)
{
	struct cursor cursor, word, last = {0};
	bool is_next = false, found = false;

	cursor_init(&cursor, text, strlen(text));
	while (cursor_word(&cursor, &word)) {
		if (is_next && read_version(word, ret))
			found = true;
		is_next = before && cursor_equals(&word, before);
		last = word;
	}
	return before ? found : read_version(last, ret);
}

bool kernel_texts_version(const struct kernel_texts *texts, struct kernel_version *ret)
{
	struct kernel_version upstream;

	if (!find_version(texts->release, NULL, ret))
		return false;
	/* More precise, if it is about the same kernel: whoever builds one writes into the build what he likes. */
	if ((find_version(texts->signature, NULL, &upstream) || find_version(texts->build, "Debian", &upstream)) &&
	    upstream.major == ret->major && upstream.minor == ret->minor)
		*ret = upstream;
	return true;
}

bool kernel_version_locks_up(const struct kernel_version *version)
{
	static const struct {
		uint32_t major, minor, mended; /* the first patch level with the repair */
	} series[] = {{5, 19, UINT32_MAX}, {6, 0, UINT32_MAX}, {6, 1, 36}, {6, 2, UINT32_MAX}, {6, 3, 10}};

	for (size_t i = 0; i < sizeof(series) / sizeof(series[0]); i++)
		if (version->major == series[i].major && version->minor == series[i].minor)
			return version->patch < series[i].mended;
	return false;
}

int kernel_guard_check(const struct kernel_texts *texts, struct problem *problem)
{
	struct kernel_version version;

	if (!kernel_texts_version(texts, &version) || !kernel_version_locks_up(&version))
		return 0;
	return problem_set(problem, -EOPNOTSUPP,
			   "use 6.1.36 or a later 6.1, 6.3.10, or 6.4 and later; where the distribution has repaired "
			   "its kernel, --trust-kernel goes on",
			   "Linux %u.%u.%u can lock up while it is sampled (copy_from_user_nofault in an interrupt)",
			   version.major, version.minor, version.patch);
}
