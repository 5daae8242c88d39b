/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP requests, many at a time in one thread, over libcurl's multi interface. What a caller asks for is bounded in
 * bytes and in time; what a server says is bounded here. Whether to try again is the caller's to decide.
 *
 *     http_client_start ─► host name ─► connection ─► reply ─► on_body … ─► on_done
 *                              ▲ name service            └─ redirected: once more, with the next URL
 *
 * No file is opened for it: trusted certificates are given as bytes, names are resolved by another process. Only
 * HTTP/1.1 is spoken; bodies are taken as they come, no encoding is asked for or undone; no cookies, no .netrc. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct http_client;
struct http_transfer;
struct name_service;
struct pollfd;

#define HTTP_TEXT_BYTES 512

struct http_client_options {
	const char *user_agent;
	const void *trusted; /* PEM certificates, borrowed; NULL: none, and https fails */
	size_t trusted_bytes;
	const char *proxy;	    /* borrowed; NULL: as http_proxy and its kin say */
	struct name_service *names; /* borrowed */
};

/* How it ended. */
struct http_reply {
	/* 0: a 2xx reply, received whole. -ENOENT: 404 or 410; -EACCES: 401 or 403; -EREMOTEIO: another status;
	 * -EHOSTUNREACH: no such host; -ECONNREFUSED: not reached; -ECONNRESET: the connection broke;
	 * -ETIMEDOUT; -EFBIG: over max_bytes; -EKEYREJECTED: TLS, a certificate mostly; -ELOOP: too many redirects;
	 * -EPROTO: a redirect to elsewhere than http or https, or from https to http, or no HTTP;
	 * -EINVAL: the URL is none; or what on_body said. */
	int err;
	unsigned int status;	    /* of the last reply; 0: none came */
	uint64_t body_bytes;	    /* given to on_body */
	char text[HTTP_TEXT_BYTES]; /* how the body of another status begins, else what libcurl says; foreign bytes */
};

/* Strings and the body are borrowed until it ends; the struct itself is copied. */
struct http_request {
	const char *url;
	const char *const *headers; /* "Name: value" */
	size_t n_headers;
	const void *body; /* NULL: GET; else POST */
	size_t body_bytes;
	uint64_t max_bytes;	/* of the reply's body */
	uint32_t connect_ms;	/* for name and connection, each */
	uint32_t stall_seconds; /* fewer than stall_bytes in this time end it; 0: no such limit */
	uint32_t stall_bytes;
	uint32_t total_seconds; /* of each of the requests that redirects make of it */
	uint32_t max_redirects;
	/* Bytes of a 2xx body. 0, or -errno that ends it. */
	int (*on_body)(void *ctx, const void *bytes, size_t n);
	/* Called once, out of http_client_wait(); the transfer is gone then. */
	void (*on_done)(void *ctx, const struct http_reply *reply);
	void *ctx;
};

/* -ENOPKG: there is no libcurl. */
int http_client_new(const struct http_client_options *options, struct http_client **ret);
/* Ends what is under way without a word. */
void http_client_free(struct http_client *client);

/* The transfer is valid until on_done. */
int http_client_start(struct http_client *client, const struct http_request *request, struct http_transfer **ret);
/* Ends it; on_done is not called. */
void http_client_cancel(struct http_client *client, struct http_transfer *transfer);
/* Received of the body up to now, and in all as the server says (0: it does not). */
void http_client_progress(const struct http_client *client, const struct http_transfer *transfer, uint64_t *ret_bytes,
			  uint64_t *ret_total);

/* Waits for the network, for names and for the descriptors of others (`revents` is set), up to timeout_ms, and does
 * what there is to do. -EPIPE: the name service is gone. */
int http_client_wait(struct http_client *client, struct pollfd *others, size_t n, int timeout_ms);
