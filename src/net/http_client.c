/* SPDX-License-Identifier: Apache-2.0 */
/* A transfer is one request of a caller and the requests that redirects make of it, one after the other:
 *
 *     NAMING ── addresses ──► RUNNING ── reply ──► gone
 *        ▲                       │
 *        └──── redirected ───────┘
 *
 * libcurl is never left to look up a name: what it will connect to is told it by CURLOPT_RESOLVE. Redirects are
 * followed here, so that each is checked and its host resolved like the first. */
#include "net/http_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "curl_library.h"
#include "net/name_service.h"

/* Of the body of a reply that is none of 2xx: read so far that the connection can be used again. */
#define MAX_OTHER_BODY (64u << 10)
#define MAX_OTHERS 16
#define PORT_BYTES 8
#define SCHEME_BYTES 16
/* "+host:port:[a],[b],…" */
#define RESOLVE_BYTES (NAME_MAX_BYTES + PORT_BYTES + NAME_MAX_ADDRESSES * (NAME_ADDRESS_BYTES + 3))
/* The host and a proxy. */
#define MAX_NAMES 2
#define NAMING_TICK_MS 1000

struct host {
	uint32_t id; /* of the question; 0: answered, or a number */
	char name[NAME_MAX_BYTES], port[PORT_BYTES];
};

struct http_transfer {
	struct http_transfer *next;
	struct http_client *client;
	struct http_request request;
	char *url; /* of the current request */
	bool is_https, is_running;
	uint32_t redirects;
	struct host hosts[MAX_NAMES];
	size_t n_hosts;
	uint64_t naming_deadline_ns;
	CURL *easy;
	struct curl_slist *resolve, *headers;
	int body_err;
	uint64_t body_bytes, other_bytes;
	size_t text_len;
	char text[HTTP_TEXT_BYTES], error[CURL_ERROR_SIZE];
};

struct http_client {
	const struct curl_library *curl;
	struct http_client_options options;
	CURLM *multi;
	struct http_transfer *transfers;
	uint32_t next_question;
};

int http_client_new(const struct http_client_options *options, struct http_client **ret)
{
	struct http_client *client = calloc(1, sizeof(*client));
	int err;

	if (!client)
		return -ENOMEM;
	client->options = *options;
	err = curl_library_load(&client->curl);
	if (!err) {
		client->multi = client->curl->multi_init();
		err = client->multi ? 0 : -ENOMEM;
	}
	if (err) {
		free(client);
		return err;
	}
	*ret = client;
	return 0;
}

static void stop_running(struct http_transfer *transfer)
{
	const struct curl_library *curl = transfer->client->curl;

	if (transfer->easy) {
		curl->multi_remove_handle(transfer->client->multi, transfer->easy);
		curl->easy_cleanup(transfer->easy);
	}
	curl->slist_free_all(transfer->resolve);
	curl->slist_free_all(transfer->headers);
	transfer->easy = NULL;
	transfer->resolve = transfer->headers = NULL;
	transfer->is_running = false;
}

static void transfer_free(struct http_transfer *transfer)
{
	struct http_transfer **link = &transfer->client->transfers;

	while (*link && *link != transfer)
		link = &(*link)->next;
	if (*link)
		*link = transfer->next;
	stop_running(transfer);
	free(transfer->url);
	free(transfer);
}

void http_client_cancel(struct http_client *client, struct http_transfer *transfer)
{
	(void)client;
	transfer_free(transfer);
}

void http_client_free(struct http_client *client)
{
	if (!client)
		return;
	while (client->transfers)
		transfer_free(client->transfers);
	client->curl->multi_cleanup(client->multi);
	free(client);
}

static void finish(struct http_transfer *transfer, int err, unsigned int status)
{
	struct http_reply reply = {.err = err, .status = status, .body_bytes = transfer->body_bytes};
	const struct http_request request = transfer->request;

	if (transfer->text_len)
		memcpy(reply.text, transfer->text, transfer->text_len);
	else
		text_copy(reply.text, sizeof(reply.text), transfer->error);
	transfer_free(transfer);
	request.on_done(request.ctx, &reply);
}

/* --- libcurl's side ----------------------------------------------------------------------------------------------- */

static long status_of(const struct http_transfer *transfer)
{
	long status = 0;

	transfer->client->curl->easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

static bool is_success(long status)
{
	return status >= 200 && status < 300;
}

/* What is no success goes into the text, as far as there is room. */
static size_t take_other(struct http_transfer *transfer, const char *bytes, size_t n)
{
	size_t room = sizeof(transfer->text) - 1 - transfer->text_len;
	size_t taken = n < room ? n : room;

	memcpy(transfer->text + transfer->text_len, bytes, taken);
	transfer->text_len += taken;
	transfer->other_bytes += n;
	return transfer->other_bytes > MAX_OTHER_BODY ? 0 : n;
}

/* Anything but n ends the transfer. */
static size_t on_write(char *bytes, size_t size, size_t count, void *ctx)
{
	struct http_transfer *transfer = ctx;
	const struct http_request *request = &transfer->request;
	size_t n = size * count; /* size is 1 */

	if (!is_success(status_of(transfer)))
		return take_other(transfer, bytes, n);
	if (n > request->max_bytes - transfer->body_bytes)
		transfer->body_err = -EFBIG;
	else
		transfer->body_err = request->on_body(request->ctx, bytes, n);
	if (transfer->body_err)
		return 0;
	transfer->body_bytes += n;
	return n;
}

static int set_limits(struct http_transfer *transfer)
{
	const struct curl_library *curl = transfer->client->curl;
	const struct http_request *request = &transfer->request;
	CURL *easy = transfer->easy;
	long stall_bytes = request->stall_seconds ? request->stall_bytes / request->stall_seconds : 0;

	return curl->easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)request->connect_ms) ||
	       curl->easy_setopt(easy, CURLOPT_TIMEOUT, (long)request->total_seconds) ||
	       curl->easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)request->stall_seconds) ||
	       curl->easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, stall_bytes ? stall_bytes : 1) ||
	       curl->easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)request->max_bytes);
}

static int set_trust(const struct http_transfer *transfer)
{
	const struct http_client_options *options = &transfer->client->options;
	const struct curl_library *curl = transfer->client->curl;
	struct curl_blob blob = {.data = (void *)options->trusted, .len = options->trusted_bytes};

	if (!options->trusted_bytes)
		return 0;
	return curl->easy_setopt(transfer->easy, CURLOPT_CAINFO_BLOB, &blob) ||
	       curl->easy_setopt(transfer->easy, CURLOPT_CAPATH, NULL);
}

/* What is not said by the caller: only HTTP, nothing remembered, nothing read. */
static int set_manners(const struct http_transfer *transfer)
{
	const struct http_client_options *options = &transfer->client->options;
	const struct curl_library *curl = transfer->client->curl;
	CURL *easy = transfer->easy;

	return curl->easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) ||
#if LIBCURL_VERSION_NUM >= 0x075500
	       curl->easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") ||
#else
	       curl->easy_setopt(easy, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS) ||
#endif
	       curl->easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) ||
	       curl->easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1) ||
	       curl->easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L) ||
	       curl->easy_setopt(easy, CURLOPT_USERAGENT, options->user_agent) ||
	       (options->proxy && curl->easy_setopt(easy, CURLOPT_PROXY, options->proxy));
}

static int set_request(struct http_transfer *transfer)
{
	const struct curl_library *curl = transfer->client->curl;
	const struct http_request *request = &transfer->request;
	CURL *easy = transfer->easy;

	for (size_t i = 0; i < request->n_headers; i++) {
		struct curl_slist *list = curl->slist_append(transfer->headers, request->headers[i]);

		if (!list)
			return -ENOMEM;
		transfer->headers = list;
	}
	if (curl->easy_setopt(easy, CURLOPT_URL, transfer->url) ||
	    curl->easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers) ||
	    curl->easy_setopt(easy, CURLOPT_RESOLVE, transfer->resolve) ||
	    curl->easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_write) ||
	    curl->easy_setopt(easy, CURLOPT_WRITEDATA, transfer) ||
	    curl->easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error) ||
	    curl->easy_setopt(easy, CURLOPT_PRIVATE, transfer))
		return -ENOMEM;
	if (request->body &&
	    (curl->easy_setopt(easy, CURLOPT_POST, 1L) || curl->easy_setopt(easy, CURLOPT_POSTFIELDS, request->body) ||
	     curl->easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_bytes)))
		return -ENOMEM;
	return 0;
}

static int run(struct http_transfer *transfer)
{
	const struct curl_library *curl = transfer->client->curl;
	int err = 0;

	transfer->easy = curl->easy_init();
	if (!transfer->easy)
		return -ENOMEM;
	err = set_request(transfer);
	if (!err && (set_manners(transfer) || set_limits(transfer) || set_trust(transfer)))
		err = -ENOTSUP;
	if (!err && curl->multi_add_handle(transfer->client->multi, transfer->easy))
		err = -ENOMEM;
	if (!err)
		transfer->is_running = true;
	return err;
}

/* --- names -------------------------------------------------------------------------------------------------------- */

static bool is_number(const char *host)
{
	struct in6_addr address;

	return host[0] == '[' || inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
}

/* Parses as libcurl will. The scheme is "" where there is none, and told when the rest is not right. */
static int parse_url(const struct curl_library *curl, const char *url, char ret_scheme[SCHEME_BYTES], struct host *ret)
{
	CURLU *parts = curl->url();
	char *scheme = NULL, *host = NULL, *port = NULL;
	int err = -EINVAL;

	*ret = (struct host){0};
	ret_scheme[0] = '\0';
	if (!parts)
		return -ENOMEM;
	if (!curl->url_set(parts, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) &&
	    !curl->url_get(parts, CURLUPART_SCHEME, &scheme, 0))
		text_copy(ret_scheme, SCHEME_BYTES, scheme);
	if (scheme && !curl->url_get(parts, CURLUPART_HOST, &host, 0) &&
	    !curl->url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT)) {
		if (*host && strlen(host) < sizeof(ret->name) && strlen(port) < sizeof(ret->port))
			err = 0;
		text_copy(ret->name, sizeof(ret->name), host);
		text_copy(ret->port, sizeof(ret->port), port);
	}
	curl->free(scheme);
	curl->free(host);
	curl->free(port);
	curl->url_cleanup(parts);
	return err;
}

/* The proxy that libcurl will take unless no_proxy says otherwise; NULL: none. */
static const char *proxy_of(const struct http_transfer *transfer)
{
	static const char *const of_https[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", NULL};
	static const char *const of_http[] = {"http_proxy", "all_proxy", "ALL_PROXY", NULL};
	const char *proxy = transfer->client->options.proxy;

	for (const char *const *name = transfer->is_https ? of_https : of_http; !proxy && *name; name++) {
		proxy = getenv(*name);
		if (proxy && !*proxy)
			proxy = NULL;
	}
	return proxy;
}

static bool has_exceptions(void)
{
	const char *lower = getenv("no_proxy"), *upper = getenv("NO_PROXY");

	return (lower && *lower) || (upper && *upper);
}

static void ask_name(struct http_transfer *transfer, const struct host *host)
{
	struct http_client *client = transfer->client;
	struct host *slot = &transfer->hosts[transfer->n_hosts];

	if (is_number(host->name))
		return;
	*slot = *host;
	slot->id = ++client->next_question;
	if (name_service_ask(client->options.names, slot->id, slot->name))
		slot->id = 0; /* stays without an address, and fails as such */
	transfer->n_hosts++;
}

/* "proxy:3128" is "http://proxy:3128". */
static int parse_proxy(const struct curl_library *curl, const char *proxy, struct host *ret)
{
	char url[1024], scheme[SCHEME_BYTES];

	if (strstr(proxy, "://"))
		return parse_url(curl, proxy, scheme, ret);
	if (snprintf(url, sizeof(url), "http://%s", proxy) >= (int)sizeof(url))
		return -EINVAL;
	return parse_url(curl, url, scheme, ret);
}

static bool is_naming(const struct http_transfer *transfer)
{
	for (size_t i = 0; i < transfer->n_hosts; i++)
		if (transfer->hosts[i].id)
			return true;
	return false;
}

/* From the URL on. */
static int begin(struct http_transfer *transfer)
{
	bool was_https = transfer->is_https;
	struct host host, proxy_host;
	char scheme[SCHEME_BYTES];
	const char *proxy;
	int err = parse_url(transfer->client->curl, transfer->url, scheme, &host);

	transfer->is_https = !strcmp(scheme, "https");
	if (scheme[0] && !transfer->is_https && (was_https || strcmp(scheme, "http") != 0))
		return -EPROTO;
	if (err)
		return err;
	transfer->n_hosts = 0;
	transfer->naming_deadline_ns = clock_mono_ns(&clock_system) + transfer->request.connect_ms * NSEC_PER_MSEC;
	proxy = proxy_of(transfer);
	if (!proxy || has_exceptions())
		ask_name(transfer, &host);
	if (proxy && !parse_proxy(transfer->client->curl, proxy, &proxy_host))
		ask_name(transfer, &proxy_host);
	return is_naming(transfer) ? 0 : run(transfer);
}

static int add_addresses(struct http_transfer *transfer, const struct host *host, const struct name_answer *answer)
{
	char text[RESOLVE_BYTES];
	int len = snprintf(text, sizeof(text), "+%s:%s:", host->name, host->port);
	struct curl_slist *list;

	for (uint32_t i = 0; i < answer->n && len < (int)sizeof(text); i++) {
		bool is_v6 = strchr(answer->addresses[i], ':');

		len += snprintf(text + len, sizeof(text) - (size_t)len, is_v6 ? "%s[%s]" : "%s%s", i ? "," : "",
				answer->addresses[i]);
	}
	if (len >= (int)sizeof(text))
		return -ENAMETOOLONG;
	list = transfer->client->curl->slist_append(transfer->resolve, text);
	if (!list)
		return -ENOMEM;
	transfer->resolve = list;
	return 0;
}

static void answer_name(struct http_transfer *transfer, struct host *host, const struct name_answer *answer)
{
	/* Of a proxy and a host one may be enough. */
	int err = answer->err && transfer->n_hosts == 1 ? answer->err : 0;

	host->id = 0;
	if (!err && !answer->err)
		err = add_addresses(transfer, host, answer);
	if (!err && !is_naming(transfer))
		err = run(transfer);
	if (err)
		finish(transfer, err, 0);
}

static void take_answer(struct http_client *client, const struct name_answer *answer)
{
	for (struct http_transfer *transfer = client->transfers; transfer; transfer = transfer->next)
		for (size_t i = 0; i < transfer->n_hosts; i++)
			if (transfer->hosts[i].id == answer->id && !transfer->is_running) {
				answer_name(transfer, &transfer->hosts[i], answer);
				return;
			}
}

static int serve_names(struct http_client *client)
{
	struct name_answer answer;
	int n;

	while ((n = name_service_receive(client->options.names, &answer)) > 0)
		if (answer.id)
			take_answer(client, &answer);
	return n;
}

static void give_up_names(struct http_client *client)
{
	uint64_t now_ns = clock_mono_ns(&clock_system);
	struct http_transfer *transfer = client->transfers;

	while (transfer) {
		if (!transfer->is_running && now_ns > transfer->naming_deadline_ns) {
			finish(transfer, -ETIMEDOUT, 0);
			transfer = client->transfers; /* on_done() may have changed the list */
		} else {
			transfer = transfer->next;
		}
	}
}

/* --- the end of a request ----------------------------------------------------------------------------------------- */

static int error_of(CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return 0;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return -EHOSTUNREACH;
	case CURLE_COULDNT_CONNECT:
		return -ECONNREFUSED;
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_FILESIZE_EXCEEDED:
		return -EFBIG;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
		return -EKEYREJECTED;
	case CURLE_OUT_OF_MEMORY:
		return -ENOMEM;
	case CURLE_URL_MALFORMAT:
		return -EINVAL;
	case CURLE_PARTIAL_FILE:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_GOT_NOTHING:
		return -ECONNRESET;
	default:
		return -EPROTO;
	}
}

static int error_of_status(long status)
{
	if (is_success(status))
		return 0;
	if (status == 404 || status == 410)
		return -ENOENT;
	return status == 401 || status == 403 ? -EACCES : -EREMOTEIO;
}

/* A reply that names another URL: that is asked next. */
static bool is_redirected(const struct http_transfer *transfer, long status, const char **ret_url)
{
	const char *url = NULL;

	if (status < 300 || status >= 400 || status == 304 || transfer->request.body)
		return false;
	transfer->client->curl->easy_getinfo(transfer->easy, CURLINFO_REDIRECT_URL, &url);
	*ret_url = url;
	return url;
}

static int redirect(struct http_transfer *transfer, const char *url)
{
	char *copy;

	if (transfer->redirects++ >= transfer->request.max_redirects)
		return -ELOOP;
	copy = strdup(url); /* it is the handle's */
	if (!copy)
		return -ENOMEM;
	stop_running(transfer);
	free(transfer->url);
	transfer->url = copy;
	transfer->text_len = 0;
	transfer->other_bytes = 0;
	return begin(transfer);
}

static void end_request(struct http_transfer *transfer, CURLcode code)
{
	long status = status_of(transfer);
	const char *url;
	int err;

	if (is_redirected(transfer, status, &url)) {
		err = redirect(transfer, url);
		if (err)
			finish(transfer, err, (unsigned int)status);
		return;
	}
	if (transfer->body_err)
		err = transfer->body_err;
	else if (status && !is_success(status))
		err = error_of_status(status); /* however its body ended */
	else
		err = error_of(code);
	finish(transfer, err, (unsigned int)status);
}

static void take_ended(struct http_client *client)
{
	const struct CURLMsg *message;
	int left;

	while ((message = client->curl->multi_info_read(client->multi, &left))) {
		struct http_transfer *transfer = NULL;
		CURLcode code = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		client->curl->easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
		if (transfer)
			end_request(transfer, code);
	}
}

/* --- the caller's side -------------------------------------------------------------------------------------------- */

int http_client_start(struct http_client *client, const struct http_request *request, struct http_transfer **ret)
{
	struct http_transfer *transfer = calloc(1, sizeof(*transfer));
	int err = -ENOMEM;

	if (!transfer)
		return err;
	transfer->client = client;
	transfer->request = *request;
	transfer->url = strdup(request->url);
	if (transfer->url)
		err = begin(transfer);
	if (err) {
		transfer_free(transfer);
		return err;
	}
	transfer->next = client->transfers;
	client->transfers = transfer;
	*ret = transfer;
	return 0;
}

void http_client_progress(const struct http_client *client, const struct http_transfer *transfer, uint64_t *ret_bytes,
			  uint64_t *ret_total)
{
	curl_off_t total = 0;

	if (transfer->is_running)
		client->curl->easy_getinfo(transfer->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &total);
	*ret_bytes = transfer->body_bytes;
	*ret_total = transfer->body_bytes && total > 0 ? (uint64_t)total : 0;
}

int http_client_wait(struct http_client *client, struct pollfd *others, size_t n, int timeout_ms)
{
	struct curl_waitfd fds[MAX_OTHERS + 1];
	bool is_any_naming = false;
	int running, err;

	if (n > MAX_OTHERS)
		return -E2BIG;
	for (size_t i = 0; i < n; i++)
		fds[i] = (struct curl_waitfd){.fd = others[i].fd,
					      .events = (others[i].events & POLLIN ? CURL_WAIT_POLLIN : 0) |
							(others[i].events & POLLOUT ? CURL_WAIT_POLLOUT : 0)};
	fds[n] = (struct curl_waitfd){.fd = name_service_fd(client->options.names), .events = CURL_WAIT_POLLIN};
	for (const struct http_transfer *transfer = client->transfers; transfer; transfer = transfer->next)
		is_any_naming |= !transfer->is_running;
	if (is_any_naming && timeout_ms > NAMING_TICK_MS)
		timeout_ms = NAMING_TICK_MS;
	if (client->curl->multi_poll(client->multi, fds, (unsigned int)n + 1, timeout_ms, NULL))
		return -ENOMEM;
	/* Hang-ups are told by this one alone. */
	if (n && poll(others, n, 0) < 0 && errno != EINTR)
		return -errno;
	err = serve_names(client);
	if (err)
		return err;
	give_up_names(client);
	if (client->curl->multi_perform(client->multi, &running))
		return -ENOMEM;
	take_ended(client);
	return 0;
}
