// asio without its locks: reads are asynchronous into a buffer of the session's own (a read may
// complete before its handler runs, so it can't be shared); answers are written at once, and only
// the rest that the kernel refused is written asynchronously.

#define ASIO_DISABLE_THREADS
#include <array>
#include <asio.hpp>
#include <memory>

#include "common.h"

using asio::ip::tcp;
using asio::ip::udp;
using error_code = std::error_code;

class session : public std::enable_shared_from_this<session> {
public:
    explicit session(tcp::socket socket) : socket_(std::move(socket)) {}

    void read() {
        socket_.async_read_some(asio::buffer(buffer_),
                                [self = shared_from_this()](error_code error, std::size_t count) {
                                    if (!error) self->write(count);
                                });
    }

private:
    void write(std::size_t count) {
        error_code error;
        std::size_t sent = socket_.write_some(asio::buffer(buffer_.data(), count), error);
        if (error && error != asio::error::would_block) return;
        if (sent == count) return read();
        asio::async_write(socket_, asio::buffer(buffer_.data() + sent, count - sent),
                          [self = shared_from_this()](error_code failed, std::size_t) {
                              if (!failed) self->read();
                          });
    }

    tcp::socket socket_;
    std::array<char, BUFFER> buffer_;
};

static void accept(tcp::acceptor &acceptor) {
    acceptor.async_accept([&acceptor](error_code error, tcp::socket socket) {
        if (!error) {
            socket.non_blocking(true);
            // Not make_shared: that would write zeroes over the whole buffer.
            std::shared_ptr<session>(new session(std::move(socket)))->read();
        }
        accept(acceptor);
    });
}

static char buffer[BUFFER];
static udp::endpoint sender;

static void receive(udp::socket &socket) {
    socket.async_receive_from(asio::buffer(buffer), sender,
                              [&socket](error_code error, std::size_t count) {
                                  error_code ignored;
                                  if (!error)
                                      socket.send_to(asio::buffer(buffer, count), sender, 0, ignored);
                                  receive(socket);
                              });
}

int main(int argc, char **argv) {
    sockaddr_in wanted;
    bool datagrams = arguments(argc, argv, &wanted);
    asio::ip::address_v4 host(ntohl(wanted.sin_addr.s_addr));
    asio::io_context context(ASIO_CONCURRENCY_HINT_UNSAFE);
    std::unique_ptr<udp::socket> socket;
    std::unique_ptr<tcp::acceptor> acceptor;
    if (datagrams) {
        socket = std::make_unique<udp::socket>(context, udp::endpoint(host, ntohs(wanted.sin_port)));
        socket->non_blocking(true);
        wanted.sin_port = htons(socket->local_endpoint().port());
        receive(*socket);
    } else {
        acceptor = std::make_unique<tcp::acceptor>(context);
        tcp::endpoint endpoint(host, ntohs(wanted.sin_port));
        acceptor->open(endpoint.protocol());
        acceptor->set_option(tcp::acceptor::reuse_address(true));
        acceptor->set_option(tcp::no_delay(true)); // Inherited by what it accepts.
        acceptor->bind(endpoint);
        acceptor->listen(BACKLOG);
        wanted.sin_port = htons(acceptor->local_endpoint().port());
        accept(*acceptor);
    }
    announce(datagrams, &wanted);
    context.run();
}
