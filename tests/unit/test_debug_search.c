/* SPDX-License-Identifier: Apache-2.0 */
/* Objects whose names come from files beside their own, given by a shelf that answers as the collector does. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <zlib.h>

#include "elf_image.h"
#include "resolver/object_cache.h"
#include "table/table_writer.h"
#include "unwind/table_build.h"

#define CODE IMAGE_TEXT_OFFSET
#define ID_A "aaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbb"
#define MAX_BOOKS 8
#define UNNAMED "[no symbol prog+0x401010]"

/* A file at a place. */
struct book {
	uint32_t object; /* in whose root it lies; 0: in everybody's */
	uint32_t kind, place;
	const char *name;
	struct elf_image *image; /* NULL: it cannot be opened, err says why */
	int err, fd;
};

struct shelf {
	struct object_cache *cache;
	struct book books[MAX_BOOKS];
	size_t n_books;
	/* What was asked for last, and not answered yet. */
	struct message_want_debug asked;
	char name[DEBUG_MAX_NAME + 1];
	uint32_t requests;
	struct message_sources sources;
	char looked[64]; /* what was looked into: "1d 2 - " */
};

static int want(void *ctx, struct message_want_debug *request, const char *name)
{
	struct shelf *shelf = ctx;

	assert_int_equal(shelf->asked.request, 0);
	assert_int_equal(request->name_len, strlen(name));
	request->request = ++shelf->requests;
	shelf->asked = *request;
	snprintf(shelf->name, sizeof(shelf->name), "%s", name);
	return 0;
}

static void sources(void *ctx, const struct message_sources *told)
{
	struct shelf *shelf = ctx;

	shelf->sources = *told;
}

static void looking(void *ctx, uint32_t object, bool has_debug)
{
	struct shelf *shelf = ctx;
	size_t n = strlen(shelf->looked);

	if (object)
		snprintf(shelf->looked + n, sizeof(shelf->looked) - n, "%u%s ", object, has_debug ? "d" : "");
	else
		snprintf(shelf->looked + n, sizeof(shelf->looked) - n, "- ");
}

static int set_up(void **state)
{
	struct shelf *shelf = calloc(1, sizeof(*shelf));
	const struct object_debug_files debug_files = {
		.want = want, .looking = looking, .sources = sources, .ctx = shelf};

	if (object_cache_new(100, &shelf->cache))
		return -1;
	object_cache_use_debug_files(shelf->cache, &debug_files);
	*state = shelf;
	return 0;
}

static int tear_down(void **state)
{
	struct shelf *shelf = *state;

	object_cache_free(shelf->cache);
	for (size_t i = 0; i < shelf->n_books; i++) {
		free(shelf->books[i].image);
		if (shelf->books[i].fd > 0)
			close(shelf->books[i].fd);
	}
	free(shelf);
	return 0;
}

static void put(struct shelf *shelf, struct book book, const struct elf_image *image)
{
	assert_true(shelf->n_books < MAX_BOOKS);
	if (image) {
		book.image = malloc(sizeof(*image));
		*book.image = *image;
		book.fd = image_fd(image); /* one inode, however often it is opened */
	}
	shelf->books[shelf->n_books++] = book;
}

static const struct book *look_for(const struct shelf *shelf)
{
	const struct book *best = NULL;

	for (size_t i = 0; i < shelf->n_books; i++) {
		const struct book *book = &shelf->books[i];

		if ((book->object && book->object != shelf->asked.object) || book->kind != shelf->asked.kind ||
		    book->place < shelf->asked.place || (book->name && strcmp(book->name, shelf->name) != 0))
			continue;
		if (!best || book->place < best->place)
			best = book;
	}
	return best;
}

/* Answers until nothing is asked for any more. */
static void serve(struct shelf *shelf)
{
	while (shelf->asked.request) {
		const struct book *book = look_for(shelf);
		struct message_debug_opened answer = {.request = shelf->asked.request,
						      .err = book ? book->err : -ENOENT,
						      .place = book ? book->place : 100,
						      .origin = DEBUG_ORIGIN_HOST};
		int fd = book && !book->err ? fcntl(book->fd, F_DUPFD_CLOEXEC, 0) : -1;

		shelf->asked.request = 0;
		assert_int_equal(object_cache_debug_file(shelf->cache, &answer, fd), 0);
	}
}

static void strip_image(struct elf_image *image, const char *build_id)
{
	image_init(image);
	image_build_id(image, build_id, strlen(build_id));
}

/* As strip --only-keep-debug leaves it: the code is not in it. */
static void debug_image(struct elf_image *image, const char *build_id, const char *symbol)
{
	strip_image(image, build_id);
	image_shdr(image, SECTION_TEXT)->sh_type = SHT_NOBITS;
	image_add_symbol(image,
			 &(struct image_symbol){symbol, IMAGE_TEXT, 0x100, STT_FUNC, STB_LOCAL, SECTION_TEXT, 0});
}

/* .gnu_debuglink in place of .data. */
static void link_image(struct elf_image *image, const char *path, uint32_t crc)
{
	size_t at = (strlen(path) + 1 + 3) / 4 * 4;

	memcpy(image->bytes + 0x6000, path, strlen(path) + 1);
	memcpy(image->bytes + 0x6000 + at, &crc, sizeof(crc));
	image_section(image, SECTION_DATA, ".gnu_debuglink",
		      (Elf64_Shdr){.sh_type = SHT_PROGBITS, .sh_offset = 0x6000, .sh_size = at + sizeof(crc)});
}

static uint32_t checksum(const struct elf_image *image)
{
	return (uint32_t)crc32(crc32(0, NULL, 0), image->bytes, sizeof(image->bytes));
}

static void add(struct shelf *shelf, uint32_t id, const struct elf_image *image, uint32_t flags)
{
	struct message_object object = {.object = id, .kind = OBJECT_FILE, .flags = flags};
	int fd = image_fd(image);
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	object.expected_ino = st.st_ino;
	assert_int_equal(object_cache_add(shelf->cache, &object, "/bin/prog", fd), 0);
}

/* Parses the object with all that comes with it; 0, or why it has no names. *ret_is_new: its index is not another's. */
static int parse(struct shelf *shelf, uint32_t id, bool *ret_is_new)
{
	uint64_t symbols = 0, bytes = 0;
	int err = object_cache_parse(shelf->cache, id, &symbols, &bytes);

	if (err == -EINPROGRESS) {
		assert_int_equal(object_cache_next_unparsed(shelf->cache), 0);
		assert_int_equal(object_cache_seeking(shelf->cache), 1);
		assert_int_equal(object_cache_parse(shelf->cache, id, &symbols, &bytes), -EINPROGRESS);
		serve(shelf);
		assert_int_equal(object_cache_seeking(shelf->cache), 0);
		assert_int_equal(object_cache_next_unparsed(shelf->cache), id);
		err = object_cache_parse(shelf->cache, id, &symbols, &bytes);
	}
	assert_int_equal(object_cache_next_unparsed(shelf->cache), 0);
	if (ret_is_new)
		*ret_is_new = bytes > 0;
	return err;
}

static const char *name_of(struct shelf *shelf, uint32_t id)
{
	static struct object_name name;

	object_cache_name(shelf->cache, id, CODE + 0x10, 0, &name);
	return name.lines[0].name;
}

static int source_err(const struct shelf *shelf, enum source_kind kind)
{
	for (uint32_t i = 0; i < shelf->sources.n; i++)
		if (shelf->sources.sources[i].kind == kind)
			return shelf->sources.sources[i].err;
	return 1; /* was not looked for */
}

static void a_debug_file_names_what_was_stripped(void **state)
{
	struct shelf *shelf = *state;
	struct elf_image image;

	strip_image(&image, ID_A);
	add(shelf, 1, &image, 0);
	debug_image(&image, ID_A, "static_function");
	put(shelf, (struct book){.kind = DEBUG_BUILD_ID, .place = 3}, &image);
	assert_int_equal(parse(shelf, 1, NULL), 0);
	assert_string_equal(name_of(shelf, 1), "static_function");
	assert_int_equal(source_err(shelf, SOURCE_BUILD_ID), 0);
	assert_int_equal(source_err(shelf, SOURCE_SYMTAB), -ENOENT);
	assert_int_equal(source_err(shelf, SOURCE_LINK), 1);
}

static void without_one_the_file_is_named_by_itself(void **state)
{
	struct shelf *shelf = *state;
	struct elf_image image;

	strip_image(&image, ID_A);
	add(shelf, 1, &image, 0);
	assert_int_equal(parse(shelf, 1, NULL), 0);
	assert_string_equal(name_of(shelf, 1), UNNAMED);
	assert_int_equal(source_err(shelf, SOURCE_BUILD_ID), -ENOENT);
	assert_int_equal(shelf->requests, 1);
}

static void a_file_of_another_build_is_passed_over(void **state)
{
	struct shelf *shelf = *state;
	struct elf_image image;

	strip_image(&image, ID_A);
	add(shelf, 1, &image, 0);
	add(shelf, 2, &image, 0);
	debug_image(&image, ID_B, "wrong");
	put(shelf, (struct book){.kind = DEBUG_BUILD_ID, .place = 0}, &image);
	debug_image(&image, "", "nameless");
	put(shelf, (struct book){.kind = DEBUG_BUILD_ID, .place = 1}, &image);
	debug_image(&image, ID_A, "right");
	put(shelf, (struct book){.kind = DEBUG_BUILD_ID, .place = 2, .object = 1}, &image);
	assert_int_equal(object_cache_next_unparsed(shelf->cache), 1);
	object_cache_parse(shelf->cache, 1, &(uint64_t){0}, &(uint64_t){0});
	serve(shelf);
	object_cache_parse(shelf->cache, 1, &(uint64_t){0}, &(uint64_t){0});
	assert_string_equal(name_of(shelf, 1), "right");
	assert_int_equal(source_err(shelf, SOURCE_BUILD_ID), 0);
	/* Where there is none behind it, that is the reason. */
	assert_int_equal(parse(shelf, 2, NULL), 0);
	assert_string_equal(name_of(shelf, 2), UNNAMED);
	assert_int_equal(source_err(shelf, SOURCE_BUILD_ID), -ESTALE);
}

static void what_cannot_be_the_debug_file_is_refused(void **state)
{
	static const struct {
		const char *what;
		int expected;
	} cases[] = {
		{"another machine", -ESTALE}, {"code elsewhere", -ESTALE}, {"code of another size", -ESTALE},
		{"no names", -ENOENT},	      {"no ELF", -ENOEXEC},	   {"not to be opened", -EACCES},
	};
	struct shelf *shelf = *state;

	for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct book book = {.kind = DEBUG_BUILD_ID, .object = i + 1, .err = i == 5 ? -EACCES : 0};
		struct elf_image image;

		strip_image(&image, ID_A);
		image.bytes[0x5000] = (uint8_t)i; /* each its own */
		add(shelf, i + 1, &image, 0);
		debug_image(&image, ID_A, "wrong");
		if (i == 0)
			image_ehdr(&image)->e_machine = EM_AARCH64;
		if (i == 1)
			image_shdr(&image, SECTION_PLT)->sh_addr += 0x100;
		if (i == 2)
			image_shdr(&image, SECTION_TEXT)->sh_size -= 1;
		if (i == 3)
			image_shdr(&image, SECTION_SYMTAB)->sh_size = 0;
		if (i == 4)
			image.bytes[0] = 'x';
		put(shelf, book, &image);
		assert_int_equal(parse(shelf, i + 1, NULL), 0);
		if (source_err(shelf, SOURCE_BUILD_ID) != cases[i].expected ||
		    strcmp(name_of(shelf, i + 1), UNNAMED) != 0)
			fail_msg("%s: %d, %s", cases[i].what, source_err(shelf, SOURCE_BUILD_ID),
				 name_of(shelf, i + 1));
	}
}

static void a_linked_file_is_believed_by_its_checksum(void **state)
{
	static const struct {
		const char *what, *file_id, *debug_id;
		uint32_t wrong;
		int expected;
	} cases[] = {
		{"neither has an id", "", "", 0, 0},
		{"the file has none", "", ID_A, 0, 0},
		{"the debug file has none", ID_A, "", 0, 0},
		{"equal ids", ID_A, ID_A, 0, 0},
		{"other ids", ID_A, ID_B, 0, -ESTALE},
		{"wrong checksum", "", "", 1, -ESTALE},
		{"wrong checksum, equal ids", ID_A, ID_A, 1, -ESTALE},
	};
	struct shelf *shelf = *state;

	for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct elf_image image, debug;

		debug_image(&debug, cases[i].debug_id, "linked");
		put(shelf, (struct book){.kind = DEBUG_LINK, .object = i + 1, .name = "prog.debug"}, &debug);
		strip_image(&image, cases[i].file_id);
		link_image(&image, "prog.debug", checksum(&debug) + cases[i].wrong);
		add(shelf, i + 1, &image, 0);
		assert_int_equal(parse(shelf, i + 1, NULL), 0);
		if (source_err(shelf, SOURCE_LINK) != cases[i].expected ||
		    strcmp(name_of(shelf, i + 1), cases[i].expected ? UNNAMED : "linked") != 0)
			fail_msg("%s: %d, %s", cases[i].what, source_err(shelf, SOURCE_LINK), name_of(shelf, i + 1));
	}
}

static void of_what_a_link_says_only_the_base_name_is_asked_for(void **state)
{
	static const struct {
		const char *path, *asked;
	} cases[] = {
		{"prog.debug", "prog.debug"},
		{"../../x", "x"},
		{"/etc/shadow", "shadow"},
		{"a/b/c.debug", "c.debug"},
		{"..", NULL},
		{".", NULL},
		{"a/..", NULL},
		{"dir/", NULL},
		{"", NULL},
	};
	struct shelf *shelf = *state;

	for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct elf_image image;
		uint64_t symbols, bytes;
		int err;

		strip_image(&image, "");
		link_image(&image, cases[i].path, 0);
		add(shelf, i + 1, &image, 0);
		err = object_cache_parse(shelf->cache, i + 1, &symbols, &bytes);
		assert_int_equal(err, cases[i].asked ? -EINPROGRESS : 0);
		if (cases[i].asked)
			assert_string_equal(shelf->name, cases[i].asked);
		serve(shelf);
		object_cache_parse(shelf->cache, i + 1, &symbols, &bytes);
		if (!cases[i].asked)
			assert_int_equal(source_err(shelf, SOURCE_LINK), -EBADMSG);
	}
}

static void servers_are_asked_last_and_checked(void **state)
{
	struct shelf *shelf = *state;
	struct elf_image image, debug;

	strip_image(&image, ID_A);
	add(shelf, 1, &image, 0);
	assert_int_equal(parse(shelf, 1, NULL), 0); /* they are not asked unless that is wanted */
	assert_int_equal(source_err(shelf, SOURCE_SERVER), 1);
	object_cache_use_servers(shelf->cache, true);

	debug_image(&debug, ID_B, "wrong");
	put(shelf, (struct book){.kind = DEBUG_REMOTE, .place = 0}, &debug);
	debug_image(&debug, ID_A, "served");
	put(shelf, (struct book){.kind = DEBUG_REMOTE, .place = DEBUG_SERVER_PLACE + 1}, &debug);
	image.bytes[0x5000] = 1;
	add(shelf, 2, &image, 0);
	shelf->requests = 0;
	assert_int_equal(parse(shelf, 2, NULL), 0);
	assert_string_equal(name_of(shelf, 2), "served");
	assert_int_equal(source_err(shelf, SOURCE_BUILD_ID), -ENOENT);
	assert_int_equal(source_err(shelf, SOURCE_SERVER), 0);
	assert_int_equal(shelf->requests, 3);
	assert_int_equal(shelf->sources.sources[shelf->sources.n - 1].request, 3); /* the one that served */

	debug_image(&debug, ID_A, "local");
	put(shelf, (struct book){.kind = DEBUG_LINK, .name = "prog.debug"}, &debug);
	link_image(&image, "prog.debug", checksum(&debug));
	add(shelf, 3, &image, 0);
	assert_int_equal(parse(shelf, 3, NULL), 0);
	assert_string_equal(name_of(shelf, 3), "local");
	assert_int_equal(source_err(shelf, SOURCE_SERVER), 1);
}

static void a_server_s_wrong_file_is_refused(void **state)
{
	struct shelf *shelf = *state;
	struct elf_image image;

	object_cache_use_servers(shelf->cache, true);
	strip_image(&image, ID_A);
	add(shelf, 1, &image, 0);
	debug_image(&image, ID_B, "wrong");
	put(shelf, (struct book){.kind = DEBUG_REMOTE, .place = DEBUG_SERVER_PLACE}, &image);
	assert_int_equal(parse(shelf, 1, NULL), 0);
	assert_string_equal(name_of(shelf, 1), UNNAMED);
	assert_int_equal(source_err(shelf, SOURCE_SERVER), -ESTALE);
	/* Nor is one asked for a file that has no id. */
	strip_image(&image, "");
	add(shelf, 2, &image, 0);
	assert_int_equal(parse(shelf, 2, NULL), 0);
	assert_int_equal(source_err(shelf, SOURCE_SERVER), 1);
}

static void a_file_is_not_its_own_debug_file(void **state)
{
	struct shelf *shelf = *state;
	struct message_object object = {.object = 1, .kind = OBJECT_FILE};
	struct elf_image image;
	struct stat st;

	debug_image(&image, ID_A, "itself");
	put(shelf, (struct book){.kind = DEBUG_BUILD_ID}, &image);
	assert_int_equal(fstat(shelf->books[0].fd, &st), 0);
	object.expected_ino = st.st_ino;
	assert_int_equal(
		object_cache_add(shelf->cache, &object, "/bin/prog", fcntl(shelf->books[0].fd, F_DUPFD_CLOEXEC, 0)), 0);
	assert_int_equal(parse(shelf, 1, NULL), 0);
	assert_int_equal(source_err(shelf, SOURCE_BUILD_ID), -ELOOP);
}

/* One library, of which one container has a debug file of its own. */
static void a_container_lends_its_names_to_itself_alone(void **state)
{
	struct shelf *shelf = *state;
	struct elf_image image;
	bool is_new;

	debug_image(&image, ID_A, "honest");
	put(shelf, (struct book){.kind = DEBUG_BUILD_ID, .place = 1}, &image);
	debug_image(&image, ID_A, "forged");
	put(shelf, (struct book){.kind = DEBUG_BUILD_ID, .place = 0, .object = 2}, &image);
	strip_image(&image, ID_A);
	for (uint32_t id = 1; id <= 4; id++) {
		add(shelf, id, &image, id == 4 ? OBJECT_LONE : 0);
		assert_int_equal(parse(shelf, id, &is_new), 0);
		assert_int_equal(is_new, id != 3);
	}
	assert_string_equal(name_of(shelf, 1), "honest");
	assert_string_equal(name_of(shelf, 2), "forged");
	assert_string_equal(name_of(shelf, 3), "honest");
	assert_string_equal(name_of(shelf, 4), UNNAMED);
}

static void a_table_that_tells_little_is_made_again(void **state)
{
	struct shelf *shelf = *state;
	struct table_writer_stats stats = {0};
	struct table_coverage coverage = {0};
	bool awaits_debug = false;
	struct elf_image image;
	uint32_t same_as;
	int fd = memfd_create("table", MFD_CLOEXEC);

	debug_image(&image, ID_A, "name");
	put(shelf, (struct book){.kind = DEBUG_BUILD_ID}, &image);
	strip_image(&image, ID_A);
	add(shelf, 1, &image, 0);
	object_cache_table(shelf->cache, 1, 4, fd, &same_as, &awaits_debug, &stats, &coverage);
	assert_true(coverage.code > 0);
	assert_true(awaits_debug);
	assert_int_equal(shelf->asked.kind, DEBUG_BUILD_ID); /* before anybody asks for names */
	serve(shelf);
	assert_int_equal(shelf->sources.is_table_stale, 1);
	object_cache_table(shelf->cache, 1, 4, fd, &same_as, &awaits_debug, &stats, &coverage);
	assert_false(awaits_debug);
	assert_int_equal(parse(shelf, 1, NULL), 0);
	assert_string_equal(name_of(shelf, 1), "name");
	close(fd);
}

/* So that the collector knows at what a resolver died or hung. */
static void what_is_looked_into_is_told(void **state)
{
	struct shelf *shelf = *state;
	struct elf_image image;

	debug_image(&image, ID_A, "name");
	put(shelf, (struct book){.kind = DEBUG_BUILD_ID, .object = 1}, &image);
	strip_image(&image, ID_A);
	add(shelf, 1, &image, 0);
	add(shelf, 2, &image, 0);
	object_cache_parse(shelf->cache, 1, &(uint64_t){0}, &(uint64_t){0});
	serve(shelf);
	object_cache_parse(shelf->cache, 2, &(uint64_t){0}, &(uint64_t){0});
	serve(shelf);
	assert_int_equal(object_cache_parse(shelf->cache, 1, &(uint64_t){0}, &(uint64_t){0}), 0);
	assert_int_equal(parse(shelf, 2, NULL), 0);
	assert_string_equal(shelf->looked, "");
	name_of(shelf, 1);
	name_of(shelf, 1);
	name_of(shelf, 2);
	name_of(shelf, 1);
	object_cache_rest(shelf->cache);
	object_cache_rest(shelf->cache);
	name_of(shelf, 1);
	assert_string_equal(shelf->looked, "1d 2 1d - 1d ");
}

static void late_and_foreign_answers_change_nothing(void **state)
{
	struct shelf *shelf = *state;
	struct message_debug_opened answer = {.request = 77};
	struct elf_image image;
	int fd;

	debug_image(&image, ID_A, "name");
	fd = image_fd(&image);
	assert_int_equal(object_cache_debug_file(shelf->cache, &answer, fd), 0);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	strip_image(&image, ID_A);
	add(shelf, 1, &image, 0);
	assert_int_equal(object_cache_parse(shelf->cache, 1, &(uint64_t){0}, &(uint64_t){0}), -EINPROGRESS);
	assert_int_equal(object_cache_debug_object(shelf->cache, shelf->asked.request), 1);
	/* The object was replaced meanwhile. */
	add(shelf, 1, &image, OBJECT_LONE);
	assert_int_equal(object_cache_seeking(shelf->cache), 0);
	serve(shelf);
	assert_int_equal(parse(shelf, 1, NULL), 0);
	assert_string_equal(name_of(shelf, 1), UNNAMED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_debug_file_names_what_was_stripped),
		TEST(without_one_the_file_is_named_by_itself),
		TEST(a_file_of_another_build_is_passed_over),
		TEST(what_cannot_be_the_debug_file_is_refused),
		TEST(a_linked_file_is_believed_by_its_checksum),
		TEST(of_what_a_link_says_only_the_base_name_is_asked_for),
		TEST(servers_are_asked_last_and_checked),
		TEST(a_server_s_wrong_file_is_refused),
		TEST(a_file_is_not_its_own_debug_file),
		TEST(a_container_lends_its_names_to_itself_alone),
		TEST(a_table_that_tells_little_is_made_again),
		TEST(what_is_looked_into_is_told),
		TEST(late_and_foreign_answers_change_nothing),
	};

	return cmocka_run_group_tests_name("debug_search", tests, NULL, NULL);
}
