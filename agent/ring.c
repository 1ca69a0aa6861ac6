/* The ring of a terminal's last output, and the memory that all rings may take together. */
#include "holder.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

bool ring_map(struct ring *ring) {
    if (ring->fd < 0) {
        ring->fd = memfd_create("terminal", MFD_CLOEXEC);
        if (ring->fd < 0 || ftruncate(ring->fd, (off_t)holder.ring_bytes)) return false;
    }
    void *map = mmap(NULL, holder.ring_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, ring->fd, 0);
    ring->map = map == MAP_FAILED ? NULL : map;
    return ring->map != NULL;
}

int ring_span(const struct ring *ring, uint64_t offset, size_t length, struct iovec out[2]) {
    size_t at = offset % holder.ring_bytes, until_wrap = holder.ring_bytes - at;
    out[0] = (struct iovec){ring->map + at, length < until_wrap ? length : until_wrap};
    if (length <= until_wrap) return 1;
    out[1] = (struct iovec){ring->map, length - until_wrap};
    return 2;
}

static void ring_free_pages(struct ring *ring, uint64_t from, uint64_t to) {
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    from = (from + page - 1) / page * page; /* offsets and positions agree modulo the page: ring_bytes is a multiple */
    to = to / page * page;
    struct iovec parts[2];
    if (from >= to) return;
    int count = ring_span(ring, from, to - from, parts);
    for (int i = 0; i < count; i++)
        fallocate(ring->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (uint8_t *)parts[i].iov_base - ring->map,
                  (off_t)parts[i].iov_len);
}

static uint64_t ring_kept(const struct ring *ring) { return ring->end - ring->start; }

void ring_forget(struct ring *ring, uint64_t start) {
    holder.kept -= start - ring->start;
    ring->start = start;
}

/* Over the memory limit: the terminal that keeps most (the one quiet for longest, of equals) gives up its older half. */
static void shed(void) {
    while (holder.kept > holder.memory_bytes) {
        struct terminal *victim = NULL;
        for (struct terminal *t = holder.terminals; t; t = t->next) {
            uint64_t kept = ring_kept(&t->ring), most = victim ? ring_kept(&victim->ring) : KEPT_MIN;
            if (!t->removed && (kept > most || (victim && kept == most && t->active_ms < victim->active_ms))) victim = t;
        }
        if (!victim) return;
        uint64_t keep = ring_kept(&victim->ring) / 2, from = victim->ring.start;
        if (keep < KEPT_MIN) keep = KEPT_MIN;
        ring_forget(&victim->ring, victim->ring.end - keep);
        ring_free_pages(&victim->ring, from, victim->ring.start);
    }
}

void ring_advance(struct ring *ring, size_t length) {
    ring->end += length;
    holder.kept += length;
    if (ring_kept(ring) > holder.ring_bytes) ring_forget(ring, ring->end - holder.ring_bytes);
    if (holder.kept > holder.memory_bytes) shed();
}
