/* libevent as its fastest servers use it: no bufferevents, one persistent read event a connection,
 * our own recv and send into one shared buffer. */

#define _GNU_SOURCE
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/listener.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"

static char buffer[BUFFER];

/* While something is unsent the write event is on and the read event is off. */
typedef struct {
    struct event readable, writable;
    char *unsent;
    size_t length, sent;
} connection;

static void end(connection *c, int fd) {
    event_del(&c->readable);
    event_del(&c->writable);
    close(fd);
    free(c->unsent);
    free(c);
}

/* As send(), but a full send buffer is no error: nothing was sent. */
static ssize_t try_send(int fd, const char *bytes, size_t length) {
    ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
    return sent < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : sent;
}

static void on_readable(evutil_socket_t fd, short what, void *context) {
    (void)what;
    connection *c = context;
    ssize_t count = recv(fd, buffer, sizeof buffer, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    ssize_t sent = count <= 0 ? -1 : try_send(fd, buffer, (size_t)count);
    if (sent < 0) {
        end(c, fd);
    } else if (sent < count) {
        c->length = (size_t)(count - sent);
        c->sent = 0;
        c->unsent = malloc(c->length);
        memcpy(c->unsent, buffer + sent, c->length);
        event_del(&c->readable);
        event_add(&c->writable, NULL);
    }
}

static void on_writable(evutil_socket_t fd, short what, void *context) {
    (void)what;
    connection *c = context;
    ssize_t sent = try_send(fd, c->unsent + c->sent, c->length - c->sent);
    if (sent < 0) {
        end(c, fd);
        return;
    }
    c->sent += (size_t)sent;
    if (c->sent < c->length) return;
    free(c->unsent);
    c->unsent = NULL;
    event_del(&c->writable);
    event_add(&c->readable, NULL);
}

static void accepted(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from,
                     int length, void *context) {
    (void)from, (void)length, (void)context;
    struct event_base *base = evconnlistener_get_base(listener);
    connection *c = calloc(1, sizeof *c);
    event_assign(&c->readable, base, fd, EV_READ | EV_PERSIST, on_readable, c);
    event_assign(&c->writable, base, fd, EV_WRITE | EV_PERSIST, on_writable, c);
    event_add(&c->readable, NULL);
}

static void on_datagrams(evutil_socket_t fd, short what, void *context) {
    (void)what, (void)context;
    for (;;) {
        struct sockaddr_storage from;
        socklen_t length = sizeof from;
        ssize_t count =
            recvfrom(fd, buffer, sizeof buffer, 0, (struct sockaddr *)&from, &length);
        if (count < 0) return;
        sendto(fd, buffer, (size_t)count, 0, (struct sockaddr *)&from, length);
    }
}

int main(int argc, char **argv) {
    struct sockaddr_in address;
    int udp = arguments(argc, argv, &address), on = 1;
    socklen_t length = sizeof address;
    struct event_config *config = event_config_new();
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    struct event_base *base = event_base_new_with_config(config);
    int fd = socket(AF_INET, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    must(fd, "socket");
    if (!udp) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* Inherited by what it accepts. */
    }
    must(bind(fd, (struct sockaddr *)&address, length), "bind");
    getsockname(fd, (struct sockaddr *)&address, &length);
    if (udp)
        event_add(event_new(base, fd, EV_READ | EV_PERSIST, on_datagrams, NULL), NULL);
    else if (evconnlistener_new(base, accepted, NULL, LEV_OPT_CLOSE_ON_EXEC, BACKLOG, fd) == NULL)
        must(-1, "listen");
    announce(udp, &address);
    return event_base_dispatch(base);
}
