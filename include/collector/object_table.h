/* SPDX-License-Identifier: Apache-2.0 */
/* Mapped files by identity: (mount namespace, path, build id or device and inode) -> object id. Ids start at 1, are
 * dense and never used twice in a run; id 0 means "none". Two ids may turn out to be one file: the resolver finds that
 * out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc/message.h"

enum object_state { OBJECT_UNSEEN, OBJECT_WANTED, OBJECT_OPEN, OBJECT_FAILED };

struct object {
	uint32_t id;
	uint32_t kind;	/* enum object_kind */
	uint32_t flags; /* OBJECT_DELETED, OBJECT_QUARANTINED, OBJECT_LONE */
	uint32_t mnt_ns;
	uint64_t dev, ino; /* from the mapping, 0 when the build id came instead */
	uint64_t ino_generation;
	uint8_t build_id[BUILD_ID_MAX];
	uint32_t build_id_len;
	const char *path; /* as the process sees it, " (deleted)" cut; lives as long as the table */
	/* What became of it; the collector's loop keeps these. */
	enum object_state state;
	bool is_sampled; /* a frame is in it */
	int err;
	int fd;		     /* ours, or -1 */
	uint32_t found_tgid; /* through whom it was looked for first; 0: nobody yet */
	uint64_t found_start_ns;
	struct message_sources *sources; /* where its names come from; NULL: not told yet */
	uint32_t strikes;		 /* resolvers that died while parsing it */
	uint64_t reading_ns;		 /* CPU time that resolvers spent with it, or its debug files */
	uint64_t file_dev, file_ino, file_size;
	int64_t file_mtime_ns;
	struct process *process; /* OBJECT_JIT, OBJECT_PERF_MAP: whose it is, as long as the registry */
	uint64_t base;		 /* OBJECT_JIT: address of offset 0 */
	uint32_t batch_index;	 /* scratch of the batch writer */
};

struct object_identity {
	const char *path; /* as perf and /proc say it; "", "//anon", "[vdso]", "/memfd:…", "… (deleted)" included */
	uint32_t mnt_ns;
	uint64_t dev, ino, ino_generation;
	const uint8_t *build_id;
	uint32_t build_id_len;
};

struct object_table;
int object_table_new(size_t max_objects, struct object_table **ret);
void object_table_free(struct object_table *table); /* closes descriptors */
/* Id of the identity, added when new; 0 when the table is full (counted as objects_failed). OBJECT_DELETED is set once
 * any mapping says so. The vDSO is one object for the machine; so is anonymous memory of one name. A file whose name is
 * that of a JITDUMP is one, and a memfd with the name of one that holds generated code is anonymous memory. */
uint32_t object_table_add(struct object_table *table, const struct object_identity *identity);
/* Id of a new object of one process, whatever others are called; 0 as above. */
struct process;
uint32_t object_table_add_own(struct object_table *table, enum object_kind kind, const char *path,
			      struct process *process, uint64_t base);
/* NULL for 0 or an id never given out. The pointer stays valid as long as the table. */
struct object *object_table_get(struct object_table *table, uint32_t id);
uint32_t object_table_count(const struct object_table *table);
size_t object_table_memory_bytes(const struct object_table *table);
