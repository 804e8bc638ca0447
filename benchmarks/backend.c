/*
 * A mail-like server in plain TCP, to be measured behind a front.
 *
 *   backend PORT
 *
 * Each connection begins with a PROXY v2 header, or is closed at once. Then comes a greeting, and every line is answered:
 *
 *   FETCH n    with n bytes
 *   APPEND n   with one line, once the n bytes that follow are in
 *   STALL      with nothing: from then on the connection is not read
 *   LOGOUT     with BYE and the end of the connection; also with a check's tag before it, "a2 LOGOUT"
 *   others     with one line
 *
 * One thread, edge-triggered epoll: each event is served until the kernel has nothing more to give or to take.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 4096
#define EVENTS_PER_WAIT 256
#define BULK_BYTES (256 * 1024)

/* Signature, version and command, family, length: what every PROXY v2 header begins with. */
#define HEADER_START_BYTES 16
static const char SIGNATURE[12] = "\r\n\r\n\0\r\nQUIT\n";

static const char GREETING[] = "* OK ready\r\n";
static const char ANSWER[] = "a OK done\r\n";
static const char GOODBYE[] = "* BYE\r\n";

struct client {
    int fd;
    bool greeted;
    bool stalled;
    bool leaving;
    size_t in_size;
    size_t out_size;
    uint64_t to_send; /* of a FETCH; goes out behind `out` */
    uint64_t to_take; /* of an APPEND */
    char in[2048];    /* what has been read and is no whole line yet */
    char out[512];    /* what is to be said */
};

static char bulk[BULK_BYTES]; /* what FETCH sends */
static char sink[BULK_BYTES]; /* where APPEND's bytes end */

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static bool say(struct client *client, const char *line)
{
    size_t size = strlen(line);
    if (size > sizeof client->out - client->out_size)
        return false;
    memcpy(client->out + client->out_size, line, size);
    client->out_size += size;
    return true;
}

static void forget_input(struct client *client, size_t size)
{
    client->in_size -= size;
    memmove(client->in, client->in + size, client->in_size);
}

/* Takes of an APPEND what is there already. False: the client is to be dropped, as in all functions below. */
static bool take_appended(struct client *client)
{
    size_t size = client->in_size < client->to_take ? client->in_size : client->to_take;
    client->to_take -= size;
    forget_input(client, size);
    return client->to_take > 0 || say(client, ANSWER);
}

static bool take_header(struct client *client)
{
    if (client->in_size < HEADER_START_BYTES)
        return true;
    size_t size = HEADER_START_BYTES + ((uint8_t)client->in[14] << 8 | (uint8_t)client->in[15]);
    if (memcmp(client->in, SIGNATURE, sizeof SIGNATURE) != 0 || size > sizeof client->in)
        return false;
    if (client->in_size < size)
        return true;
    forget_input(client, size);
    client->greeted = true;
    return say(client, GREETING);
}

static bool obey(struct client *client, const char *line)
{
    if (strncmp(line, "FETCH ", 6) == 0) {
        client->to_send = strtoull(line + 6, NULL, 10);
        return true;
    }
    if (strncmp(line, "APPEND ", 7) == 0) {
        client->to_take = strtoull(line + 7, NULL, 10);
        return take_appended(client);
    }
    if (strncmp(line, "STALL", 5) == 0) {
        client->stalled = true;
        return true;
    }
    if (strncmp(line, "LOGOUT", 6) == 0 || strncmp(line, "a2 LOGOUT", 9) == 0) {
        client->leaving = true;
        return say(client, GOODBYE);
    }
    return say(client, ANSWER);
}

static bool digest(struct client *client)
{
    if (client->to_take > 0 && !take_appended(client))
        return false;
    if (!client->greeted && !take_header(client))
        return false;
    while (client->greeted && client->to_take == 0 && !client->stalled) {
        char *end = memchr(client->in, '\n', client->in_size);
        if (end == NULL)
            break;
        char line[sizeof client->in];
        size_t size = end + 1 - client->in;
        memcpy(line, client->in, size - 1);
        line[size - 1] = '\0';
        forget_input(client, size);
        if (!obey(client, line))
            return false;
    }
    return client->in_size < sizeof client->in;
}

static bool flush(struct client *client)
{
    while (client->out_size > 0 || client->to_send > 0) {
        bool is_bulk = client->out_size == 0;
        size_t size = !is_bulk ? client->out_size : client->to_send < BULK_BYTES ? client->to_send : BULK_BYTES;
        ssize_t sent = send(client->fd, is_bulk ? bulk : client->out, size, MSG_NOSIGNAL);
        if (sent < 0)
            return errno == EAGAIN;
        if (is_bulk) {
            client->to_send -= sent;
        } else {
            client->out_size -= sent;
            memmove(client->out, client->out + sent, client->out_size);
        }
    }
    return !client->leaving;
}

/* Bytes of an APPEND beyond the first do not go through the client's own small buffer. */
static ssize_t receive(struct client *client)
{
    if (client->to_take > 0) {
        size_t size = client->to_take < BULK_BYTES ? client->to_take : BULK_BYTES;
        ssize_t count = recv(client->fd, sink, size, 0);
        if (count > 0) {
            client->to_take -= count;
            if (client->to_take == 0 && !say(client, ANSWER))
                return 0;
        }
        return count;
    }
    ssize_t count = recv(client->fd, client->in + client->in_size, sizeof client->in - client->in_size, 0);
    if (count > 0)
        client->in_size += count;
    return count;
}

static bool serve(struct client *client)
{
    for (;;) {
        if (!flush(client))
            return false;
        if (client->stalled)
            return true;
        ssize_t count = receive(client);
        if (count < 0)
            return errno == EAGAIN;
        if (count == 0 || !digest(client))
            return false;
    }
}

static void drop(struct client *client)
{
    close(client->fd);
    free(client);
}

static void accept_all(int epoll, int listener)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct client *client = calloc(1, sizeof *client);
        if (client == NULL)
            fail("memory");
        client->fd = fd;
        struct epoll_event interest = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = client};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &interest) < 0)
            fail("epoll_ctl");
    }
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in where = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&where, sizeof where) < 0 || listen(fd, BACKLOG) < 0)
        fail("listen");
    return fd;
}

static void allow_many_files(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: backend PORT\n");
        return 2;
    }
    allow_many_files();
    memset(bulk, 'x', sizeof bulk);
    int listener = listen_on(atoi(argv[1])), epoll = epoll_create1(0);
    struct epoll_event interest = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS_PER_WAIT];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &interest);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS_PER_WAIT, -1);
        for (int i = 0; i < count; i++) {
            struct client *client = events[i].data.ptr;
            if (client == NULL)
                accept_all(epoll, listener);
            else if (!serve(client))
                drop(client);
        }
    }
}
