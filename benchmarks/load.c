/*
 * The clients of a front that is measured: mail-like, over TLS, over TLS after IMAP's STARTTLS, or without TLS.
 *
 *   load [--plain | --starttls] MODE PORT CONNECTIONS AMOUNT
 *
 *   conn     AMOUNT connections, CONNECTIONS at once: handshake, greeting, LOGOUT, close
 *   resume   the same, and each resumes an earlier one's TLS session
 *   paced    AMOUNT connections, CONNECTIONS of them in a second: each begins at its time, whether or not earlier ones
 *            have ended, and its latency counts from that time
 *   paced-resume  the same, and each resumes an earlier one's TLS session
 *   ping     AMOUNT round trips of a line in all, on connections that stay
 *   down     AMOUNT bytes to each connection
 *   up       AMOUNT bytes from each connection
 *   idle     connections that stay and do nothing
 *   stall    AMOUNT bytes are asked for on each connection, and nothing is read
 *   drown    AMOUNT bytes are sent on each connection, to a server that reads nothing
 *
 * Its caller looks at the front before and after, so it goes step by step: when the connections that stay are
 * up (connections that come and go: when one has come and gone) it prints "ready" and waits for a line on standard
 * input; then it does its work, prints the result as a line of JSON, and stays until standard input ends. Status 1,
 * and a line on standard error, when nothing moves any more.
 *
 * One thread, edge-triggered epoll, one state per connection.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SERVER_NAME "mail.example.org"
#define EVENTS_PER_WAIT 256
#define OPENING_AT_ONCE 64
#define PATIENCE_SECONDS 180.0
/* For how long nothing has to move until a stalled transfer counts as full. */
#define STALLED_SECONDS 1.0
#define BUFFER_BYTES (256 * 1024)
#define MAX_LATENCIES 1000000
/* Client addresses, so that none runs out of ports: 127.0.0.2 and the following. */
#define SOURCES 200

enum stage { CONNECTING, GREETED_WITHOUT_TLS, AWAITING_TLS, SHAKING_HANDS, AWAITING_GREETING, WORKING, LEAVING };

/* What an attempt to read or write came to, besides a count of bytes. */
enum { ENDED = 0, AGAIN = -1, BROKEN = -2 };

/* What became of a connection. */
enum outcome { GOES_ON, GOOD, BAD };

struct connection {
    int fd;
    SSL *ssl;
    enum stage stage;
    double since;  /* when what is being timed began */
    uint64_t left; /* bytes still to come or to go */
};

struct mode {
    const char *name;
    bool comes_and_goes; /* connections are the work, and none stays */
    bool is_paced;       /* each connection begins at its time, not when an earlier one has ended */
    bool resumes;
    bool stalls; /* the work is done when nothing moves any more */
    void (*begin)(struct connection *);
    enum outcome (*work)(struct connection *); /* called when something may be possible */
};

static const struct mode *mode;
static bool is_plain, has_starttls;
static uint16_t port;
static uint64_t connections, amount;

static int epoll;
static SSL_CTX *context;
static SSL_SESSION *session; /* the newest one */
static char buffer[BUFFER_BYTES];

static uint64_t opened, working, done, failed, resumed, trips, moved;
static uint64_t to_open;             /* in this phase */
static struct connection **staying; /* those that work, by `working` */
static double *latencies;
static uint64_t latency_count, latency_room;
static double *delays; /* of connections that are paced: from their time until this program began them */
static char negotiated[128];

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static void note_latency(struct connection *connection)
{
    if (latency_count < latency_room)
        latencies[latency_count++] = now() - connection->since;
}

/* Reading and writing, whatever is below. */

static int tls_result(struct connection *connection, int result)
{
    if (result > 0)
        return result;
    int code = SSL_get_error(connection->ssl, result);
    ERR_clear_error();
    if (code == SSL_ERROR_WANT_READ || code == SSL_ERROR_WANT_WRITE)
        return AGAIN;
    return code == SSL_ERROR_ZERO_RETURN ? ENDED : BROKEN;
}

static int plain_result(ssize_t result)
{
    return result >= 0 ? (int)result : errno == EAGAIN ? AGAIN : BROKEN;
}

static int receive(struct connection *connection)
{
    if (connection->ssl == NULL)
        return plain_result(recv(connection->fd, buffer, sizeof buffer, 0));
    return tls_result(connection, SSL_read(connection->ssl, buffer, sizeof buffer));
}

static int transmit(struct connection *connection, const char *data, int size)
{
    if (connection->ssl == NULL)
        return plain_result(send(connection->fd, data, size, MSG_NOSIGNAL));
    return tls_result(connection, SSL_write(connection->ssl, data, size));
}

/* A line always fits: nothing else is on its way when it is said. */
static void say(struct connection *connection, const char *line)
{
    transmit(connection, line, (int)strlen(line));
}

static void say_with_amount(struct connection *connection, const char *verb)
{
    char line[64];
    snprintf(line, sizeof line, "%s %llu\r\n", verb, (unsigned long long)amount);
    say(connection, line);
}

/* The life of a connection. */

static void open_connection(double since)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        fail("memory");
    int on = 1, fd = connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0)
        fail("socket");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct sockaddr_in source = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + opened % SOURCES)};
    struct sockaddr_in front = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(fd, (struct sockaddr *)&source, sizeof source) < 0)
        fail("bind");
    connection->since = since;
    if (connect(fd, (struct sockaddr *)&front, sizeof front) < 0 && errno != EINPROGRESS)
        fail("connect");
    struct epoll_event interest = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = connection};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &interest) < 0)
        fail("epoll_ctl");
    opened++;
}

static void close_connection(struct connection *connection, bool is_good)
{
    if (connection->ssl != NULL) {
        if (is_good)
            SSL_shutdown(connection->ssl);
        ERR_clear_error();
        SSL_free(connection->ssl);
    }
    close(connection->fd);
    free(connection);
    if (is_good)
        done++;
    else
        failed++;
    if (mode->comes_and_goes && !mode->is_paced && opened < to_open)
        open_connection(now());
}

static bool has_connected(struct connection *connection, uint32_t events)
{
    int code = 0;
    socklen_t size = sizeof code;
    getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &code, &size);
    return code == 0 && (events & EPOLLOUT);
}

static void begin_tls(struct connection *connection)
{
    connection->ssl = SSL_new(context);
    SSL_set_fd(connection->ssl, connection->fd);
    SSL_set_tlsext_host_name(connection->ssl, SERVER_NAME);
    if (mode->resumes && session != NULL)
        SSL_set_session(connection->ssl, session);
}

static void note_handshake(SSL *ssl)
{
    if (SSL_session_reused(ssl))
        resumed++;
    if (negotiated[0] == '\0') {
        const char *group = OBJ_nid2sn(SSL_get_negotiated_group(ssl));
        snprintf(negotiated, sizeof negotiated, "%s %s %s", SSL_get_version(ssl), SSL_get_cipher_name(ssl), group);
    }
}

static enum outcome without_bytes(int result)
{
    return result == AGAIN ? GOES_ON : BAD;
}

/* Goes on with a connection as far as it can. */
static enum outcome advance(struct connection *connection, uint32_t events)
{
    int result;
    for (;;) {
        switch (connection->stage) {
        case CONNECTING:
            if (!has_connected(connection, events))
                return events & (EPOLLERR | EPOLLHUP) ? BAD : GOES_ON;
            if (has_starttls) {
                connection->stage = GREETED_WITHOUT_TLS;
                break;
            }
            if (!is_plain)
                begin_tls(connection);
            connection->stage = is_plain ? AWAITING_GREETING : SHAKING_HANDS;
            break;
        case GREETED_WITHOUT_TLS:
            result = receive(connection);
            if (result <= 0)
                return without_bytes(result);
            say(connection, "a STARTTLS\r\n");
            connection->stage = AWAITING_TLS;
            break;
        case AWAITING_TLS:
            result = receive(connection);
            if (result <= 0)
                return without_bytes(result);
            begin_tls(connection);
            connection->stage = SHAKING_HANDS;
            break;
        case SHAKING_HANDS:
            result = tls_result(connection, SSL_connect(connection->ssl));
            if (result <= 0)
                return without_bytes(result);
            note_handshake(connection->ssl);
            if (has_starttls)
                say(connection, "a NOOP\r\n"); /* the greeting was before, so something else has to be answered */
            connection->stage = AWAITING_GREETING;
            break;
        case AWAITING_GREETING:
            result = receive(connection);
            if (result <= 0)
                return without_bytes(result);
            if (!mode->comes_and_goes) {
                staying[working++] = connection;
                connection->stage = WORKING;
                return GOES_ON;
            }
            note_latency(connection);
            say(connection, "LOGOUT\r\n");
            connection->stage = LEAVING;
            break;
        case WORKING:
            return mode->work(connection);
        case LEAVING:
            result = receive(connection);
            if (result == ENDED)
                return GOOD;
            if (result < 0)
                return without_bytes(result);
            break;
        }
    }
}

static void step(struct connection *connection, uint32_t events)
{
    enum outcome outcome = advance(connection, events);
    if (outcome != GOES_ON)
        close_connection(connection, outcome == GOOD);
}

/* False when nothing happens in this time. */
static bool run_once(double seconds)
{
    struct epoll_event events[EVENTS_PER_WAIT];
    struct timespec wait = {.tv_sec = (time_t)seconds, .tv_nsec = (seconds - (time_t)seconds) * 1e9};
    int count = epoll_pwait2(epoll, events, EVENTS_PER_WAIT, &wait, NULL);
    for (int i = 0; i < count; i++)
        step(events[i].data.ptr, events[i].events);
    return count > 0;
}

static void run_or_give_up(void)
{
    if (!run_once(PATIENCE_SECONDS)) {
        fprintf(stderr, "load: nothing moves any more: %llu opened, %llu working, %llu done, %llu failed\n",
                (unsigned long long)opened, (unsigned long long)working, (unsigned long long)done,
                (unsigned long long)failed);
        exit(1);
    }
}

/* The modes. */

static void begin_trip(struct connection *connection)
{
    connection->since = now();
    say(connection, "a NOOP\r\n");
}

static enum outcome work_trips(struct connection *connection)
{
    int count;
    while ((count = receive(connection)) > 0) {
        note_latency(connection);
        if (++trips >= amount)
            return GOOD;
        begin_trip(connection);
    }
    return without_bytes(count);
}

static void begin_fetch(struct connection *connection)
{
    connection->left = amount;
    say_with_amount(connection, "FETCH");
}

static enum outcome work_down(struct connection *connection)
{
    int count;
    while ((count = receive(connection)) > 0) {
        moved += count;
        connection->left -= count;
        if (connection->left == 0)
            return GOOD;
    }
    return without_bytes(count);
}

static void begin_append(struct connection *connection)
{
    connection->left = amount;
    say_with_amount(connection, "APPEND");
}

static void begin_drowning(struct connection *connection)
{
    connection->left = amount;
    say(connection, "STALL\r\n");
}

static enum outcome work_up(struct connection *connection)
{
    while (connection->left > 0) {
        int size = connection->left < sizeof buffer ? (int)connection->left : (int)sizeof buffer;
        int count = transmit(connection, buffer, size);
        if (count <= 0)
            return without_bytes(count);
        moved += count;
        connection->left -= count;
    }
    int count = receive(connection);
    return count > 0 ? GOOD : without_bytes(count);
}

static void begin_nothing(struct connection *connection)
{
    (void)connection;
}

static enum outcome work_nothing(struct connection *connection)
{
    (void)connection;
    return GOES_ON;
}

static const struct mode MODES[] = {
    {.name = "conn", .comes_and_goes = true},
    {.name = "resume", .comes_and_goes = true, .resumes = true},
    {.name = "paced", .comes_and_goes = true, .is_paced = true},
    {.name = "paced-resume", .comes_and_goes = true, .is_paced = true, .resumes = true},
    {.name = "ping", .begin = begin_trip, .work = work_trips},
    {.name = "down", .begin = begin_fetch, .work = work_down},
    {.name = "up", .begin = begin_append, .work = work_up},
    {.name = "idle", .stalls = true, .begin = begin_nothing, .work = work_nothing},
    {.name = "stall", .stalls = true, .begin = begin_fetch, .work = work_nothing},
    {.name = "drown", .stalls = true, .begin = begin_drowning, .work = work_up},
};

static const struct mode *find_mode(const char *name)
{
    for (size_t i = 0; i < sizeof MODES / sizeof *MODES; i++)
        if (strcmp(MODES[i].name, name) == 0)
            return &MODES[i];
    return NULL;
}

/* One connection, for the session that the others resume, and to find the front warm. */
static void come_and_go_once(void)
{
    to_open = 1;
    open_connection(now());
    while (done + failed < 1)
        run_or_give_up();
}

static void open_all(void)
{
    while (working < connections && failed == 0) {
        while (opened < connections && opened - working < OPENING_AT_ONCE)
            open_connection(now());
        run_or_give_up();
    }
}

static void forget_results(void)
{
    opened = done = failed = resumed = latency_count = 0;
}

static void work_paced(void)
{
    double start = now(), wait;
    while (done + failed < amount) {
        for (; opened < amount; open_connection(start + (double)opened / connections)) {
            double delay = now() - (start + (double)opened / connections);
            if (delay < 0)
                break;
            delays[opened] = delay;
        }
        if (opened == amount) {
            run_or_give_up();
        } else {
            wait = start + (double)opened / connections - now();
            run_once(wait > 0 ? wait : 0);
        }
    }
}

static void work(void)
{
    if (mode->is_paced) {
        work_paced();
        return;
    }
    if (mode->comes_and_goes) {
        to_open = amount;
        while (opened < connections && opened < to_open)
            open_connection(now());
        while (done + failed < to_open)
            run_or_give_up();
        return;
    }
    for (uint64_t i = 0; i < working; i++) {
        mode->begin(staying[i]);
        step(staying[i], 0);
    }
    if (mode->stalls) {
        while (run_once(STALLED_SECONDS))
            continue;
    } else {
        /* A round trip that is under way when the last one is due ends its connection, too. */
        while (done + failed < working)
            run_or_give_up();
    }
}

static int by_size(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;
    return a < b ? -1 : a > b;
}

static double percentile(double *seconds, uint64_t count, double share)
{
    qsort(seconds, count, sizeof *seconds, by_size);
    return count > 0 ? seconds[(uint64_t)((count - 1) * share)] : 0;
}

static double mean(const double *seconds, uint64_t count)
{
    double sum = 0;
    for (uint64_t i = 0; i < count; i++)
        sum += seconds[i];
    return count > 0 ? sum / count : 0;
}

static void print_result(double seconds)
{
    printf("{\"done\": %llu, \"failed\": %llu, \"resumed\": %llu, \"trips\": %llu, \"bytes\": %llu, \"seconds\": %.6f, "
           "\"mean\": %.6f, \"p50\": %.6f, \"p99\": %.6f, \"delay_p99\": %.6f, \"negotiated\": \"%s\"}\n",
           (unsigned long long)done, (unsigned long long)failed, (unsigned long long)resumed, (unsigned long long)trips,
           (unsigned long long)moved, seconds, mean(latencies, latency_count), percentile(latencies, latency_count, 0.5),
           percentile(latencies, latency_count, 0.99), percentile(delays, mode->is_paced ? opened : 0, 0.99),
           negotiated);
    fflush(stdout);
}

static void await_line(void)
{
    int byte;
    do
        byte = getchar();
    while (byte != '\n' && byte != EOF);
}

static int keep_session(SSL *ssl, SSL_SESSION *newest)
{
    (void)ssl;
    SSL_SESSION_free(session);
    session = newest;
    return 1; /* ours now */
}

static void make_context(void)
{
    context = SSL_CTX_new(TLS_client_method());
    if (context == NULL) {
        fprintf(stderr, "load: OpenSSL gives no context\n");
        exit(1);
    }
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    if (mode->resumes) {
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(context, keep_session);
    }
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
    is_plain = argc > 1 && strcmp(argv[1], "--plain") == 0;
    has_starttls = argc > 1 && strcmp(argv[1], "--starttls") == 0;
    int options = is_plain || has_starttls;
    char **arguments = argv + 1 + options;
    mode = argc == 5 + options ? find_mode(arguments[0]) : NULL;
    if (mode == NULL) {
        fprintf(stderr, "usage: load [--plain | --starttls] MODE PORT CONNECTIONS AMOUNT\n");
        return 2;
    }
    port = strtoull(arguments[1], NULL, 10);
    connections = strtoull(arguments[2], NULL, 10);
    amount = strtoull(arguments[3], NULL, 10);
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
    prctl(PR_SET_TIMERSLACK, 1UL); /* the kernel wakes others 50 µs late */
    allow_many_files();
    make_context();
    epoll = epoll_create1(0);
    latency_room = amount < MAX_LATENCIES ? amount + connections : MAX_LATENCIES;
    latencies = malloc(latency_room * sizeof *latencies);
    staying = calloc(connections, sizeof *staying);
    delays = calloc(mode->is_paced ? amount : 1, sizeof *delays);
    if (latencies == NULL || staying == NULL || delays == NULL)
        fail("memory");

    if (mode->comes_and_goes)
        come_and_go_once();
    else
        open_all();
    if (failed > 0) {
        fprintf(stderr, "load: connections fail\n");
        return 1;
    }
    forget_results();
    printf("ready\n");
    fflush(stdout);
    await_line();

    double start = now();
    work();
    print_result(now() - start);
    await_line();
    return 0;
}
