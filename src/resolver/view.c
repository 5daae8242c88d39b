/* SPDX-License-Identifier: Apache-2.0 */
#include "resolver/view.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "elf/symtab.h"
#include "elf/unpack.h"
#include "ipc/memfd.h"

/* Of all files together, unpacked: names out of .gnu_debugdata are kept in memory. Of a distribution's library they
 * take some 100 KiB. */
#define MAX_EMBEDDED_BYTES (256u << 20)

/* One of the files into which DWARF is split. */
struct split_file {
	char *name;
	struct elf_file *file; /* NULL: it is not to be had */
	int err;
};

struct split_file_vec VEC(struct split_file);

struct view {
	unsigned int refs;
	struct view_table *table;
	struct image *image, *debug, *supplementary;
	uint32_t owner;		  /* object whose alone it is; 0: it may be shared */
	struct file_names *names; /* NULL: they left, or could not be read again */
	uint64_t used;		  /* the table's uses then */
	bool has_go;
	size_t functions;
	int embedded_err;
	bool has_embedded;
	size_t embedded_bytes; /* of .gnu_debugdata, unpacked; about half of it is kept */
	char *package;	       /* "program.dwp" */
	struct split_file_vec splits;
};

struct view_vec VEC(struct view *);

struct view_table {
	struct view_table_options options;
	struct view_vec views;
	size_t cache_bytes, file_bytes; /* 0: no limit */
	uint64_t uses;
	size_t embedded_bytes, n_splits;
	uint64_t temporary_left;
};

int view_table_new(const struct view_table_options *options, size_t max, struct view_table **ret)
{
	struct view_table *table = calloc(1, sizeof(*table));

	if (!table)
		return -ENOMEM;
	table->options = *options;
	table->temporary_left = VIEW_MAX_TEMPORARY_BYTES;
	vec_init(&table->views, max);
	*ret = table;
	return 0;
}

void view_table_free(struct view_table *table)
{
	if (!table)
		return;
	vec_release(&table->views);
	free(table);
}

/* --- .gnu_debugdata ----------------------------------------------------------------------------------------------- */

/* What may be unpacked now: half of it stays, as names. */
static uint64_t embedded_room(const struct view_table *table)
{
	uint64_t room = MAX_EMBEDDED_BYTES - table->embedded_bytes;

	if (room > SYMTAB_MAX_EMBEDDED_BYTES)
		room = SYMTAB_MAX_EMBEDDED_BYTES;
	return table->file_bytes && table->file_bytes / 2 < room ? table->file_bytes / 2 : room;
}

/* The ELF file in .gnu_debugdata. -ENOENT: there is none. */
static int open_embedded(const struct view *view, struct elf_file **ret)
{
	const struct elf_section *section = elf_file_section(view->image->file, ".gnu_debugdata");
	uint64_t room = embedded_room(view->table), bytes;
	struct unpack_source source;
	auto_close int fd = -1;
	int err = section ? unpack_source_of(view->image->file, section, &source) : -ENOENT;

	if (!err)
		err = memfd_new("debugdata", &fd);
	if (!err)
		err = unpack_to_fd(&source, room, fd, &bytes);
	return err ? err : elf_file_open(take_fd(&fd), ret);
}

/* Its build id, where it has one, is that of the file around it. */
static int check_embedded(const struct view *view, const struct elf_file *embedded)
{
	struct build_id build_id;

	build_id.len = elf_file_build_id(embedded, build_id.bytes);
	if (elf_file_machine(embedded) != elf_file_machine(view->image->file) ||
	    (build_id.len && !build_id_is_same(&build_id, &view->image->build_id)))
		return -ESTALE;
	return 0;
}

/* --- split DWARF -------------------------------------------------------------------------------------------------- */

/* Skeleton units take the addresses of their code from there (DWARF 5, 7.3.2), and others may. */
static bool may_be_split(const struct image *image)
{
	return image && elf_file_section(image->file, ".debug_addr");
}

static int fetch_split(struct view *view, const char *name, struct elf_file **ret)
{
	struct message_want_debug want = {
		.object = view->owner, .kind = DEBUG_SPLIT, .name_len = (uint32_t)strlen(name)};
	struct message_debug_opened opened = {0};
	struct elf_file *file = NULL;
	int fd = -1, err;

	if (want.name_len > DEBUG_MAX_NAME)
		return -ENAMETOOLONG;
	if (view->table->n_splits >= VIEW_MAX_SPLIT_FILES)
		return -E2BIG;
	err = view->table->options.fetch(view->table->options.ctx, &want, name, &opened, &fd);
	if (!err)
		err = elf_file_open(fd, &file);
	if (!err && elf_file_machine(file) != elf_file_machine(view->image->file))
		err = -ESTALE;
	if (err) {
		elf_file_free(file);
		return err;
	}
	view->table->n_splits++;
	*ret = file;
	return 0;
}

/* The file of that name, asked for once. NULL: no memory. */
static const struct split_file *find_split(struct view *view, const char *name)
{
	struct split_file *split;

	vec_for_each (&view->splits, known)
		if (!strcmp(known->name, name))
			return known;
	split = vec_push(&view->splits);
	if (!split)
		return NULL;
	split->name = strdup(name);
	if (!split->name) {
		view->splits.len--;
		return NULL;
	}
	split->err = fetch_split(view, name, &split->file);
	return split;
}

/* The package of all of them, if there is one, else the file itself. */
static int on_split(void *ctx, const char *base_name, uint64_t dwo_id, const struct elf_file **ret)
{
	struct view *view = ctx;
	const struct split_file *split = view->package ? find_split(view, view->package) : NULL;

	(void)dwo_id; /* it is looked up there, and so checked */
	if (!split || split->err)
		split = find_split(view, base_name);
	if (!split)
		return -ENOMEM;
	if (split->err)
		return split->err == -EPIPE ? -EIO : -ENOENT;
	*ret = split->file;
	return 0;
}

/* On disk, as far as there is one that we may use. */
static int on_temporary(void *ctx, int *ret_fd)
{
	struct view *view = ctx;
	struct message_want_debug want = {.kind = DEBUG_TEMPORARY};
	struct message_debug_opened opened;

	return view->table->options.fetch(view->table->options.ctx, &want, "", &opened, ret_fd);
}

/* --- views -------------------------------------------------------------------------------------------------------- */

static void view_free(struct view *view)
{
	if (!view)
		return;
	file_names_free(view->names);
	vec_for_each (&view->splits, split) {
		view->table->n_splits -= split->file != NULL;
		elf_file_free(split->file);
		free(split->name);
	}
	vec_release(&view->splits);
	view->table->embedded_bytes -= view->embedded_bytes;
	image_unref(view->table->options.images, view->image);
	image_unref(view->table->options.images, view->debug);
	image_unref(view->table->options.images, view->supplementary);
	free(view->package);
	free(view);
}

static bool has_symtab(const struct elf_file *file)
{
	const struct elf_section *sections;
	size_t n;

	sections = elf_file_sections(file, &n);
	for (size_t i = 0; i < n; i++)
		if (sections[i].type == SHT_SYMTAB && sections[i].size)
			return true;
	return false;
}

static int load_names(struct view *view)
{
	struct file_names_files files = {
		.file = view->image->file,
		.debug = view->debug ? view->debug->file : NULL,
		.supplementary = view->supplementary ? view->supplementary->file : NULL,
		.split = view->owner ? on_split : NULL,
		.temporary = view->table->options.fetch ? on_temporary : NULL,
		.temporary_left = &view->table->temporary_left,
		.ctx = view,
		.max_bytes = view->table->file_bytes,
	};
	struct elf_file *embedded = NULL;
	int err = files.debug && has_symtab(files.debug) ? -ENOENT : open_embedded(view, &embedded);

	/* What is wrong with .gnu_debugdata costs only itself. */
	if (!err)
		err = check_embedded(view, embedded);
	if (!err) {
		files.embedded = embedded;
		err = file_names_new(&files, &view->names);
	}
	if (!err) {
		view->embedded_bytes = (size_t)elf_file_size(embedded);
		view->table->embedded_bytes += view->embedded_bytes;
		view->has_embedded = true;
	} else {
		view->embedded_err = err == -ENOENT ? 0 : err;
		files.embedded = NULL;
		err = file_names_new(&files, &view->names);
	}
	elf_file_free(embedded);
	if (err)
		return err;
	view->has_go = file_names_has_go(view->names);
	view->functions = file_names_count(view->names);
	return 0;
}

static int make_package_name(struct view *view, const char *module)
{
	size_t size = strlen(module) + sizeof(".dwp");

	view->package = malloc(size);
	if (!view->package)
		return -ENOMEM;
	snprintf(view->package, size, "%s.dwp", module);
	return 0;
}

static int view_new(struct view_table *table, const struct view_request *request, uint32_t owner, struct view **ret)
{
	struct view *view = calloc(1, sizeof(*view));
	int err = 0;

	if (!view)
		return -ENOMEM;
	view->table = table;
	view->refs = 1;
	view->owner = owner;
	vec_init(&view->splits, VIEW_MAX_SPLIT_FILES);
	view->image = image_ref(request->image);
	view->debug = request->debug ? image_ref(request->debug) : NULL;
	view->supplementary = request->supplementary ? image_ref(request->supplementary) : NULL;
	if (owner)
		err = make_package_name(view, request->module);
	if (!err)
		err = load_names(view);
	if (err)
		view_free(view);
	else
		*ret = view;
	return err;
}

int view_get(struct view_table *table, const struct view_request *request, struct view **ret, bool *ret_is_new)
{
	bool is_split = table->options.fetch && (may_be_split(request->image) || may_be_split(request->debug));
	uint32_t owner = is_split ? request->object : 0;
	struct view *made, **slot;
	int err;

	vec_for_each (&table->views, known) {
		struct view *view = *known;

		if (view->image != request->image || view->debug != request->debug ||
		    view->supplementary != request->supplementary || view->owner != owner)
			continue;
		view->refs++;
		*ret = view;
		*ret_is_new = false;
		return 0;
	}
	/* Files may be waited for meanwhile, and other views made: the table gets only what is whole. */
	err = view_new(table, request, owner, &made);
	if (err)
		return err;
	slot = vec_push(&table->views);
	if (!slot) {
		view_free(made);
		return -ENOMEM;
	}
	*ret = *slot = made;
	*ret_is_new = true;
	return 0;
}

void view_unref(struct view_table *table, struct view *view)
{
	if (!view || --view->refs)
		return;
	vec_for_each (&table->views, slot) {
		if (*slot != view)
			continue;
		*slot = table->views.items[--table->views.len];
		break;
	}
	view_free(view);
}

const struct image *view_image(const struct view *view)
{
	return view->image;
}

const struct image *view_debug(const struct view *view)
{
	return view->debug;
}

const struct image *view_supplementary(const struct view *view)
{
	return view->supplementary;
}

const struct file_names *view_names(struct view *view)
{
	view->used = ++view->table->uses;
	if (!view->names)
		load_names(view);
	return view->names;
}

static void drop_names(struct view *view)
{
	file_names_free(view->names);
	view->names = NULL;
	view->table->embedded_bytes -= view->embedded_bytes;
	view->embedded_bytes = 0;
}

void view_table_limit(struct view_table *table, size_t cache_bytes, size_t file_bytes)
{
	table->cache_bytes = cache_bytes;
	table->file_bytes = file_bytes;
}

static size_t names_bytes(const struct view_table *table)
{
	size_t bytes = 0;

	for (size_t i = 0; i < table->views.len; i++)
		if (table->views.items[i]->names)
			bytes += file_names_memory_bytes(table->views.items[i]->names);
	return bytes;
}

static struct view *least_used(const struct view_table *table, const struct view *keep)
{
	struct view *oldest = NULL;

	for (size_t i = 0; i < table->views.len; i++) {
		struct view *view = table->views.items[i];

		if (view->names && view != keep && (!oldest || view->used < oldest->used))
			oldest = view;
	}
	return oldest;
}

void view_table_trim(struct view_table *table, const struct view *keep)
{
	size_t bytes = table->cache_bytes ? names_bytes(table) : 0;

	while (bytes > table->cache_bytes) {
		struct view *view = least_used(table, keep);

		if (!view)
			return;
		bytes -= file_names_memory_bytes(view->names);
		drop_names(view);
	}
}

bool view_has_go(const struct view *view)
{
	return view->has_go;
}

bool view_has_symtab(const struct view *view)
{
	return view->has_embedded || elf_file_section(view->image->file, ".symtab") ||
	       (view->debug && has_symtab(view->debug->file));
}

bool view_has_debug(const struct view *view)
{
	return view->debug || view->supplementary || view->owner;
}

int view_embedded_err(const struct view *view)
{
	return view->embedded_err;
}

size_t view_functions(const struct view *view)
{
	return view->functions;
}

size_t view_table_memory_bytes(const struct view_table *table)
{
	size_t bytes = sizeof(*table) + table->views.cap * sizeof(*table->views.items);

	for (size_t i = 0; i < table->views.len; i++) {
		const struct view *view = table->views.items[i];

		bytes += sizeof(*view) + (view->names ? file_names_memory_bytes(view->names) : 0) +
			 view->splits.cap * sizeof(*view->splits.items);
		for (size_t j = 0; j < view->splits.len; j++)
			bytes += view->splits.items[j].file ? elf_file_memory_bytes(view->splits.items[j].file) : 0;
	}
	return bytes;
}
