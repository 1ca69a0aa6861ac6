/* A connection: the handshake, at most one attached terminal, and the requests of PROTOCOL.md. */
#include "holder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LOWEST_VERSION = 1, VERSION = 2 };
static const char MAGIC[8] = {'n', 'i', 'x', 'w', 's', '-', 't', 'm'};
static const uint64_t OFFSET_END = UINT64_MAX; /* attach: only what comes from now on */

/* ---- requests ---- */

static void use_token(struct client *c, uint64_t value) {
    struct terminal *t = c->terminal;
    struct token *oldest = NULL;
    if (!value) return;
    for (struct token *slot = t->tokens; slot < t->tokens + TOKENS; slot++) {
        if (slot->value == value) {
            if (slot->client) fail(slot->client, ERROR_REPLACED, "Attached again by another connection.");
            oldest = slot;
            break;
        }
        if (!slot->client && (!oldest || slot->used < oldest->used)) oldest = slot;
    }
    if (!oldest) return; /* all in use: this client cannot resume its input */
    if (oldest->client) oldest->client->token = NULL;
    if (oldest->value != value) oldest->received = 0;
    oldest->value = value;
    oldest->used = ++holder.turn;
    oldest->client = c;
    c->token = oldest;
    c->received = oldest->received;
}

static bool valid_size(uint64_t cols, uint64_t rows) {
    return cols >= 1 && rows >= 1 && cols <= SIZE_MAX_CELLS && rows <= SIZE_MAX_CELLS;
}

static void attach(struct client *c, struct terminal *t, uint64_t offset, uint64_t token, uint64_t credit) {
    c->terminal = t;
    c->next_attached = t->clients;
    t->clients = c;
    uint64_t most = holder.ring_bytes / 2;
    c->credit = (uint32_t)(credit < CREDIT_MIN ? CREDIT_MIN : credit > most ? most : credit);
    c->sent = c->acked = offset == OFFSET_END ? t->ring.end : offset;
    if (!c->readonly) {
        use_token(c, token);
        c->active = ++holder.turn;
        c->terminal = NULL; /* the answer comes before anything else that is due, a new size included */
        terminal_fit(t);
        c->terminal = t;
    }
    c->input_limit = c->received + (c->readonly ? 0 : INPUT_WINDOW);
    c->size_due = c->window_due = c->news_due = c->exit_sent = false;
    struct buffer payload = {0};
    put_uint(&payload, t->id, 8);
    put_uint(&payload, c->sent, 8);
    put_uint(&payload, t->ring.end, 8);
    put_uint(&payload, c->received, 8);
    put_uint(&payload, c->input_limit, 8);
    put_uint(&payload, t->cols, 2);
    put_uint(&payload, t->rows, 2);
    send_frame(c, 'A', &payload);
    c->news_due = c->hears_news;
    terminal_look(t);
    client_pump(c);
    terminal_update(t);
}

static void on_open(struct client *c, struct reader *r) {
    uint64_t token = read_uint(r, 8), credit = read_uint(r, 4);
    c->cols = (uint16_t)read_uint(r, 2);
    c->rows = (uint16_t)read_uint(r, 2);
    struct text name = read_text(r, NAME_BYTES), cwd = read_text(r, PATH_BYTES - 1), command = read_text(r, COMMAND_BYTES);
    if (!read_done(r) || !valid_size(c->cols, c->rows) || c->terminal) {
        protocol_error(c, "Bad open request.");
        return;
    }
    char *directory = strndup((const char *)cwd.at, cwd.length), *words = strndup((const char *)command.at, command.length);
    int error = ENOMEM;
    struct terminal *t = NULL;
    if (directory && words) {
        struct start start = {holder.shell, words, directory, 0, c->cols, c->rows};
        t = terminal_open(&start, name, &error);
    }
    free(directory);
    free(words);
    if (t)
        attach(c, t, 0, token, credit);
    else if (error)
        client_error(c, ERROR_START, strerror(error));
    else
        client_error(c, ERROR_LIMIT, "Too many terminals; close some.");
}

static void on_attach(struct client *c, struct reader *r) {
    uint64_t id = read_uint(r, 8), offset = read_uint(r, 8), token = read_uint(r, 8), credit = read_uint(r, 4);
    c->cols = (uint16_t)read_uint(r, 2);
    c->rows = (uint16_t)read_uint(r, 2);
    uint64_t mode = read_uint(r, 1);
    if (!read_done(r) || !valid_size(c->cols, c->rows) || c->terminal || mode > 1) {
        protocol_error(c, "Bad attach request.");
        return;
    }
    struct terminal *t = terminal_find(id);
    if (!t) {
        client_error(c, ERROR_NO_TERMINAL, "There is no such terminal.");
    } else if (offset > t->ring.end && offset != OFFSET_END) {
        client_error(c, ERROR_OFFSET, "The offset lies beyond the terminal's output.");
    } else {
        c->readonly = mode == 1;
        attach(c, t, offset, token, credit);
    }
}

static void became_active(struct client *c) {
    c->active = ++holder.turn;
    terminal_look_within(c->terminal, LOOK_SOON_US);
    if (c->cols != c->terminal->cols || c->rows != c->terminal->rows) terminal_fit(c->terminal);
}

static void on_input(struct client *c, struct reader *r) {
    uint64_t offset = read_uint(r, 8);
    if (r->bad || !c->terminal || offset > c->received) {
        protocol_error(c, "Bad input.");
        return;
    }
    if (c->readonly) {
        client_error(c, ERROR_READONLY, "This attachment may only watch.");
        return;
    }
    if (r->left > c->input_limit - offset || offset > c->input_limit) {
        protocol_error(c, "Input beyond the window.");
        return;
    }
    uint64_t known = c->received - offset;
    if (known >= r->left) return; /* a repetition after a lost connection */
    c->received = offset + r->left;
    if (c->token) c->token->received = c->received;
    became_active(c);
    terminal_input(c->terminal, r->at + known, r->left - known);
    client_grant(c);
}

static void on_resize(struct client *c, struct reader *r) {
    uint64_t cols = read_uint(r, 2), rows = read_uint(r, 2);
    if (!read_done(r) || !c->terminal || !valid_size(cols, rows)) {
        protocol_error(c, "Bad resize.");
        return;
    }
    c->cols = (uint16_t)cols;
    c->rows = (uint16_t)rows;
    if (!c->readonly) became_active(c);
}

static void on_acknowledge(struct client *c, struct reader *r) {
    uint64_t offset = read_uint(r, 8);
    if (!read_done(r) || !c->terminal || offset > c->sent) {
        protocol_error(c, "Bad acknowledgement.");
        return;
    }
    if (offset <= c->acked) return;
    c->acked = offset;
    client_pump(c);
    terminal_update(c->terminal);
}

static void on_list(struct client *c, struct reader *r) {
    if (!read_done(r)) {
        protocol_error(c, "Bad list request.");
        return;
    }
    struct buffer payload = {0};
    uint32_t count = 0;
    for (const struct terminal *t = holder.terminals; t; t = t->next) {
        if (t->removed) continue;
        terminal_describe(t, &payload);
        send_frame(c, 'T', &payload);
        count++;
    }
    put_uint(&payload, count, 4);
    send_frame(c, 'L', &payload);
}

static void confirm(struct client *c, uint8_t request) {
    struct buffer payload = {0};
    put_uint(&payload, request, 1);
    send_frame(c, 'Y', &payload);
}

static void on_change(struct client *c, uint8_t type, struct reader *r) {
    uint64_t id = read_uint(r, 8);
    struct text name = type == 'N' ? read_text(r, NAME_BYTES) : (struct text){0};
    struct terminal *t = terminal_find(id);
    if (!read_done(r)) {
        protocol_error(c, "Bad request.");
    } else if (!t) {
        client_error(c, ERROR_NO_TERMINAL, "There is no such terminal.");
    } else if (type == 'N') {
        memset(t->name, 0, sizeof t->name);
        memcpy(t->name, name.at, name.length);
        confirm(c, type);
        terminal_look(t);
    } else {
        confirm(c, type);
        terminal_close(t);
    }
}

static void on_hello(struct client *c, uint8_t type, struct reader *r) {
    bool magic = r->left >= sizeof MAGIC && !memcmp(r->at, MAGIC, sizeof MAGIC);
    read_uint(r, 8);
    uint64_t lowest = read_uint(r, 2), highest = read_uint(r, 2);
    if (type != 'H' || !read_done(r) || !magic) {
        protocol_error(c, "The first frame must be a greeting.");
    } else if (lowest > VERSION || highest < LOWEST_VERSION) {
        fail(c, ERROR_VERSION, "This holder speaks versions 1 and 2.");
    } else {
        uint64_t version = highest < VERSION ? highest : VERSION;
        c->greeted = true;
        c->hears_news = version >= 2;
        struct buffer payload = {0};
        put_uint(&payload, version, 2);
        put_uint(&payload, holder.incarnation, 8);
        send_frame(c, 'H', &payload);
    }
}

static void on_frame(struct client *c, uint8_t type, struct reader *r) {
    if (!c->greeted) {
        on_hello(c, type, r);
        return;
    }
    switch (type) {
    case 'O': on_open(c, r); break;
    case 'A': on_attach(c, r); break;
    case 'I': on_input(c, r); break;
    case 'R': on_resize(c, r); break;
    case 'C': on_acknowledge(c, r); break;
    case 'L': on_list(c, r); break;
    case 'N':
    case 'K': on_change(c, type, r); break;
    case 'U':
        if (read_done(r)) {
            confirm(c, type);
            holder.upgrade_due = true;
            break;
        } /* fall through */
    default: protocol_error(c, "Unknown frame.");
    }
}

/* ---- receiving ---- */

/* Consumes whole frames and returns how many bytes they took; stops when the client has too many answers unread. */
static size_t take_frames(struct client *c, const uint8_t *bytes, size_t length) {
    size_t done = 0;
    struct header header;
    while (!c->dead && !c->closing && c->out.length < UNREAD_MAX && length - done >= HEADER_BYTES) {
        if (!header_read(bytes + done, &header)) {
            protocol_error(c, "Bad frame header.");
            break;
        }
        if (length - done - HEADER_BYTES < header.length) break;
        struct reader payload = {bytes + done + HEADER_BYTES, header.length, false};
        done += HEADER_BYTES + header.length;
        on_frame(c, header.type, &payload);
    }
    return done;
}

void client_feed(struct client *c, const uint8_t *bytes, size_t length) {
    if (c->in.length) {
        put_bytes(&c->in, bytes, length);
        bytes = c->in.at;
        length = c->in.length;
    }
    size_t done = c->in.failed ? 0 : take_frames(c, bytes, length);
    if (c->in.failed)
        client_drop(c);
    else if (bytes == c->in.at)
        buffer_drop_front(&c->in, done);
    else
        put_bytes(&c->in, bytes + done, length - done);
}

static void receive(struct client *c) {
    static uint8_t bytes[65536];
    ssize_t count = read(c->fd, bytes, sizeof bytes);
    if (count > 0)
        client_feed(c, bytes, (size_t)count);
    else if (count == 0 || (errno != EAGAIN && errno != EINTR))
        client_drop(c);
}

static void flush(struct client *c) {
    ssize_t count = send(c->fd, c->out.at, c->out.length, MSG_NOSIGNAL);
    if (count < 0 && errno != EAGAIN && errno != EINTR) {
        client_drop(c);
        return;
    }
    if (count > 0) buffer_drop_front(&c->out, (size_t)count);
    if (!c->out.length && c->closing) {
        client_drop(c);
        return;
    }
    client_pump(c);
    if (!c->dead && c->in.length) client_feed(c, NULL, 0); /* requests that waited for their answers' room */
    if (!c->dead) client_watch(c);
}

void client_event(struct client *c, uint32_t events) {
    if (!c->dead && events & EPOLLOUT) flush(c);
    if (!c->dead && events & EPOLLIN) receive(c);
    if (!c->dead && events & (EPOLLHUP | EPOLLERR) && !(events & EPOLLIN)) client_drop(c);
}

void client_accept(int fd) {
    struct ucred peer;
    socklen_t length = sizeof peer;
    bool known = !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) && (peer.uid == geteuid() || peer.uid == 0);
    struct client *c = known && holder.client_count < CLIENTS_MAX ? calloc(1, sizeof *c) : NULL;
    if (!c) {
        close(fd);
        return;
    }
    c->kind = KIND_CLIENT;
    c->fd = fd;
    c->accepted_at = holder.now_ms;
    c->next = holder.clients;
    holder.clients = c;
    holder.client_count++;
    client_watch(c);
}

void client_free(struct client *c) {
    buffer_free(&c->in);
    buffer_free(&c->out);
    free(c);
    holder.client_count--;
}
