#include <errno.h>
#include "unwind/go_rows.h"
#include "unwind/code_scan.h"
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
