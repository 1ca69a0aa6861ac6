/* The holder's one value, and what its loop waits for. */
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
