/* What the fuzzers and the clockwork share: the holder's own loop over bare PTYs, and everything that must hold after
 * each of its turns. */
#include "world.h"

#include <fcntl.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

enum { NOBODY = 0x7ffffff0 /* above every process id */ };

int slaves[TERMINALS_MAX];
unsigned slave_count;

int spawn(const struct start *start, pid_t *pid) {
    struct winsize size = {.ws_col = start->cols, .ws_row = start->rows};
    int master, slave;
    if (slave_count == TERMINALS_MAX || openpty(&master, &slave, NULL, NULL, &size)) return -24;
    struct termios modes;
    tcgetattr(slave, &modes);
    cfmakeraw(&modes);
    tcsetattr(slave, TCSANOW, &modes);
    fcntl(master, F_SETFL, O_NONBLOCK);
    fcntl(slave, F_SETFL, O_NONBLOCK);
    slaves[slave_count++] = slave;
    *pid = NOBODY;
    return master;
}

void check(bool holds, const char *what) {
    if (holds) return;
    fprintf(stderr, "broken: %s\n", what);
    abort();
}

/* Nobody would send later what a client has room for, except what a stream gathers. */
static bool is_stuck(const struct client *c) {
    const struct terminal *t = c->terminal;
    if (!t || c->dead || c->closing || c->out.length) return false;
    return c->sent < t->ring.end && c->sent < c->acked + c->credit && !t->gathering_us;
}

static void check_state(void) {
    uint64_t kept = 0;
    unsigned terminals = 0, clients = 0;
    for (const struct terminal *t = holder.terminals; t; t = t->next, terminals++) {
        kept += t->ring.end - t->ring.start;
        check(t->ring.start <= t->ring.end && t->ring.end - t->ring.start <= holder.ring_bytes, "ring bounds");
        check(!t->gathering_us || holder.now_us - t->gathering_us < GATHER_US, "what is gathered is not old");
        check(t->input.length <= (size_t)CLIENTS_MAX * INPUT_WINDOW, "input bounds");
    }
    for (const struct client *c = holder.clients; c; c = c->next, clients++) {
        check(c->out.length < UNREAD_MAX + holder.terminal_count * 24576u + DATA_MAX, "unsent bytes of a client");
        check(c->in.length <= PAYLOAD_MAX + HEADER_BYTES + 65536, "half a frame of a client");
        check(!c->terminal || (c->acked <= c->sent && c->sent <= c->terminal->ring.end), "offsets of a client");
        check(!is_stuck(c), "output on its way");
    }
    check(kept == holder.kept, "sum of kept bytes");
    check(terminals == holder.terminal_count && clients == holder.client_count, "counts");
}

void start_over(void) {
    for (struct client *c = holder.clients; c; c = c->next) client_drop(c);
    for (struct terminal *t = holder.terminals; t; t = t->next) t->removed = true;
    holder.sweep_due = true;
    sweep();
    while (slave_count) close(slaves[--slave_count]);
    check(holder.kept == 0 && !holder.terminals && !holder.clients, "nothing is left");
}

void turn(void) {
    struct epoll_event events[64];
    int count = epoll_wait(holder.epoll, events, 64, 0);
    holder.now_ms += 7;
    holder.now_us += PASSING_US;
    for (int i = 0; i < count; i++) {
        if (*(enum kind *)events[i].data.ptr == KIND_CLIENT) {
            client_event(events[i].data.ptr, events[i].events);
        } else {
            struct terminal *t = events[i].data.ptr;
            if (t->fd >= 0 && events[i].events & (EPOLLHUP | EPOLLERR)) terminal_hung_up(t);
            else if (t->fd >= 0 && events[i].events & EPOLLIN) terminal_readable(t);
            if (t->fd >= 0 && events[i].events & EPOLLOUT) terminal_writable(t);
        }
    }
    for (struct terminal *t = holder.terminals; t; t = t->next) terminal_send_gathered(t);
    terminals_look();
    sweep();
    holder.upgrade_due = false;
    check_state();
}

void prepare(void) {
    if (holder.epoll) return;
    holder.epoll = epoll_create1(EPOLL_CLOEXEC);
    holder.shell = "/bin/sh";
    holder.ring_bytes = 4 * 65536;
    holder.memory_bytes = 5 * 65536;
}

/* Reads `bytes` as the state that an upgraded holder takes over. */
void feed_state(const uint8_t *bytes, size_t size) {
    int fd = memfd_create("state", MFD_CLOEXEC);
    if (write(fd, bytes, size) < 0) abort();
    struct holder before = holder;
    state_load(fd, false);
    holder = before;
    close(fd);
}

/* Returns a client's end of a new connection; the holder's end takes little at a time. */
int connect_client(void) {
    int ends[2], small = 4096;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends)) abort();
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    client_accept(ends[0]);
    return ends[1];
}
