/* What goes to a client: answers, states and output, as far as its credit and its socket take them. */
#include "holder.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

void client_watch(struct client *c) {
    bool listening = !c->closing && c->out.length < UNREAD_MAX;
    watch(c->fd, &c->armed, (listening ? EPOLLIN : 0) | (c->out.length ? EPOLLOUT : 0), c);
}

void client_drop(struct client *c) {
    if (c->dead) return;
    watch(c->fd, &c->armed, 0, c);
    close(c->fd);
    c->dead = holder.sweep_due = true;
    if (c->token) c->token->client = NULL;
    c->token = NULL;
}

static void send_parts(struct client *c, struct iovec *parts, int count) {
    if (c->dead) return;
    size_t total = 0;
    for (int i = 0; i < count; i++) total += parts[i].iov_len;
    ssize_t sent = 0;
    if (!c->out.length) {
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)count};
        sent = sendmsg(c->fd, &message, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN && errno != EINTR) {
                client_drop(c);
                return;
            }
            sent = 0;
        }
    }
    if ((size_t)sent == total) return;
    size_t skip = (size_t)sent;
    for (int i = 0; i < count; i++) {
        if (skip >= parts[i].iov_len) {
            skip -= parts[i].iov_len;
            continue;
        }
        put_bytes(&c->out, (uint8_t *)parts[i].iov_base + skip, parts[i].iov_len - skip);
        skip = 0;
    }
    if (c->out.failed)
        client_drop(c);
    else
        client_watch(c);
}

void send_frame(struct client *c, uint8_t type, struct buffer *payload) {
    uint8_t header[HEADER_BYTES];
    header_write(header, type, (uint32_t)payload->length);
    struct iovec parts[2] = {{header, sizeof header}, {payload->at, payload->length}};
    if (payload->failed)
        client_drop(c);
    else
        send_parts(c, parts, 2);
    buffer_free(payload);
}

void client_error(struct client *c, enum error_code code, const char *message) {
    struct buffer payload = {0};
    put_uint(&payload, code, 2);
    put_text(&payload, message, strlen(message));
    send_frame(c, 'E', &payload);
}

void fail(struct client *c, enum error_code code, const char *message) {
    client_error(c, code, message);
    c->closing = true;
    if (c->dead) return;
    if (c->out.length)
        client_watch(c);
    else
        client_drop(c);
}

void protocol_error(struct client *c, const char *message) { fail(c, ERROR_PROTOCOL, message); }

/* Opens the input window again, once half of it is used up and the program has taken what came. */
void client_grant(struct client *c) {
    if (c->readonly || !c->terminal || c->terminal->input.length) return;
    if (c->input_limit - c->received > INPUT_WINDOW / 2) return;
    c->input_limit = c->received + INPUT_WINDOW;
    c->window_due = true;
    client_pump(c);
}

static void send_window(struct client *c) {
    struct buffer payload = {0};
    put_uint(&payload, c->received, 8);
    put_uint(&payload, c->input_limit, 8);
    c->window_due = false;
    send_frame(c, 'W', &payload);
}

static void send_size(struct client *c) {
    struct buffer payload = {0};
    put_uint(&payload, c->terminal->cols, 2);
    put_uint(&payload, c->terminal->rows, 2);
    c->size_due = false;
    send_frame(c, 'Z', &payload);
}

static void send_news(struct client *c) {
    struct buffer payload = {0};
    c->news_due = false;
    if (!c->terminal->told.length) return; /* memory was short */
    put_uint(&payload, c->terminal->sizer == c, 1);
    put_bytes(&payload, c->terminal->told.at, c->terminal->told.length);
    send_frame(c, 'P', &payload);
}

static void send_gap(struct client *c) {
    struct buffer payload = {0};
    put_uint(&payload, c->sent, 8);
    c->sent = c->acked = c->terminal->ring.start;
    put_uint(&payload, c->sent, 8);
    send_frame(c, 'G', &payload);
}

static void send_exit(struct client *c) {
    struct buffer payload = {0};
    put_uint(&payload, (uint32_t)c->terminal->status, 4);
    put_uint(&payload, c->terminal->ring.end, 8);
    c->exit_sent = true;
    send_frame(c, 'X', &payload);
}

static void send_data(struct client *c, size_t length) {
    uint8_t header[HEADER_BYTES];
    header_write(header, 'D', (uint32_t)length);
    struct iovec parts[3] = {{header, sizeof header}};
    int count = 1 + ring_span(&c->terminal->ring, c->sent, length, parts + 1);
    c->sent += length;
    send_parts(c, parts, count); /* straight from the ring */
}

/* Sends whatever is due and fits: states once (not one frame per change), output as far as the credit reaches. */
void client_pump(struct client *c) {
    const struct terminal *t = c->terminal;
    while (t && !c->dead && !c->closing && !c->out.length) {
        if (c->window_due) {
            send_window(c);
        } else if (c->size_due) {
            send_size(c);
        } else if (c->news_due) {
            send_news(c);
        } else if (c->sent < t->ring.start) {
            send_gap(c);
        } else {
            uint64_t limit = c->acked + c->credit;
            if (limit > t->ring.end) limit = t->ring.end;
            if (c->sent < limit) {
                send_data(c, limit - c->sent > DATA_MAX ? DATA_MAX : (size_t)(limit - c->sent));
            } else {
                if (t->fd < 0 && c->sent == t->ring.end && !c->exit_sent) send_exit(c);
                return;
            }
        }
    }
}
