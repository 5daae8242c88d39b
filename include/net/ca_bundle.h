/* SPDX-License-Identifier: Apache-2.0 */
/* The certificates that the system trusts, as one run of PEM text: read while files can still be opened. */
#pragma once

struct buf;

/* $SSL_CERT_FILE, else the first of the places of the distributions. -ENOENT: there is none. */
int ca_bundle_read(struct buf *ret);
