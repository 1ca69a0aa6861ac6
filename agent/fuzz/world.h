/* The holder without programs: a terminal here is a bare PTY whose other side the fuzzer holds. */
#pragma once
#include "holder.h"

extern int slaves[TERMINALS_MAX];
extern unsigned slave_count;

void prepare(void);
void turn(void);
void start_over(void);
int connect_client(void);
void feed_state(const uint8_t *bytes, size_t size);
