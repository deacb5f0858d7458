/* libuv: one shared read buffer, uv_try_write at once, and a queued write only for what the kernel
 * refused, during which reading stops. Datagrams are received with recvmmsg, as libuv can. */

#include <uv.h>

#include "common.h"

/* libuv cuts the buffer into datagrams of 64 KiB, at most 20 of them. */
static char buffer[20 * BUFFER];

typedef struct {
    uv_tcp_t tcp; /* First, so that the handle is the connection. */
    uv_write_t request;
    char *unsent;
} connection;

static void provide_stream(uv_handle_t *handle, size_t suggested, uv_buf_t *out) {
    (void)handle, (void)suggested;
    *out = uv_buf_init(buffer, BUFFER);
}

static void provide_datagrams(uv_handle_t *handle, size_t suggested, uv_buf_t *out) {
    (void)handle, (void)suggested;
    *out = uv_buf_init(buffer, sizeof buffer);
}

static void closed(uv_handle_t *handle) {
    free(((connection *)handle)->unsent);
    free(handle);
}

static void end(uv_stream_t *stream) {
    if (!uv_is_closing((uv_handle_t *)stream)) uv_close((uv_handle_t *)stream, closed);
}

static void echo(uv_stream_t *stream, ssize_t count, const uv_buf_t *input);

static void written(uv_write_t *request, int status) {
    connection *c = (connection *)request->handle;
    free(c->unsent);
    c->unsent = NULL;
    if (status < 0)
        end(request->handle);
    else
        uv_read_start(request->handle, provide_stream, echo);
}

static void echo(uv_stream_t *stream, ssize_t count, const uv_buf_t *input) {
    if (count == 0) return; /* Nothing yet. */
    if (count < 0) {
        end(stream);
        return;
    }
    uv_buf_t out = uv_buf_init(input->base, (unsigned)count);
    int sent = uv_try_write(stream, &out, 1);
    if (sent == UV_EAGAIN) sent = 0;
    if (sent < 0) {
        end(stream);
    } else if (sent < count) {
        connection *c = (connection *)stream;
        size_t rest = (size_t)(count - sent);
        c->unsent = malloc(rest);
        memcpy(c->unsent, input->base + sent, rest);
        out = uv_buf_init(c->unsent, (unsigned)rest);
        uv_read_stop(stream);
        if (uv_write(&c->request, stream, &out, 1, written) < 0) end(stream);
    }
}

static void accept_one(uv_stream_t *listener, int status) {
    if (status < 0) return;
    connection *c = calloc(1, sizeof *c);
    uv_tcp_init(listener->loop, &c->tcp);
    uv_stream_t *stream = (uv_stream_t *)&c->tcp;
    if (uv_accept(listener, stream) < 0) {
        end(stream);
        return;
    }
    uv_tcp_nodelay(&c->tcp, 1);
    uv_read_start(stream, provide_stream, echo);
}

static void echo_datagram(uv_udp_t *udp, ssize_t count, const uv_buf_t *input,
                          const struct sockaddr *from, unsigned flags) {
    (void)flags;
    if (count < 0 || from == NULL) return; /* The end of a batch, or an error about one peer. */
    uv_buf_t out = uv_buf_init(input->base, (unsigned)count);
    uv_udp_try_send(udp, &out, 1, from);
}

int main(int argc, char **argv) {
    struct sockaddr_in address;
    int udp = arguments(argc, argv, &address), length = sizeof address;
    const struct sockaddr *wanted = (const struct sockaddr *)&address;
    uv_loop_t *loop = uv_default_loop();
    uv_tcp_t listener;
    uv_udp_t socket;
    if (udp) {
        must(uv_udp_init_ex(loop, &socket, AF_INET | UV_UDP_RECVMMSG), "uv_udp_init_ex");
        must(uv_udp_bind(&socket, wanted, 0), "uv_udp_bind");
        must(uv_udp_recv_start(&socket, provide_datagrams, echo_datagram), "uv_udp_recv_start");
        uv_udp_getsockname(&socket, (struct sockaddr *)&address, &length);
    } else {
        must(uv_tcp_init(loop, &listener), "uv_tcp_init");
        must(uv_tcp_bind(&listener, wanted, 0), "uv_tcp_bind");
        must(uv_listen((uv_stream_t *)&listener, BACKLOG, accept_one), "uv_listen");
        uv_tcp_getsockname(&listener, (struct sockaddr *)&address, &length);
    }
    announce(udp, &address);
    return uv_run(loop, UV_RUN_DEFAULT);
}
