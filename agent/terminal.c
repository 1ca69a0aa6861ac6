/* A terminal: a PTY and the program on it; its last output goes into its ring. */
#include "holder.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* ---- life ---- */

struct terminal *terminal_find(uint64_t id) {
    for (struct terminal *t = holder.terminals; t; t = t->next)
        if (t->id == id && !t->removed) return t;
    return NULL;
}

/* Returns NULL with a positive errno in *error; 0 there means that there are too many. */
struct terminal *terminal_open(const struct start *start, struct text name, int *error) {
    *error = 0;
    if (holder.terminal_count >= TERMINALS_MAX) return NULL;
    struct terminal *t = calloc(1, sizeof *t);
    char *command = strdup(start->command);
    *error = ENOMEM;
    if (!t || !command) goto failed;
    t->kind = KIND_TERMINAL;
    t->ring.fd = -1;
    t->command = command;
    struct start own = *start;
    do {
        if (getrandom(&own.id, sizeof own.id, 0) != sizeof own.id) goto failed;
    } while (own.id == 0 || terminal_find(own.id));
    t->id = own.id;
    t->cols = start->cols;
    t->rows = start->rows;
    memcpy(t->name, name.at, name.length);
    if (!ring_map(&t->ring)) goto failed;
    t->fd = spawn(&own, &t->pid);
    if (t->fd < 0) {
        *error = -t->fd;
        goto failed;
    }
    t->created_ms = t->active_ms = holder.clock_ms;
    t->next = holder.terminals;
    holder.terminals = t;
    holder.terminal_count++;
    return t;
failed:
    free(command);
    if (t && t->ring.map) munmap(t->ring.map, holder.ring_bytes);
    if (t && t->ring.fd >= 0) close(t->ring.fd);
    free(t);
    return NULL;
}

static void remove_terminal(struct terminal *t) {
    if (t->removed) return;
    t->removed = holder.sweep_due = true;
    for (struct client *c = t->clients; c; c = c->next_attached)
        if (!c->dead && !c->closing && !c->exit_sent) client_error(c, ERROR_NO_TERMINAL, "The terminal was closed.");
}

/* All output has been read and the program is gone. The ring stays for a while, for those who come back late. */
static void finish(struct terminal *t) {
    if (t->fd < 0) return;
    watch(t->fd, &t->armed, 0, t);
    close(t->fd);
    t->fd = -1;
    t->ended_at = t->closed && holder.now_ms > LINGER_MS ? holder.now_ms - LINGER_MS : holder.now_ms;
    buffer_free(&t->input);
    struct terminal *oldest = NULL;
    unsigned lingering = 0;
    for (struct terminal *other = holder.terminals; other; other = other->next)
        if (other->ended_at && !other->removed) {
            lingering++;
            if (!oldest || other->ended_at < oldest->ended_at) oldest = other;
        }
    if (lingering > LINGERING_MAX) remove_terminal(oldest);
}

/* Bytes that may be read from the PTY now: what the fastest client has room for. Nobody attached, or only watchers:
 * the program is never held up. */
static size_t room(const struct terminal *t) {
    uint64_t best = 0;
    bool writer = false;
    for (const struct client *c = t->clients; c; c = c->next_attached) {
        if (c->dead || c->closing || c->readonly) continue;
        writer = true;
        uint64_t behind = t->ring.end - c->acked;
        if (behind < c->credit && c->credit - behind > best) best = c->credit - behind;
    }
    return !writer || t->closed || best > TURN_BYTES ? TURN_BYTES : (size_t)best;
}

static void pump_clients(struct terminal *t) {
    for (struct client *c = t->clients; c; c = c->next_attached)
        if (!c->dead) client_pump(c);
}

/* Reads until the clients are full, the PTY is empty or the others have their turn. After the program's end there is
 * little left, and no event need announce it: all of it is read. */
static void read_output(struct terminal *t) {
    size_t total = 0, may;
    while (t->fd >= 0 && (total < TURN_BYTES || !t->pid) && (may = room(t)) > 0) {
        struct iovec span[2];
        ssize_t count = readv(t->fd, span, ring_span(&t->ring, t->ring.end, may, span));
        if (count > 0) {
            size_t first = (size_t)count < span[0].iov_len ? (size_t)count : span[0].iov_len;
            title_scan(t, span[0].iov_base, first);
            if ((size_t)count > first) title_scan(t, span[1].iov_base, (size_t)count - first);
            ring_advance(&t->ring, (size_t)count);
            t->active_ms = holder.clock_ms;
            total += (size_t)count;
            if (count < 1024 && t->pid) return; /* it is drained: spare the call that would say so */
        } else if (count < 0 && errno == EINTR) {
            continue;
        } else if (!t->pid) {
            finish(t);
        } else if (count == 0 || errno != EAGAIN) {
            t->hung = true;
            return;
        } else {
            return;
        }
    }
}

/* True if what came may wait for more. A flood of short lines comes in some ten thousand pieces a second: to wake every
 * client for each of them would take the processor from the program that prints. */
static bool gather(struct terminal *t, size_t came) {
    if (holder.now_us - t->read_us >= STREAM_US) t->streamed = 0;
    t->read_us = holder.now_us;
    t->streamed += came;
    if (t->streamed <= STREAM_BYTES || !t->pid || t->hung || room(t) == 0) return false;
    if (!t->gathering_us) t->gathering_us = holder.now_us;
    t->gathered += came;
    return t->gathered < GATHER_BYTES && holder.now_us - t->gathering_us < GATHER_US;
}

static void send_output(struct terminal *t) {
    t->gathering_us = 0;
    t->gathered = 0;
    pump_clients(t);
    terminal_update(t);
}

void terminal_readable(struct terminal *t) {
    uint64_t before = t->ring.end;
    read_output(t);
    terminal_look_within(t, LOOK_SOON_US);
    if (gather(t, t->ring.end - before))
        holder.gathering = true;
    else
        send_output(t);
}

/* Called every turn of the loop while something is gathered. */
void terminal_send_gathered(struct terminal *t) {
    if (!t->gathering_us) return;
    if (holder.now_us - t->gathering_us < GATHER_US)
        holder.gathering = true;
    else
        send_output(t);
}

/* Brings the epoll interest, and after the program's end the reading of the rest, in line with the clients' credit. */
void terminal_update(struct terminal *t) {
    if (t->fd >= 0 && !t->pid && room(t) > 0) {
        read_output(t);
        pump_clients(t);
    }
    if (t->fd < 0) return;
    bool may_read = room(t) > 0 && !t->hung;
    watch(t->fd, &t->armed, (may_read ? EPOLLIN : 0) | (t->input.length && !t->hung ? EPOLLOUT : 0), t);
}

static void write_input(struct terminal *t) {
    ssize_t count = write(t->fd, t->input.at, t->input.length);
    if (count > 0)
        buffer_drop_front(&t->input, (size_t)count);
    else if (count < 0 && errno != EAGAIN && errno != EINTR)
        buffer_free(&t->input); /* nobody will ever read it */
    if (t->input.length) return;
    for (struct client *c = t->clients; c; c = c->next_attached)
        if (!c->dead) client_grant(c);
}

/* Nobody has the slave open. */
void terminal_hung_up(struct terminal *t) {
    buffer_free(&t->input);
    terminal_readable(t);
}

void terminal_writable(struct terminal *t) {
    if (t->input.length) write_input(t);
    terminal_update(t);
}

void terminal_input(struct terminal *t, const uint8_t *bytes, size_t length) {
    if (t->fd < 0) return;
    t->active_ms = holder.clock_ms;
    ssize_t count = t->input.length ? 0 : write(t->fd, bytes, length);
    if (count < 0) {
        if (errno != EAGAIN && errno != EINTR) return;
        count = 0;
    }
    if ((size_t)count == length) return;
    put_bytes(&t->input, bytes + count, length - (size_t)count);
    terminal_update(t);
}

/* The size follows the client that typed, resized or attached last; watchers have no say. */
static const struct client *sizing_client(const struct terminal *t) {
    const struct client *latest = NULL;
    for (const struct client *c = t->clients; c; c = c->next_attached)
        if (!c->dead && !c->closing && !c->readonly && (!latest || c->active > latest->active)) latest = c;
    return latest;
}

void terminal_fit(struct terminal *t) {
    const struct client *latest = sizing_client(t);
    if (!latest || (latest->cols == t->cols && latest->rows == t->rows)) return;
    t->cols = latest->cols;
    t->rows = latest->rows;
    struct winsize size = {.ws_col = t->cols, .ws_row = t->rows};
    if (t->fd >= 0) ioctl(t->fd, TIOCSWINSZ, &size);
    for (struct client *c = t->clients; c; c = c->next_attached) {
        c->size_due = true;
        if (!c->dead) client_pump(c);
    }
}

/* ---- news ---- */

static bool is_heard(const struct terminal *t) {
    for (const struct client *c = t->clients; c; c = c->next_attached)
        if (c->hears_news && !c->dead) return true;
    return false;
}

/* Sees to it that news are looked for within so long, if anybody is told of them. */
void terminal_look_within(struct terminal *t, uint64_t us) {
    uint64_t at = holder.now_us + us;
    if (at < t->looked_us + LOOK_APART_US) at = t->looked_us + LOOK_APART_US;
    if (t->fd < 0 || (t->look_us && t->look_us <= at) || !is_heard(t)) return;
    t->look_us = at;
    if (!holder.look_us || at < holder.look_us) holder.look_us = at;
}

/* Looks for news, and has them sent. The kernel announces none of them: neither another foreground process nor directory. */
void terminal_look(struct terminal *t) {
    t->look_us = 0;
    if (!is_heard(t)) return;
    struct buffer news = {0};
    const struct client *sizer = sizing_client(t);
    put_news(t, &news);
    bool same = news.failed || (sizer == t->sizer && news.length == t->told.length &&
                                !memcmp(news.at, t->told.at, news.length));
    t->sizer = sizer;
    t->looked_us = holder.now_us;
    if (same) {
        buffer_free(&news);
    } else {
        buffer_free(&t->told);
        t->told = news;
        for (struct client *c = t->clients; c; c = c->next_attached)
            if (!c->dead && c->hears_news) {
                c->news_due = true;
                client_pump(c);
            }
    }
    terminal_look_within(t, LOOK_US);
}

/* Looks at those whose time has come. */
void terminals_look(void) {
    if (!holder.look_us || holder.now_us < holder.look_us) return;
    holder.look_us = 0;
    for (struct terminal *t = holder.terminals; t; t = t->next) {
        if (t->look_us && t->look_us <= holder.now_us) terminal_look(t);
        if (t->look_us && (!holder.look_us || t->look_us < holder.look_us)) holder.look_us = t->look_us;
    }
}

void terminal_reaped(struct terminal *t, int wait_status) {
    t->pid = 0;
    t->kill_at = 0;
    t->hung = false;
    t->status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
    terminal_update(t);
}

static void signal_groups(struct terminal *t, int number) {
    pid_t foreground = tcgetpgrp(t->fd);
    if (foreground > 1 && foreground != t->pid) kill(-foreground, number);
    if (t->pid > 1) kill(-t->pid, number);
}

/* As closing a terminal window does: SIGHUP to the shell and the foreground job; SIGKILL if the shell ignores it. */
void terminal_close(struct terminal *t) {
    if (!t->pid || t->fd < 0) {
        remove_terminal(t);
        return;
    }
    t->closed = true; /* whoever is attached holds up nothing any more */
    signal_groups(t, SIGHUP);
    signal_groups(t, SIGCONT);
    terminal_update(t);
    if (!t->kill_at) t->kill_at = holder.now_ms + CLOSE_GRACE_MS;
}

/* Called every second at most; true while this terminal wants to be called again. */
bool terminal_tick(struct terminal *t) {
    if (t->kill_at && holder.now_ms >= t->kill_at) {
        signal_groups(t, SIGKILL);
        t->kill_at = holder.now_ms + CLOSE_GRACE_MS;
    }
    if (t->hung) {
        t->hung = false;
        terminal_readable(t);
    }
    if (t->ended_at && holder.now_ms - t->ended_at > LINGER_MS) remove_terminal(t);
    return !t->removed && (t->kill_at || t->hung || t->ended_at);
}

/* ---- description ---- */

void terminal_describe(const struct terminal *t, struct buffer *out) {
    put_uint(out, t->id, 8);
    put_uint(out, t->created_ms, 8);
    put_uint(out, t->active_ms, 8);
    put_uint(out, t->ring.start, 8);
    put_uint(out, t->ring.end, 8);
    put_uint(out, (uint32_t)t->pid, 4);
    put_uint(out, (uint32_t)t->status, 4);
    put_uint(out, t->cols, 2);
    put_uint(out, t->rows, 2);
    put_uint(out, attached_clients(t), 2);
    put_uint(out, t->fd < 0, 1);
    put_text(out, t->name, strlen(t->name));
    put_text(out, t->title, strlen(t->title));
    put_text(out, t->command, strlen(t->command));
    put_process(t, out);
}

void terminal_free(struct terminal *t) {
    if (t->fd >= 0) {
        watch(t->fd, &t->armed, 0, t);
        close(t->fd);
    }
    ring_forget(&t->ring, t->ring.end);
    munmap(t->ring.map, holder.ring_bytes);
    close(t->ring.fd);
    buffer_free(&t->input);
    buffer_free(&t->told);
    free(t->command);
    free(t);
    holder.terminal_count--;
}
