/* The end of terminals and clients. */
#include "holder.h"

static void detach(struct client *c) {
    struct terminal *t = c->terminal;
    for (struct client **link = &t->clients; *link; link = &(*link)->next_attached)
        if (*link == c) {
            *link = c->next_attached;
            break;
        }
    terminal_fit(t);
    terminal_look_within(t, 0);
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
