/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/address_names.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "cli/file_session.h"
#include "cli/spell.h"
#include "ipc/named_addresses.h"

bool address_names_parse(const char *text, uint64_t *ret)
{
	struct cursor cursor;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		text += 2;
	cursor_init(&cursor, text, strlen(text));
	*ret = cursor_hex(&cursor);
	return cursor_ok(&cursor) && cursor_at_end(&cursor);
}

/* --- for people and scripts --------------------------------------------------------------------------------------- */

static int print_line(const struct named_line *line)
{
	auto_free char *name = spell_name(line->name), *file = spell_name(line->file);

	if (!name || !file)
		return -ENOMEM;
	printf("%s\n%s:", name, *file ? file : "??");
	if (line->line)
		printf("%" PRIu32 "\n", line->line);
	else
		puts("?");
	return 0;
}

static int print_address(struct named_addresses *named, const struct address_names_options *options, uint64_t address,
			 uint32_t n_lines)
{
	struct named_line line;
	int err = 0;

	if (options->with_addresses)
		printf("0x%016" PRIx64 "\n", address);
	if (!n_lines)
		puts("??\n??:0");
	for (uint32_t i = 0; i < n_lines && !err; i++) {
		err = named_addresses_next_line(named, &line);
		if (!err)
			err = print_line(&line);
	}
	return err;
}

/* --- for programs ------------------------------------------------------------------------------------------------- */

static json_t *line_to_json(const struct named_line *line)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "function", spell_json_text(line->name), "system_name",
			 spell_json_text(line->system_name), "file", spell_json_text(line->file), "line",
			 spell_json_count(line->line));
}

static int frames_to_json(struct named_addresses *named, uint32_t n_lines, json_t *frames)
{
	struct named_line line;

	for (uint32_t i = 0; i < n_lines; i++) {
		int err = named_addresses_next_line(named, &line);

		if (err)
			return err;
		if (json_array_append_new(frames, line_to_json(&line)))
			return -ENOMEM;
	}
	return 0;
}

static int print_json(struct named_addresses *named, const char *path, uint64_t address, uint32_t n_lines)
{
	json_t *frames = json_array(), *root;
	char *text, hex[24];
	int err;

	snprintf(hex, sizeof(hex), "0x%" PRIx64, address);
	root = json_pack("{s:o, s:s, s:o}", "path", spell_json_text(path), "address", hex, "frames", frames);
	err = root ? frames_to_json(named, n_lines, frames) : -ENOMEM;
	text = err ? NULL : json_dumps(root, JSON_COMPACT);
	json_decref(root);
	if (!text)
		return err ? err : -ENOMEM;
	puts(text);
	free(text);
	return 0;
}

/* --- asking ------------------------------------------------------------------------------------------------------- */

static int print_answer(const struct file_session *session, const struct address_names_options *options, int fd,
			const uint64_t *addresses, size_t n)
{
	struct named_addresses named;
	int err = named_addresses_open(fd, &named);

	if (err)
		return err;
	for (size_t i = 0; i < n && !err; i++) {
		uint32_t n_lines;

		err = named_addresses_next(&named, &n_lines);
		if (err)
			break;
		err = options->json ? print_json(&named, session->path, addresses[i], n_lines)
				    : print_address(&named, options, addresses[i], n_lines);
	}
	named_addresses_release(&named);
	return err;
}

static int ask(struct file_session *session, const struct address_names_options *options, const uint64_t *addresses,
	       size_t n)
{
	const struct message_name_addresses request = {.object = THE_OBJECT};
	struct message_addresses_named reply;
	struct message message;
	auto_close int fd = -1;
	int err = addresses_write(addresses, n, &fd);

	if (!err)
		err = role_link_send(&session->resolver, MESSAGE_NAME_ADDRESSES, &request, sizeof(request), fd);
	if (!err)
		err = file_session_receive(session, MESSAGE_ADDRESSES_NAMED, &message);
	if (err)
		return err;
	memcpy(&reply, message.payload, sizeof(reply));
	err = reply.err ? reply.err : print_answer(session, options, message.fd, addresses, n);
	message_release(&message);
	return err;
}

int address_names_show(struct file_session *session, const struct address_names_options *options,
		       const uint64_t *addresses, size_t n)
{
	int err = 0;

	for (size_t done = 0; done < n && !err; done += NAMED_ADDRESSES_MAX)
		err = ask(session, options, addresses + done,
			  n - done < NAMED_ADDRESSES_MAX ? n - done : NAMED_ADDRESSES_MAX);
	return err;
}

/* Words of a stream, asked about when there are many, and at the end. */
struct stream {
	struct file_session *session;
	const struct address_names_options *options;
	uint64_t *addresses; /* NAMED_ADDRESSES_MAX */
	size_t n;
};

static int show_gathered(struct stream *stream)
{
	size_t n = stream->n;

	stream->n = 0;
	return address_names_show(stream->session, stream->options, stream->addresses, n);
}

/* -EINVAL: *ret_bad is the word that is no address. */
static int read_line(struct stream *stream, const char *text, size_t len, char **ret_bad)
{
	struct cursor line, word;
	int err = 0;

	cursor_init(&line, text, len);
	while (!err && cursor_word(&line, &word)) {
		char *copy = strndup((const char *)word.pos, cursor_left(&word));

		if (!copy)
			return -ENOMEM;
		if (!address_names_parse(copy, &stream->addresses[stream->n])) {
			*ret_bad = copy;
			return -EINVAL;
		}
		free(copy);
		if (++stream->n == NAMED_ADDRESSES_MAX)
			err = show_gathered(stream);
	}
	return err;
}

int address_names_show_stream(struct file_session *session, const struct address_names_options *options, FILE *from,
			      char **ret_bad)
{
	auto_free uint64_t *addresses = malloc(NAMED_ADDRESSES_MAX * sizeof(*addresses));
	struct stream stream = {.session = session, .options = options, .addresses = addresses};
	auto_free char *line = NULL;
	size_t size = 0;
	int err = addresses ? 0 : -ENOMEM, shown;
	ssize_t len;

	*ret_bad = NULL;
	while (!err && (len = getline(&line, &size, from)) >= 0) {
		while (len && (line[len - 1] == '\n' || line[len - 1] == '\r'))
			len--;
		err = read_line(&stream, line, (size_t)len, ret_bad);
	}
	if (err && err != -EINVAL)
		return err;
	shown = show_gathered(&stream);
	if (!err && ferror(from))
		err = -EIO;
	return shown ? shown : err;
}
