/* What the C and C++ peers do before their loops start. */
#ifndef COMMON_H
#define COMMON_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { BUFFER = 64 * 1024, BACKLOG = 4096 };

/* Ends the process when `code` is an error. */
static inline void must(int code, const char *what) {
    if (code < 0) {
        fprintf(stderr, "%s failed: %d\n", what, code);
        exit(1);
    }
}

/* Reads `tcp|udp ADDRESS:PORT` (IPv4) and raises the descriptor limit. Returns whether it is UDP. */
static inline int arguments(int argc, char **argv, struct sockaddr_in *address) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    char host[64];
    int port;
    memset(address, 0, sizeof *address);
    address->sin_family = AF_INET;
    int udp = argc > 1 && strcmp(argv[1], "udp") == 0;
    if (argc < 3 || (!udp && strcmp(argv[1], "tcp") != 0)
        || sscanf(argv[2], "%63[0-9.]:%d", host, &port) != 2
        || inet_pton(AF_INET, host, &address->sin_addr) != 1) {
        fprintf(stderr, "usage: %s tcp|udp ADDRESS:PORT\n", argv[0]);
        exit(2);
    }
    address->sin_port = htons((unsigned short)port);
    return udp;
}

/* Says on standard output where the server can be reached. */
static inline void announce(int udp, const struct sockaddr_in *address) {
    char host[64];
    inet_ntop(AF_INET, &address->sin_addr, host, sizeof host);
    printf("listening on %s://%s:%d\n", udp ? "udp" : "tcp", host, ntohs(address->sin_port));
    fflush(stdout);
}

#endif
