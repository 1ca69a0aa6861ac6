/* A coverage-guided fuzzer (libFuzzer) of everything that reads foreign bytes.
 *
 * An input is a list of steps: a byte that says what happens (three bits) and to whom (two bits, and three more for the
 * kind), a byte for the length, and so many bytes. Frames can be wrapped here, so that changing a payload's length does
 * not end the conversation, or be left to the input entirely. */
#include "world.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PEERS = 4, LONG = 37 /* the factor of a long step: 255 of it are a 9 KiB piece */ };
enum step { RAW, FRAME, GREET, PRINT, READ, EVENT, STATE, LONG_FRAME };

struct peer {
    int fd;
    const struct client *client;
};
static struct peer peers[PEERS];

static struct client *alive(const struct client *client) {
    for (struct client *c = holder.clients; c; c = c->next)
        if (c == client && !c->dead) return c;
    return NULL;
}

static struct client *client_of(struct peer *peer) {
    struct client *c = alive(peer->client);
    if (c) return c;
    if (peer->fd >= 0) close(peer->fd);
    peer->fd = connect_client();
    peer->client = c = holder.clients;
    return c;
}

/* As the loop does it: a client that has too much unsent is not read from. */
static void feed(struct peer *peer, const uint8_t *bytes, size_t length) {
    struct client *c = client_of(peer);
    if (c->armed & EPOLLIN) client_feed(c, bytes, length);
}

/* Ids are random: a small number stands for the terminal with that place in the list. */
static void name_terminal(uint8_t *payload, size_t length) {
    uint64_t number;
    if (length < sizeof number) return;
    memcpy(&number, payload, sizeof number);
    if (number >= 16) return;
    for (const struct terminal *t = holder.terminals; t; t = t->next)
        if (!number--) memcpy(payload, &t->id, sizeof t->id);
}

static void feed_frame(struct peer *peer, uint8_t type, const uint8_t *bytes, size_t length) {
    static uint8_t frame[HEADER_BYTES + 256 * LONG];
    header_write(frame, type, (uint32_t)length);
    memcpy(frame + HEADER_BYTES, bytes, length);
    if (type == 'A' || type == 'N' || type == 'K') name_terminal(frame + HEADER_BYTES, length);
    feed(peer, frame, HEADER_BYTES + length);
}

static void feed_long_frame(struct peer *peer, uint8_t type, const uint8_t *bytes, size_t length) {
    static uint8_t filled[256 * LONG];
    memset(filled, 'x', sizeof filled);
    memcpy(filled, bytes, length);
    feed_frame(peer, type, filled, length * LONG);
}

static void greet(struct peer *peer) {
    static const uint8_t greeting[] = {'n', 'i', 'x', 'w', 's', '-', 't', 'm', 1, 0, 1, 0};
    feed_frame(peer, 'H', greeting, sizeof greeting);
}

static void read_all(struct peer *peer) {
    static uint8_t bytes[65536];
    if (peer->fd < 0) return;
    while (read(peer->fd, bytes, sizeof bytes) > 0) {}
}

static void happen(unsigned what, struct peer *peer) {
    switch (what) {
    case 0:
        if (peer->fd >= 0) shutdown(peer->fd, SHUT_RDWR);
        break;
    case 1:
        if (slave_count) close(slaves[--slave_count]);
        break;
    case 2:
        if (holder.terminals) terminal_reaped(holder.terminals, 7 << 8);
        break;
    case 3:
        holder.now_ms += CLOSE_GRACE_MS;
        break;
    case 4:
        holder.now_ms += LINGER_MS;
        break;
    default:
        for (struct terminal *t = holder.terminals; t; t = t->next) terminal_tick(t);
    }
}

static void print(unsigned where, const uint8_t *bytes, size_t length) {
    if (!slave_count) return;
    for (unsigned i = 0; i < 8; i++)
        if (write(slaves[where % slave_count], bytes, length) < 0) break;
}

static void take_step(uint8_t what, const uint8_t *bytes, size_t length) {
    struct peer *peer = &peers[what >> 3 & 3];
    switch ((enum step)(what & 7)) {
    case RAW: feed(peer, bytes, length); break;
    case FRAME:
        if (length) feed_frame(peer, bytes[0], bytes + 1, length - 1);
        break;
    case LONG_FRAME:
        if (length) feed_long_frame(peer, bytes[0], bytes + 1, length - 1);
        break;
    case GREET: greet(peer); break;
    case PRINT: print(what >> 3, bytes, length); break;
    case READ: read_all(peer); break;
    case EVENT: happen(what >> 5, peer); break;
    case STATE: feed_state(bytes, length); break;
    }
    turn();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    prepare();
    for (unsigned i = 0; i < PEERS; i++) peers[i] = (struct peer){.fd = -1};
    while (size >= 2) {
        size_t length = data[1] < size - 2 ? data[1] : size - 2;
        take_step(data[0], data + 2, length);
        data += 2 + length;
        size -= 2 + length;
    }
    for (unsigned i = 0; i < PEERS; i++)
        if (peers[i].fd >= 0) close(peers[i].fd);
    turn();
    start_over();
    return 0;
}
