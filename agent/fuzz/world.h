/* The holder without programs: a terminal here is a bare PTY whose other side is held here. */
#pragma once
#include "holder.h"

enum { PASSING_US = 300 /* by which the clock goes on in a turn */ };

extern int slaves[TERMINALS_MAX];
extern unsigned slave_count;

void check(bool holds, const char *what); /* ends the program if it does not hold */
void prepare(void);
void turn(void);
void start_over(void);
int connect_client(void);
void feed_state(const uint8_t *bytes, size_t size);
