/* SPDX-License-Identifier: Apache-2.0 */
#include "net/name_service.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "ipc/channel.h"
#include "ipc/confine.h"

struct name_question {
	uint32_t id;
	char host[NAME_MAX_BYTES];
};

struct name_service {
	int fd;
	pid_t pid;
};

/* --- the process -------------------------------------------------------------------------------------------------- */

static void add_address(const struct addrinfo *info, struct name_answer *answer)
{
	const void *address = NULL;

	if (info->ai_family == AF_INET)
		address = &((const struct sockaddr_in *)(const void *)info->ai_addr)->sin_addr;
	else if (info->ai_family == AF_INET6)
		address = &((const struct sockaddr_in6 *)(const void *)info->ai_addr)->sin6_addr;
	if (address && answer->n < NAME_MAX_ADDRESSES &&
	    inet_ntop(info->ai_family, address, answer->addresses[answer->n], NAME_ADDRESS_BYTES))
		answer->n++;
}

static void look_up(const struct name_question *question, struct name_answer *ret)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
	struct addrinfo *found = NULL;

	*ret = (struct name_answer){.id = question->id};
	if (!getaddrinfo(question->host, NULL, &hints, &found))
		for (const struct addrinfo *info = found; info; info = info->ai_next)
			add_address(info, ret);
	if (found)
		freeaddrinfo(found);
	if (!ret->n)
		ret->err = -EHOSTUNREACH;
}

static void serve(int fd)
{
	struct name_question question;
	struct name_answer answer;

	while (recv(fd, &question, sizeof(question), 0) == sizeof(question)) {
		question.host[NAME_MAX_BYTES - 1] = '\0';
		look_up(&question, &answer);
		if (send(fd, &answer, sizeof(answer), MSG_NOSIGNAL) != sizeof(answer))
			break;
	}
}

/* --- its client --------------------------------------------------------------------------------------------------- */

int name_service_start(struct name_service **ret)
{
	struct name_service *service = calloc(1, sizeof(*service));
	auto_close int ours = -1, theirs = -1;
	int err;

	if (!service)
		return -ENOMEM;
	err = channel_pair(&ours, &theirs);
	if (!err) {
		service->pid = fork();
		err = service->pid < 0 ? -errno : 0;
	}
	if (err) {
		free(service);
		return err;
	}
	if (!service->pid) {
		/* It keeps no channel of the sender's, or nobody would see that one end. */
		if (close_range(STDERR_FILENO + 1, (unsigned int)theirs - 1, 0) ||
		    close_range((unsigned int)theirs + 1, ~0U, 0))
			_exit(1);
		if (confine_name_service())
			_exit(1);
		serve(theirs);
		_exit(0);
	}
	service->fd = take_fd(&ours);
	*ret = service;
	return 0;
}

void name_service_free(struct name_service *service)
{
	if (!service)
		return;
	close(service->fd);
	free(service);
}

int name_service_fd(const struct name_service *service)
{
	return service->fd;
}

int name_service_ask(struct name_service *service, uint32_t id, const char *host)
{
	struct name_question question = {.id = id};
	size_t len = strlen(host);

	if (len >= sizeof(question.host))
		return -ENAMETOOLONG;
	memcpy(question.host, host, len);
	if (send(service->fd, &question, sizeof(question), MSG_DONTWAIT | MSG_NOSIGNAL) != sizeof(question))
		return errno == EAGAIN || errno == ENOBUFS ? -EAGAIN : -EPIPE;
	return 0;
}

/* What the process read came from the network. */
static bool is_address(const char text[NAME_ADDRESS_BYTES])
{
	struct in6_addr address;

	return memchr(text, 0, NAME_ADDRESS_BYTES) &&
	       (inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1);
}

int name_service_receive(struct name_service *service, struct name_answer *ret)
{
	ssize_t got = recv(service->fd, ret, sizeof(*ret), MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got <= 0)
		return -EPIPE;
	if (got != sizeof(*ret) || ret->err > 0 || ret->n > NAME_MAX_ADDRESSES || (!ret->err && !ret->n))
		return -EPIPE; /* none of ours */
	for (uint32_t i = 0; i < ret->n; i++)
		if (!is_address(ret->addresses[i]))
			return -EPIPE;
	return 1;
}
