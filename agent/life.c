/* The holder's one value, and the end of terminals and clients. */
#include "holder.h"

#include <sys/epoll.h>

struct holder holder = {
    .listener = -1,
    .upgrade_path = "/run/current-system/sw/bin/nixws-terminals",
    .socket_path = "/run/nixws-terminals/holder.sock",
    .ring_bytes = 4 << 20,
    .memory_bytes = 64 << 20,
};

void watch(int fd, uint32_t *armed, uint32_t wanted, void *owner) {
    if (*armed == wanted) return;
    struct epoll_event event = {.events = wanted, .data.ptr = owner};
    epoll_ctl(holder.epoll, !wanted ? EPOLL_CTL_DEL : *armed ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    *armed = wanted;
}

static void detach(struct client *c) {
    struct terminal *t = c->terminal;
    for (struct client **link = &t->clients; *link; link = &(*link)->next_attached)
        if (*link == c) {
            *link = c->next_attached;
            break;
        }
    terminal_fit(t);
    terminal_update(t);
}

/* Objects die only between two turns of the loop: the events of one turn may name them. */
void sweep(void) {
    while (holder.sweep_due) {
        holder.sweep_due = false;
        for (struct client **link = &holder.clients, *c; (c = *link);) {
            if (!c->dead) {
                link = &c->next;
                continue;
            }
            if (c->terminal) detach(c);
            *link = c->next;
            client_free(c);
        }
        for (struct terminal **link = &holder.terminals, *t; (t = *link);) {
            if (!t->removed) {
                link = &t->next;
                continue;
            }
            for (struct client *c = t->clients; c; c = c->next_attached) c->terminal = NULL, c->token = NULL;
            *link = t->next;
            terminal_free(t);
        }
    }
}
