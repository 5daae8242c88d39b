#include <errno.h>
#include "unwind/go_rows.h"
#include "unwind/code_scan.h"
int __attribute__((weak)) go_rows_open(const struct elf_file *file, struct go_rows **ret)
{
	(void)file;
	(void)ret;
	return -ENOENT;
}
void __attribute__((weak)) go_rows_free(struct go_rows *rows)
{
	(void)rows;
}
void __attribute__((weak)) go_rows_range(const struct go_rows *rows, uint64_t *a, uint64_t *b)
{
	(void)rows;
	*a = *b = 0;
}
int __attribute__((weak)) go_rows_emit(struct go_rows *rows, uint64_t f, uint64_t l, const struct row_sink *sink)
{
	(void)rows;
	(void)f;
	(void)l;
	(void)sink;
	return 0;
}
int __attribute__((weak)) code_scan(const struct code_scan_region *region, const struct row_sink *sink)
{
	(void)region;
	(void)sink;
	return 0;
}
int __attribute__((weak)) code_scan_plt(const struct code_scan_region *region, const struct row_sink *sink)
{
	(void)region;
	(void)sink;
	return 0;
}
bool __attribute__((weak)) code_keeps_frame_pointers(uint16_t machine, const uint8_t *bytes, size_t n)
{
	(void)machine;
	(void)bytes;
	(void)n;
	return false;
}
