/* What depends on time, seen by one client with a clock that only turns move: when output is sent. */
#include "world.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINE = 100 };

static int peer;
static struct client *client;

static void feed(uint8_t type, struct buffer *payload) {
    uint8_t header[HEADER_BYTES];
    header_write(header, type, (uint32_t)payload->length);
    client_feed(client, header, sizeof header);
    client_feed(client, payload->at, payload->length);
    buffer_free(payload);
}

static void open_terminal(uint32_t credit) {
    struct buffer greeting = {0}, start = {0};
    peer = connect_client();
    client = holder.clients;
    put_bytes(&greeting, "nixws-tm", 8), put_uint(&greeting, 1, 2), put_uint(&greeting, 1, 2);
    feed('H', &greeting);
    put_uint(&start, 0, 8), put_uint(&start, credit, 4), put_uint(&start, 80, 2), put_uint(&start, 24, 2);
    put_text(&start, "", 0), put_text(&start, "", 0), put_text(&start, "", 0);
    feed('O', &start);
    holder.now_us += STREAM_US;
}

/* Returns how much output is sent in a turn in which the program prints a line. */
static size_t sent_while_printing(void) {
    static uint8_t text[LINE], sink[65536];
    uint64_t before = client->sent;
    memset(text, 'x', sizeof text);
    check(write(slaves[0], text, LINE) == LINE, "the terminal takes a line");
    struct pollfd arrival = {.fd = client->terminal->fd, .events = POLLIN};
    check(poll(&arrival, 1, 10000) == 1, "the kernel hands a line over"); /* by a thread of its own */
    turn();
    while (read(peer, sink, sizeof sink) > 0) {}
    return client->sent - before;
}

static void begin_stream(void) {
    for (size_t printed = 0; printed + LINE <= STREAM_BYTES; printed += LINE)
        check(sent_while_printing() == LINE, "little output is sent at once");
}

static void check_lines_are_gathered(void) {
    open_terminal(65536);
    begin_stream();
    unsigned pieces = 0;
    for (unsigned lines = 0; lines < 50; lines++) {
        size_t sent = sent_while_printing();
        check(sent == 0 || sent >= 3 * LINE, "a stream is sent in larger pieces");
        pieces += sent > 0;
    }
    check(pieces >= 5, "a stream is sent as time passes");
    for (unsigned passed = 0; passed < GATHER_US; passed += PASSING_US) turn();
    check(client->sent == client->terminal->ring.end, "the end of a stream is sent although nothing follows");
    holder.now_us += STREAM_US;
    check(sent_while_printing() == LINE, "what follows a pause is sent at once");
    start_over();
    close(peer);
}

static void check_end_sends_all(void) {
    open_terminal(65536);
    begin_stream();
    check(sent_while_printing() == 0, "it is gathered");
    close(slaves[--slave_count]);
    terminal_reaped(client->terminal, 0);
    check(client->sent == client->terminal->ring.end && client->exit_sent, "a program's end sends all of its output");
    start_over();
    close(peer);
}

static void check_credit_is_used_up(void) {
    open_terminal(STREAM_BYTES + 10 * LINE);
    begin_stream();
    for (unsigned lines = 0; lines < 12; lines++) sent_while_printing();
    check(client->sent == STREAM_BYTES + 10 * LINE, "nothing is gathered that a client has no room for");
    start_over();
    close(peer);
}

int main(void) {
    prepare();
    check_lines_are_gathered();
    check_end_sends_all();
    check_credit_is_used_up();
    return 0;
}
