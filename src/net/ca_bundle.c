/* SPDX-License-Identifier: Apache-2.0 */
#include "net/ca_bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"

static int read_file(const char *path, struct buf *ret)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	return fd < 0 ? -errno : io_read_all(fd, ret);
}

int ca_bundle_read(struct buf *ret)
{
	static const char *const places[] = {
		"/etc/ssl/certs/ca-certificates.crt", /* Debian, Ubuntu, Arch, Alpine */
		"/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora, RHEL */
		"/etc/ssl/ca-bundle.pem",	      /* SUSE */
		"/etc/ssl/cert.pem",
	};
	const char *given = getenv("SSL_CERT_FILE");
	int err = -ENOENT;

	if (given && *given)
		return read_file(given, ret);
	for (size_t i = 0; err && i < sizeof(places) / sizeof(places[0]); i++)
		err = read_file(places[i], ret);
	return err;
}
