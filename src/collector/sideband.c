/* SPDX-License-Identifier: Apache-2.0 */
/* Each CPU has a ring that the kernel fills and a queue of our own that the ring is emptied into, so that the kernel
 * always finds room; the heads of the queues are merged by time through a heap:
 *
 *     ring of CPU 0  ──read──>  queue 0 [ returned | head | … ] ─┐
 *     ring of CPU 1  ──read──>  queue 1 [ returned | head | … ] ─┼─ heap of heads ──next──> oldest record
 *     ring of CPU n  ──read──>  queue n [ returned | head | … ] ─┘
 *
 * A record that wraps round the end of its ring is whole again in the queue. Queues are bounded together; what does
 * not fit is counted in its queue and told as one LOST record at the place where it is missing.
 */
#include "collector/sideband.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/counters.h"
#include "base/cursor.h"
#include "base/io.h"
#include "base/vec.h"
#include "collector/sideband_internal.h"

#define MAX_CPUS 8192
/* An empty queue over this size gives its memory back when it is far more than the next read needs. */
#define QUEUE_KEEP_BYTES (64u << 10)
#define MAX_PROC_CGROUPS_BYTES 65536

/* --- queues ---------------------------------------------------------------------------------------------------- */

struct ring {
	uint32_t cpu;
	/* The kernel's side; fd is -1 when detached or offline. */
	int fd;
	struct perf_event_mmap_page *page;
	size_t page_bytes, data_bytes;
	/* Ours: bytes[pos..len) is not returned yet. */
	uint8_t *bytes;
	size_t pos, len, cap;
	/* Dropped behind bytes[lost_at], told as one record. */
	uint64_t lost, lost_ns;
	size_t lost_at;
	/* The record that is next; head_len 0 is what was lost. Valid while the ring is in the heap. */
	struct sideband_record head;
	size_t head_len;
};

struct sideband {
	struct ring_vec VEC(struct ring *) rings; /* every CPU ever seen */
	struct heap_vec VEC(struct ring *) heap;  /* those with a head, the earliest first */
	bool heap_is_stale;
	size_t queue_bytes; /* allocated, all rings */
	int epoll_fd;
	bool is_started;
	size_t ring_bytes; /* to ask for; lowered once refused */
	struct perf_event_attr attr;
};

/* Bytes as they lie in a ring: the second part begins at the ring's start. */
struct span {
	const uint8_t *first, *second;
	size_t n_first, n_second;
};

static size_t span_len(const struct span *span)
{
	return span->n_first + span->n_second;
}

static void span_copy(const struct span *span, size_t offset, uint8_t *to, size_t n)
{
	size_t from_first = offset < span->n_first ? span->n_first - offset : 0;

	if (from_first > n)
		from_first = n;
	if (from_first)
		memcpy(to, span->first + offset, from_first);
	if (n > from_first)
		memcpy(to + from_first, span->second + (offset + from_first - span->n_first), n - from_first);
}

/* How many records the bytes hold (at least one), and the time of the first. */
static uint64_t span_count(const struct span *span, uint64_t *ret_first_ns)
{
	size_t len = span_len(span), offset = 0;
	struct perf_event_header header;
	uint64_t n = 0;

	*ret_first_ns = 0;
	while (len - offset >= sizeof(header)) {
		span_copy(span, offset, (uint8_t *)&header, sizeof(header));
		if (header.size < sizeof(header) || header.size > len - offset)
			break;
		if (!n && header.size >= SIDEBAND_HEADER_BYTES + SIDEBAND_TRAILER_BYTES)
			span_copy(span, offset + header.size - SIDEBAND_TRAILER_BYTES + SIDEBAND_TRAILER_TIME_OFFSET,
				  (uint8_t *)ret_first_ns, sizeof(*ret_first_ns));
		offset += header.size;
		n++;
	}
	return n ? n : 1;
}

static void queue_release(struct sideband *sideband, struct ring *ring)
{
	free(ring->bytes);
	ring->bytes = NULL;
	sideband->queue_bytes -= ring->cap;
	ring->pos = ring->len = ring->cap = 0;
}

/* Gives up what was returned; keeps the rest at the front when that makes room. */
static void queue_compact(struct sideband *sideband, struct ring *ring, size_t wanted)
{
	if (ring->pos == ring->len) {
		ring->pos = ring->len = 0;
		if (ring->lost)
			ring->lost_at = 0;
		if (ring->cap > QUEUE_KEEP_BYTES && wanted < ring->cap / 8)
			queue_release(sideband, ring);
	} else if (ring->pos >= ring->len / 2) {
		memmove(ring->bytes, ring->bytes + ring->pos, ring->len - ring->pos);
		ring->len -= ring->pos;
		if (ring->lost)
			ring->lost_at = ring->lost_at > ring->pos ? ring->lost_at - ring->pos : 0;
		ring->pos = 0;
	}
}

static int queue_reserve(struct sideband *sideband, struct ring *ring, size_t n)
{
	size_t room = SIDEBAND_MAX_UNREAD_BYTES - (sideband->queue_bytes - ring->cap);
	size_t need = ring->len + n, cap;
	uint8_t *grown;

	if (need <= ring->cap)
		return 0;
	if (need > room)
		return -E2BIG;
	cap = ring->cap * 2 > need ? ring->cap * 2 : need;
	if (cap > room)
		cap = room;
	grown = realloc(ring->bytes, cap);
	if (!grown)
		return -ENOMEM;
	sideband->queue_bytes += cap - ring->cap;
	ring->bytes = grown;
	ring->cap = cap;
	return 0;
}

static void queue_append(struct sideband *sideband, struct ring *ring, const struct span *span)
{
	size_t n = span_len(span);
	uint64_t first_ns, records;

	sideband->heap_is_stale = true;
	queue_compact(sideband, ring, n);
	if (!n)
		return;
	if (!queue_reserve(sideband, ring, n)) {
		span_copy(span, 0, ring->bytes + ring->len, n);
		ring->len += n;
		return;
	}
	/* Losses of different moments that wait together are told together, at the place of the first. */
	records = span_count(span, &first_ns);
	if (!ring->lost) {
		ring->lost_at = ring->len;
		ring->lost_ns = first_ns;
	}
	ring->lost += records;
}

/* Makes the next usable record the head; false: there is none. */
static bool ring_load_head(struct ring *ring)
{
	struct perf_event_header header;

	for (;;) {
		size_t left = ring->len - ring->pos;
		int err;

		if (ring->lost && ring->pos >= ring->lost_at) {
			ring->head = (struct sideband_record){
				.type = SIDEBAND_LOST,
				.mono_ns = ring->lost_ns,
				.cpu = ring->cpu,
				.lost.records = ring->lost,
			};
			ring->head_len = 0;
			return true;
		}
		if (!left)
			return false;
		if (left >= sizeof(header))
			memcpy(&header, ring->bytes + ring->pos, sizeof(header));
		if (left < sizeof(header) || header.size < sizeof(header) || header.size > left) {
			/* Nothing tells where the next one begins: the rest goes. */
			count(COUNTER_sideband_bad_records);
			ring->pos = ring->len;
			continue;
		}
		err = sideband_parse(ring->bytes + ring->pos, header.size, &ring->head);
		if (err > 0) {
			ring->head_len = header.size;
			return true;
		}
		count(err ? COUNTER_sideband_bad_records : COUNTER_sideband_records);
		ring->pos += header.size;
	}
}

static void ring_consume_head(struct ring *ring)
{
	if (!ring->head_len) {
		ring->lost = 0;
	} else {
		ring->pos += ring->head_len;
		count(COUNTER_sideband_records);
	}
	if (ring->head.type == SIDEBAND_LOST)
		count_n(COUNTER_sideband_lost_records, ring->head.lost.records);
}

/* --- merging --------------------------------------------------------------------------------------------------- */

static bool ring_is_before(const struct ring *a, const struct ring *b)
{
	if (a->head.mono_ns != b->head.mono_ns)
		return a->head.mono_ns < b->head.mono_ns;
	return a->cpu < b->cpu;
}

static void heap_sift_down(struct sideband *sideband, size_t at)
{
	struct ring **heap = sideband->heap.items;
	size_t n = sideband->heap.len;

	for (;;) {
		size_t child = 2 * at + 1;
		struct ring *moved = heap[at];

		if (child >= n)
			return;
		if (child + 1 < n && ring_is_before(heap[child + 1], heap[child]))
			child++;
		if (!ring_is_before(heap[child], moved))
			return;
		heap[at] = heap[child];
		heap[child] = moved;
		at = child;
	}
}

/* The heap has room for all rings since ring_add(). */
static void heap_build(struct sideband *sideband)
{
	vec_clear(&sideband->heap);
	vec_for_each (&sideband->rings, slot) {
		if (ring_load_head(*slot))
			sideband->heap.items[sideband->heap.len++] = *slot;
	}
	for (size_t i = sideband->heap.len / 2; i-- > 0;)
		heap_sift_down(sideband, i);
	sideband->heap_is_stale = false;
}

bool sideband_next(struct sideband *sideband, uint64_t until_ns, struct sideband_record *ret)
{
	struct ring *first;

	if (sideband->heap_is_stale)
		heap_build(sideband);
	if (!sideband->heap.len)
		return false;
	first = sideband->heap.items[0];
	if (first->head.mono_ns > until_ns)
		return false;
	*ret = first->head;
	ring_consume_head(first);
	if (!ring_load_head(first))
		sideband->heap.items[0] = sideband->heap.items[--sideband->heap.len];
	heap_sift_down(sideband, 0);
	return true;
}

/* --- rings of the kernel --------------------------------------------------------------------------------------- */

static struct ring *ring_find(const struct sideband *sideband, uint32_t cpu)
{
	for (size_t i = 0; i < sideband->rings.len; i++) {
		if (sideband->rings.items[i]->cpu == cpu)
			return sideband->rings.items[i];
	}
	return NULL;
}

static int ring_add(struct sideband *sideband, uint32_t cpu, struct ring **ret)
{
	struct ring *ring, **slot;
	int err;

	err = vec_reserve(&sideband->heap, sideband->rings.len + 1);
	if (!err)
		err = vec_reserve(&sideband->rings, sideband->rings.len + 1);
	if (err)
		return err;
	ring = calloc(1, sizeof(*ring));
	if (!ring)
		return -ENOMEM;
	ring->cpu = cpu;
	ring->fd = -1;
	slot = vec_push(&sideband->rings);
	assert(slot);
	*slot = ring;
	*ret = ring;
	return 0;
}

static void ring_read(struct sideband *sideband, struct ring *ring)
{
	const uint8_t *data = (const uint8_t *)ring->page + ring->page_bytes;
	uint64_t head = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE);
	uint64_t tail = ring->page->data_tail; /* only we write it */
	size_t offset = tail & (ring->data_bytes - 1);
	struct span span = {.first = data + offset, .second = data};

	/* The kernel never overruns the tail; the check keeps a surprise from becoming a wild copy. */
	if (head - tail > ring->data_bytes) {
		count(COUNTER_sideband_bad_records);
	} else {
		span.n_first = ring->data_bytes - offset;
		if (span.n_first > head - tail)
			span.n_first = head - tail;
		span.n_second = head - tail - span.n_first;
	}
	queue_append(sideband, ring, &span);
	__atomic_store_n(&ring->page->data_tail, head, __ATOMIC_RELEASE);
}

static void ring_close(struct ring *ring)
{
	if (ring->page)
		munmap(ring->page, ring->page_bytes + ring->data_bytes);
	ring->page = NULL;
	ring->data_bytes = 0;
	if (ring->fd >= 0)
		close(ring->fd); /* leaves the epoll set by this */
	ring->fd = -1;
}

static int event_open(const struct perf_event_attr *attr, uint32_t cpu)
{
	/* The kernel writes the size that it would like into the attr on -E2BIG: hand out a copy. */
	struct perf_event_attr copy = *attr;
	long fd = syscall(SYS_perf_event_open, &copy, -1, (int)cpu, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : (int)fd;
}

static int ring_map(struct ring *ring, size_t data_bytes)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	void *page = mmap(NULL, page_bytes + data_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, 0);

	if (page == MAP_FAILED)
		return -errno;
	ring->page = page;
	ring->page_bytes = page_bytes;
	ring->data_bytes = data_bytes;
	return 0;
}

static int ring_try_open(struct sideband *sideband, struct ring *ring)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = ring->cpu};
	int err;

	sideband->attr.wakeup_watermark = (uint32_t)(sideband->ring_bytes / 4);
	err = event_open(&sideband->attr, ring->cpu);
	if (err < 0)
		return err;
	ring->fd = err;
	err = ring_map(ring, sideband->ring_bytes);
	if (err)
		goto fail;
	if (epoll_ctl(sideband->epoll_fd, EPOLL_CTL_ADD, ring->fd, &event) ||
	    (sideband->is_started && ioctl(ring->fd, PERF_EVENT_IOC_ENABLE, 0))) {
		err = -errno;
		goto fail;
	}
	return 0;
fail:
	ring_close(ring);
	return err;
}

/* The rings of all CPUs share one allowance of locked memory; a size that was refused once is not tried again. */
static int ring_open(struct sideband *sideband, struct ring *ring)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	int fd, err;

	for (;;) {
		err = ring_try_open(sideband, ring);
		if ((err != -EPERM && err != -ENOMEM) || sideband->ring_bytes <= page_bytes)
			return err;
		/* Was it the event that was refused, or its memory? */
		fd = event_open(&sideband->attr, ring->cpu);
		if (fd < 0)
			return err;
		close(fd);
		sideband->ring_bytes /= 2;
	}
}

/* Ids of CGROUP records belong to the hierarchy of the perf_event controller. They mean what the sampler's ids mean
 * only when there is one hierarchy; without the file there is no v1. */
static bool cgroup_ids_are_unified(void)
{
	auto_close int fd = open("/proc/cgroups", O_RDONLY | O_CLOEXEC);
	struct cursor text, line, name;
	struct buf buf;
	bool is_unified = true;

	if (fd < 0)
		return true;
	buf_init(&buf, MAX_PROC_CGROUPS_BYTES);
	if (io_read_all(fd, &buf))
		is_unified = false;
	cursor_init(&text, buf.data, buf.len);
	while (is_unified && cursor_line(&text, &line)) {
		/* "memory	4	14	1": name, hierarchy (0 is the unified one), cgroups, enabled */
		if (!cursor_word(&line, &name) || *name.pos == '#')
			continue;
		cursor_skip_blanks(&line);
		if (cursor_dec(&line) != 0 || !cursor_ok(&line))
			is_unified = false;
	}
	buf_release(&buf);
	return is_unified;
}

enum optional_bit { OPTIONAL_NAMESPACES, OPTIONAL_KSYMBOL, OPTIONAL_CGROUP, OPTIONAL_BUILD_ID, OPTIONAL_COUNT };

static void attr_set_optional(struct perf_event_attr *attr, enum optional_bit bit, bool value)
{
	switch (bit) {
	case OPTIONAL_NAMESPACES:
		attr->namespaces = value;
		break;
	case OPTIONAL_KSYMBOL:
		attr->ksymbol = value;
		break;
	case OPTIONAL_CGROUP:
		attr->cgroup = value;
		break;
	case OPTIONAL_BUILD_ID:
		attr->build_id = value;
		break;
	case OPTIONAL_COUNT:
		break;
	}
}

/* Finds out which of the optional bits this kernel grants, one by one: cgroup came with 5.7, build_id with 5.12, and
 * namespaces needs more privilege than the rest. */
static int attr_probe(struct perf_event_attr *attr, uint32_t cpu)
{
	bool cgroups = cgroup_ids_are_unified();
	int fd;

	for (int bit = 0; bit < OPTIONAL_COUNT; bit++)
		attr_set_optional(attr, bit, bit != OPTIONAL_CGROUP || cgroups);
	fd = event_open(attr, cpu);
	if (fd == -EINVAL || fd == -EACCES || fd == -EPERM) {
		for (int bit = 0; bit < OPTIONAL_COUNT; bit++)
			attr_set_optional(attr, bit, false);
		fd = event_open(attr, cpu);
		if (fd < 0)
			return fd;
		for (int bit = 0; bit < OPTIONAL_COUNT; bit++) {
			int with_bit;

			if (bit == OPTIONAL_CGROUP && !cgroups)
				continue;
			attr_set_optional(attr, bit, true);
			with_bit = event_open(attr, cpu);
			if (with_bit >= 0)
				close(with_bit);
			else
				attr_set_optional(attr, bit, false);
		}
	}
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static void attr_init(struct perf_event_attr *attr)
{
	*attr = (struct perf_event_attr){
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(*attr),
		.config = PERF_COUNT_SW_DUMMY,
		.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CPU | PERF_SAMPLE_IDENTIFIER,
		.disabled = 1,
		.mmap = 1,
		.mmap2 = 1,
		.comm = 1,
		.comm_exec = 1,
		.task = 1,
		.sample_id_all = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
		.watermark = 1, /* wakeup_watermark is set when the size of the ring is known */
	};
}

/* --- life ------------------------------------------------------------------------------------------------------ */

static int sideband_new(struct sideband **ret)
{
	struct sideband *sideband = calloc(1, sizeof(*sideband));

	if (!sideband)
		return -ENOMEM;
	vec_init(&sideband->rings, MAX_CPUS);
	vec_init(&sideband->heap, MAX_CPUS);
	sideband->epoll_fd = -1;
	*ret = sideband;
	return 0;
}

void sideband_free(struct sideband *sideband)
{
	if (!sideband)
		return;
	vec_for_each (&sideband->rings, slot) {
		ring_close(*slot);
		free((*slot)->bytes);
		free(*slot);
	}
	vec_release(&sideband->rings);
	vec_release(&sideband->heap);
	if (sideband->epoll_fd >= 0)
		close(sideband->epoll_fd);
	free(sideband);
}

int sideband_new_detached(size_t n_cpus, struct sideband **ret)
{
	struct sideband *sideband = NULL;
	struct ring *ring;
	int err;

	if (n_cpus > MAX_CPUS)
		return -E2BIG;
	err = sideband_new(&sideband);
	for (size_t cpu = 0; !err && cpu < n_cpus; cpu++)
		err = ring_add(sideband, (uint32_t)cpu, &ring);
	if (err) {
		sideband_free(sideband);
		return err;
	}
	*ret = sideband;
	return 0;
}

static const char *mend_for(int err)
{
	switch (err) {
	case -EACCES:
	case -EPERM:
		return "run as root or give CAP_PERFMON and CAP_IPC_LOCK, or raise sysctl kernel.perf_event_mlock_kb";
	case -EMFILE:
		return "raise the limit of open files (ulimit -n)";
	case -ENOSYS:
	case -ENOENT:
		return "use a kernel with CONFIG_PERF_EVENTS, and a container whose seccomp filter allows "
		       "perf_event_open";
	case -EINVAL:
		return "use kernel 5.10 or newer";
	default:
		return NULL;
	}
}

static bool is_power_of_two(size_t n)
{
	return n && !(n & (n - 1));
}

int sideband_open(const struct sideband_options *options, const uint32_t *cpus, size_t n_cpus, struct sideband **ret,
		  struct problem *problem)
{
	struct sideband *sideband = NULL;
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	bool any_open = false;
	int err;

	err = sideband_new(&sideband);
	if (err)
		return problem_set(problem, err, NULL, "cannot read process events");
	sideband->ring_bytes = options->ring_bytes ? options->ring_bytes : SIDEBAND_RING_BYTES;
	if (!n_cpus || !is_power_of_two(sideband->ring_bytes) || sideband->ring_bytes < page_bytes) {
		err = problem_set(problem, -EINVAL, NULL, "cannot read process events of %zu CPUs into rings of %zu",
				  n_cpus, sideband->ring_bytes);
		goto fail;
	}
	sideband->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (sideband->epoll_fd < 0) {
		err = problem_set(problem, -errno, mend_for(-errno), "cannot wait for process events");
		goto fail;
	}
	attr_init(&sideband->attr);
	err = -ENODEV;
	for (size_t i = 0; i < n_cpus && err == -ENODEV; i++)
		err = attr_probe(&sideband->attr, cpus[i]);
	if (err) {
		problem_set(problem, err, mend_for(err), "cannot open the perf event of process life");
		goto fail;
	}
	err = sideband_set_cpus(sideband, cpus, n_cpus);
	if (err) {
		problem_set(problem, err, mend_for(err), "cannot open the perf rings of process life");
		goto fail;
	}
	vec_for_each (&sideband->rings, slot)
		any_open |= (*slot)->fd >= 0;
	if (!any_open) {
		err = problem_set(problem, -ENODEV, NULL, "cannot open the perf rings of process life on any CPU");
		goto fail;
	}
	*ret = sideband;
	return 0;
fail:
	sideband_free(sideband);
	return err;
}

static int for_each_event(struct sideband *sideband, unsigned long request)
{
	vec_for_each (&sideband->rings, slot) {
		/* A CPU that went offline meanwhile answers with an error that nobody needs. */
		if ((*slot)->fd >= 0 && ioctl((*slot)->fd, request, 0) && errno != ENODEV)
			return -errno;
	}
	return 0;
}

int sideband_start(struct sideband *sideband)
{
	int err = for_each_event(sideband, PERF_EVENT_IOC_ENABLE);

	if (!err)
		sideband->is_started = true;
	return err;
}

int sideband_stop(struct sideband *sideband)
{
	sideband->is_started = false;
	return for_each_event(sideband, PERF_EVENT_IOC_DISABLE);
}

static bool cpu_is_listed(uint32_t cpu, const uint32_t *cpus, size_t n_cpus)
{
	for (size_t i = 0; i < n_cpus; i++) {
		if (cpus[i] == cpu)
			return true;
	}
	return false;
}

int sideband_set_cpus(struct sideband *sideband, const uint32_t *cpus, size_t n_cpus)
{
	int first_err = 0;

	vec_for_each (&sideband->rings, slot) {
		if ((*slot)->fd >= 0 && !cpu_is_listed((*slot)->cpu, cpus, n_cpus)) {
			ring_read(sideband, *slot);
			ring_close(*slot);
		}
	}
	for (size_t i = 0; i < n_cpus; i++) {
		struct ring *ring = ring_find(sideband, cpus[i]);
		int err = 0;

		if (!ring)
			err = ring_add(sideband, cpus[i], &ring);
		if (!err && ring->fd < 0)
			err = ring_open(sideband, ring);
		if (err == -ENODEV) /* offline again */
			err = 0;
		if (err && !first_err)
			first_err = err;
	}
	return first_err;
}

int sideband_epoll_fd(const struct sideband *sideband)
{
	return sideband->epoll_fd;
}

int sideband_read(struct sideband *sideband)
{
	vec_for_each (&sideband->rings, slot) {
		const struct span nothing = {0};

		if ((*slot)->fd >= 0)
			ring_read(sideband, *slot);
		else
			queue_append(sideband, *slot, &nothing);
	}
	return 0;
}

int sideband_feed(struct sideband *sideband, uint32_t cpu, const void *bytes, size_t len)
{
	struct span span = {.first = bytes, .second = bytes, .n_first = len};
	struct ring *ring = ring_find(sideband, cpu);

	if (!ring)
		return -EINVAL;
	queue_append(sideband, ring, &span);
	return 0;
}

uint64_t sideband_ring_bytes(const struct sideband *sideband)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < sideband->rings.len; i++) {
		const struct ring *ring = sideband->rings.items[i];

		if (ring->fd >= 0)
			bytes += ring->page_bytes + ring->data_bytes;
	}
	return bytes;
}
