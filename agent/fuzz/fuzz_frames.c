/* A deterministic fuzzer of everything that reads foreign bytes: valid conversations of several clients, cut, mutated and
 * shuffled; output of programs (titles); a saved state with changed bytes.
 *
 *   fuzz_frames SEED ROUNDS */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PEERS = 4, STEPS = 300 };

static uint64_t seed;

static uint64_t chance(uint64_t below) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % below;
}

static uint64_t some_number(void) {
    static const uint64_t odd[] = {0, 1, 2, 80, 4095, 4096, 4097, 65535, 65536, 1u << 31, UINT32_MAX, UINT64_MAX - 1, UINT64_MAX};
    return chance(2) ? odd[chance(sizeof odd / sizeof *odd)] : chance(200);
}

static uint64_t some_id(void) {
    uint64_t id = some_number();
    for (const struct terminal *t = holder.terminals; t; t = t->next)
        if (chance(3)) id = t->id;
    return id;
}

static void put_frame(struct buffer *out, uint8_t type, struct buffer *payload) {
    uint8_t header[HEADER_BYTES];
    header_write(header, type, (uint32_t)payload->length);
    if (!chance(2000)) header[chance(8)] ^= (uint8_t)(1 + chance(255));
    put_bytes(out, header, sizeof header);
    put_bytes(out, payload->at, payload->length);
    buffer_free(payload);
}

static void put_request(struct buffer *out, const struct client *c) {
    static const char types[] = "OAAIIIIIIIIRCCCCCCLLNKU";
    static uint8_t filler[9000];
    uint8_t type = chance(500) ? (uint8_t)types[chance(sizeof types - 1)] : (uint8_t)chance(256);
    if ((type == 'A' || type == 'O') && c && c->terminal && chance(50)) type = 'I';
    struct buffer p = {0};
    switch (type) {
    case 'O':
        put_uint(&p, chance(4), 8), put_uint(&p, some_number(), 4);
        put_uint(&p, 1 + chance(200), 2), put_uint(&p, 1 + chance(60), 2);
        put_text(&p, filler + 1, 0), put_text(&p, "/tmp", chance(5)), put_text(&p, "cat", chance(4));
        break;
    case 'A':
        put_uint(&p, some_id(), 8), put_uint(&p, chance(3) ? chance(20) : some_number(), 8);
        put_uint(&p, chance(4), 8), put_uint(&p, some_number(), 4);
        put_uint(&p, 1 + chance(200), 2), put_uint(&p, 1 + chance(60), 2), put_uint(&p, chance(3) ? 0 : chance(3), 1);
        break;
    case 'I':
        put_uint(&p, c && chance(200) ? c->received - (c->received ? chance(2) : 0) : some_number(), 8);
        put_bytes(&p, filler, chance(chance(4) ? 100 : sizeof filler));
        break;
    case 'R': put_uint(&p, chance(300), 2), put_uint(&p, 1 + chance(100), 2); break;
    case 'C': put_uint(&p, c && chance(200) ? (c->sent ? c->sent - chance(2) : 0) : some_number(), 8); break;
    case 'N': put_uint(&p, some_id(), 8), put_text(&p, "a name", chance(7)); break;
    case 'K': put_uint(&p, some_id(), 8); break;
    default: put_bytes(&p, filler, chance(5) ? 0 : chance(100));
    }
    if (!chance(2000)) put_uint(&p, some_number(), 1 + (unsigned)chance(8));
    if (!chance(2000) && p.length) p.length = chance(p.length);
    put_frame(out, type, &p);
}

static void greet(struct buffer *out) {
    struct buffer p = {0};
    put_bytes(&p, "nixws-tm", 8), put_uint(&p, 1, 2), put_uint(&p, 1 + chance(3), 2);
    put_frame(out, 'H', &p);
}

static void print_something(void) {
    static const char *const pieces[] = {"\x1b]0;title\x07", "\x1b]2;other\x1b\\", "\x1b]0;", "\x1b", "]", "2", ";", "\x07",
                                         "\x18", "\x1b]52;c;AAAA\x07", "\xc3\xa4", "plain text\r\n", "\x1b[31m"};
    if (!slave_count) return;
    int fd = slaves[chance(slave_count)];
    static char flood[4096];
    for (unsigned i = 0; i < 16; i++) {
        const char *piece = pieces[chance(sizeof pieces / sizeof *pieces)];
        ssize_t count = chance(4) ? write(fd, piece, strlen(piece)) : write(fd, flood, sizeof flood);
        if (count < 0 && chance(2)) count = read(fd, flood, sizeof flood);
    }
}

static void fuzz_state(void) {
    int fd = state_save();
    static uint8_t bytes[1 << 20];
    ssize_t length = pread(fd, bytes, sizeof bytes, 0);
    close(fd);
    if (length <= 0) return;
    for (unsigned i = 0; i < 8; i++) {
        bytes[chance((uint64_t)length)] = (uint8_t)chance(256);
        feed_state(bytes, chance(2) ? (size_t)length : chance((uint64_t)length));
    }
}

struct peer {
    int fd;
    struct client *client;
    struct buffer due;
};

/* The holder frees a dropped client at the end of a turn: look it up again instead of keeping it. */
static struct client *alive(const struct client *client) {
    for (struct client *c = holder.clients; c; c = c->next)
        if (c == client && !c->dead) return c;
    return NULL;
}

static void step(struct peer *peer) {
    static uint8_t bytes[65536];
    struct client *c = alive(peer->client);
    if (!c) {
        if (peer->fd >= 0) close(peer->fd);
        buffer_free(&peer->due);
        peer->fd = connect_client();
        peer->client = c = holder.clients;
        greet(&peer->due);
    }
    for (uint64_t count = chance(6); count; count--) put_request(&peer->due, c);
    if (peer->due.length && c->armed & EPOLLIN) {
        size_t piece = chance(3) ? peer->due.length : 1 + chance(peer->due.length);
        if (piece > sizeof bytes) piece = sizeof bytes;
        memcpy(bytes, peer->due.at, piece);
        buffer_drop_front(&peer->due, piece);
        client_feed(c, bytes, piece);
    }
    if (chance(3))
        while (read(peer->fd, bytes, sizeof bytes) > 0) {}
    if (!chance(60)) shutdown(peer->fd, SHUT_RDWR);
}

static void conversation(void) {
    struct peer peers[PEERS];
    for (unsigned i = 0; i < PEERS; i++) peers[i] = (struct peer){.fd = -1};
    for (unsigned i = 0; i < STEPS; i++) {
        step(&peers[chance(PEERS)]);
        print_something();
        if (!chance(40) && slave_count) close(slaves[--slave_count]);
        if (!chance(40) && holder.terminals) terminal_reaped(holder.terminals, (int)chance(65536));
        if (!chance(50)) {
            holder.now_ms += chance(400000);
            for (struct terminal *t = holder.terminals; t; t = t->next) terminal_tick(t);
        }
        turn();
    }
    fuzz_state();
    for (unsigned i = 0; i < PEERS; i++) {
        if (peers[i].fd >= 0) close(peers[i].fd);
        buffer_free(&peers[i].due);
    }
    start_over();
}

/* Bytes without any sense, as a greeting and as a state. */
static void noise(void) {
    uint8_t bytes[256];
    for (unsigned i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)chance(256);
    int fd = connect_client();
    client_feed(holder.clients, bytes, 1 + chance(sizeof bytes - 1));
    turn();
    close(fd);
    turn();
    feed_state(bytes, 1 + chance(sizeof bytes - 1));
}

int main(int argc, char **argv) {
    seed = 0x9e3779b97f4a7c15u ^ (argc > 1 ? strtoull(argv[1], NULL, 10) : 1);
    uint64_t rounds = argc > 2 ? strtoull(argv[2], NULL, 10) : 200;
    prepare();
    for (uint64_t i = 0; i < rounds; i++) {
        conversation();
        noise();
    }
    printf("%llu rounds\n", (unsigned long long)rounds);
    return 0;
}
