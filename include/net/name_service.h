/* SPDX-License-Identifier: Apache-2.0 */
/* Names of hosts to addresses, in a process of its own: getaddrinfo() waits, and it reads files (resolv.conf, hosts,
 * what nsswitch.conf names), which its caller may no longer do. One name after the other. */
#pragma once

#include <stdint.h>

#define NAME_MAX_BYTES 256 /* of a host, with its NUL: RFC 1035 allows 255 */
#define NAME_MAX_ADDRESSES 8
#define NAME_ADDRESS_BYTES 48 /* INET6_ADDRSTRLEN is 46 */

struct name_service;

struct name_answer {
	uint32_t id;
	int32_t err; /* -EHOSTUNREACH: there is no such host, or nobody knows; -EBADMSG */
	uint32_t n;
	char addresses[NAME_MAX_ADDRESSES][NAME_ADDRESS_BYTES]; /* numbers, checked */
};

/* Starts the process, which confines itself (ipc/confine.h). It ends when the service is freed. */
int name_service_start(struct name_service **ret);
void name_service_free(struct name_service *service);
/* Readable when an answer is there. */
int name_service_fd(const struct name_service *service);
/* The answer comes later. -EAGAIN: too many are asked at once; -ENAMETOOLONG; -EPIPE. */
int name_service_ask(struct name_service *service, uint32_t id, const char *host);
/* 1: *ret is one answer; 0: none is there yet; -EPIPE: the process is gone. */
int name_service_receive(struct name_service *service, struct name_answer *ret);
