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

/* An address in the order of the question, which is that of the file: so each part of it is read once. */
struct asked {
	uint64_t address;
	size_t index; /* of what is to be printed */
};

static int by_address(const void *a, const void *b)
{
	const struct asked *one = a, *other = b;

	if (one->address != other->address)
		return one->address < other->address ? -1 : 1;
	return (one->index > other->index) - (one->index < other->index);
}

static void sort(const uint64_t *addresses, size_t n, struct asked *asked, uint64_t *sorted)
{
	for (size_t i = 0; i < n; i++)
		asked[i] = (struct asked){addresses[i], i};
	qsort(asked, n, sizeof(*asked), by_address);
	for (size_t i = 0; i < n; i++)
		sorted[i] = asked[i].address;
}

/* Where the answer is for each that is to be printed. */
static int find_places(struct named_addresses *named, const struct asked *asked, size_t n, size_t *places)
{
	int err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		places[asked[i].index] = named_addresses_tell(named);
		err = named_addresses_skip(named);
	}
	return err;
}

static int print_answer(const struct file_session *session, const struct address_names_options *options,
			struct named_addresses *named, const uint64_t *addresses, const size_t *places, size_t n)
{
	int err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		uint32_t n_lines;

		named_addresses_seek(named, places[i]);
		err = named_addresses_next(named, &n_lines);
		if (err)
			break;
		err = options->json ? print_json(named, session->path, addresses[i], n_lines)
				    : print_address(named, options, addresses[i], n_lines);
	}
	return err;
}

static int take_answer(const struct file_session *session, const struct address_names_options *options, int fd,
		       const uint64_t *addresses, const struct asked *asked, size_t n)
{
	auto_free size_t *places = calloc(n, sizeof(*places));
	struct named_addresses named;
	int err = places ? named_addresses_open(fd, &named) : -ENOMEM;

	if (err)
		return err;
	err = find_places(&named, asked, n, places);
	if (!err)
		err = print_answer(session, options, &named, addresses, places, n);
	named_addresses_release(&named);
	return err;
}

static int ask(struct file_session *session, const struct address_names_options *options, const uint64_t *addresses,
	       size_t n)
{
	const struct message_name_addresses request = {.object = THE_OBJECT};
	auto_free struct asked *asked = calloc(n, sizeof(*asked));
	auto_free uint64_t *sorted = calloc(n, sizeof(*sorted));
	struct message_addresses_named reply;
	struct message message;
	auto_close int fd = -1;
	int err;

	if (!asked || !sorted)
		return -ENOMEM;
	sort(addresses, n, asked, sorted);
	err = addresses_write(sorted, n, &fd);
	if (!err)
		err = role_link_send(&session->resolver, MESSAGE_NAME_ADDRESSES, &request, sizeof(request), fd);
	if (!err)
		err = file_session_receive(session, MESSAGE_ADDRESSES_NAMED, &message);
	if (err)
		return err;
	memcpy(&reply, message.payload, sizeof(reply));
	err = reply.err ? reply.err : take_answer(session, options, message.fd, addresses, asked, n);
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
