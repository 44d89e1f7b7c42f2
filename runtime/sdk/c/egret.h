/* Guests of Egret in C: Arrow batches in, Arrow batches out (interface version 1).
 *
 *     #define EGRET_IMPLEMENTATION            // in one file of the guest
 *     #include "egret.h"
 *
 *     EGRET_RUN {                             // the guest's one function; answers 0 when all is well
 *         double sum = 0;
 *         egret_batch *batch;
 *         while ((batch = egret_next(0))) {   // input 0, batch by batch
 *             const egret_column *costs = egret_column_of(batch, 0, EGRET_FLOAT64);
 *             for (uint32_t row = 0; row < batch->rows; row++)
 *                 if (egret_holds(costs, row)) sum += egret_float64(costs, row);
 *             egret_free(batch);
 *         }
 *         egret_builder out[1];
 *         egret_build(&out[0], EGRET_FLOAT64);
 *         egret_push_float64(&out[0], sum);
 *         return egret_emit(out, 1);
 *     }
 *
 * Build:  zig cc -target wasm32-freestanding -O2 -s -Wl,--no-entry -o guest.wasm guest.c
 * Check:  egret module inspect guest.wasm
 *
 * A guest has no libc, clock, file, network or thread. It does not know the names of columns: they are
 * positions, in the order of the program's JSON. What goes wrong inside (a column of another type, no memory
 * left) is logged and ends the run by a trap.
 */
#ifndef EGRET_H
#define EGRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- The interface ------------------------------------------------------------------------------------- */

#define EGRET_ABI_VERSION 1

/* Types that cross, with what a row holds. Smaller whole numbers arrive as EGRET_INT32, unsigned 32 bit as
 * EGRET_INT64, float as EGRET_FLOAT64. */
typedef enum {
    EGRET_BOOLEAN = 1,   /* one bit, least significant first; in JSON "boolean" */
    EGRET_INT32 = 2,     /* int32_t; "int32" */
    EGRET_INT64 = 3,     /* int64_t; "int64" */
    EGRET_FLOAT64 = 4,   /* double; "float64" */
    EGRET_UTF8 = 5,      /* text; "utf8" */
    EGRET_DATE32 = 6,    /* int32_t, days since 1970-01-01; "date32" */
    EGRET_TIMESTAMP = 7, /* int64_t, microseconds since 1970-01-01 00:00; "timestamp_micros" */
} egret_type;

/* One column of a batch: 24 bytes. */
typedef struct {
    uint32_t type;           /* egret_type */
    uint32_t null_count;     /* must be right in what is emitted */
    const uint8_t *validity; /* one bit a row, 1 for a value; NULL when there are no nulls */
    const int32_t *offsets;  /* EGRET_UTF8: rows + 1 positions in data; else NULL */
    const void *data;        /* the values; that of a null row means nothing */
    uint32_t data_bytes;     /* length of data */
} egret_column;

/* A batch: 12 bytes. In what comes in, descriptors and buffers are one block that starts here. */
typedef struct {
    uint32_t rows;
    uint32_t column_count;
    const egret_column *columns;
} egret_batch;

_Static_assert(sizeof(void *) == 4, "guests are wasm32: -target wasm32-freestanding");
_Static_assert(sizeof(egret_column) == 24 && sizeof(egret_batch) == 12, "descriptors as the host lays them");

#define EGRET_IMPORT(name) __attribute__((import_module("egret"), import_name(name)))
#define EGRET_EXPORT(name) __attribute__((export_name(name), used))

extern EGRET_IMPORT("next_batch") egret_batch *egret_host_next_batch(uint32_t input);
extern EGRET_IMPORT("emit") uint32_t egret_host_emit(const egret_batch *batch);
extern EGRET_IMPORT("log") void egret_host_log(const void *text, uint32_t bytes);

/* Starts the definition of the guest's function: `EGRET_RUN { …; return 0; }`. Anything but 0 fails the run. */
#define EGRET_RUN EGRET_EXPORT("run") int32_t egret_run(void); int32_t egret_run(void)

/* Starts the definition of what takes the seed, called once before run: `EGRET_SEED { keep(seed); }`, with
 * `seed` 32 bytes. The same program on the same data gets the same seed. Define it only in guests that draw. */
#define EGRET_SEED                                                                                             \
    EGRET_EXPORT("egret_seed") void egret_take_seed(const uint8_t *seed);                         \
    void egret_take_seed(const uint8_t *seed)

/* Functions that SQL calls as `name.function`; the manifest declares them. `batch` has the arguments, is the guest's
 * until egret_free, and may have any number of rows.
 *
 * `EGRET_FUNCTION(score) { …; return egret_answer(&column); }` answers as many rows as it took; NULL fails the run. */
#define EGRET_FUNCTION(name)                                                                                   \
    EGRET_EXPORT(#name) const egret_batch *egret_call_##name(egret_batch *batch);                              \
    const egret_batch *egret_call_##name(egret_batch *batch)
/* Adds rows to groups: column 0 has the number of each row's group, the arguments follow. Answers 0. */
#define EGRET_UPDATE(name)                                                                                     \
    EGRET_EXPORT(#name "_update") int32_t egret_update_##name(egret_batch *batch);                             \
    int32_t egret_update_##name(egret_batch *batch)
/* Answers the value of each group whose number stands in column 0, though nothing may have been added to it. */
#define EGRET_FINISH(name)                                                                                     \
    EGRET_EXPORT(#name "_finish") const egret_batch *egret_finish_##name(egret_batch *batch);                  \
    const egret_batch *egret_finish_##name(egret_batch *batch)
/* A table function: `batch` has one row, the constants of the call; pull with egret_next, push with egret_emit,
 * answer 0. */
#define EGRET_TABLE(name)                                                                                      \
    EGRET_EXPORT(#name) int32_t egret_table_##name(egret_batch *batch);                                        \
    int32_t egret_table_##name(egret_batch *batch)
/* Puts the file of the manifest into the module, at file level: `EGRET_MANIFEST("manifest.json")`, found by -I. */
#define EGRET_MANIFEST(file)                                                                                   \
    __asm__(".section .custom_section.egret.manifest,\"\",@\n.incbin \"" file "\"\n.section .text,\"\",@\n");

/* ---- Memory, log --------------------------------------------------------------------------------------- */

/* Memory that starts at a multiple of 16 and holds anything; never NULL: when none is left, the run ends. */
void *egret_alloc(size_t bytes);
/* The same memory with room for `bytes`, of which the first ones are as they were. `block` may be NULL. */
void *egret_resize(void *block, size_t bytes);
/* Gives memory back: of egret_alloc, or a batch of egret_next. */
void egret_free(void *block);

static inline size_t egret_length(const char *text) {
    size_t bytes = 0;
    while (text[bytes]) bytes++;
    return bytes;
}

/* Adds a line to the log, which is cut at its limit (16 KiB by default), kept with a held result and never
 * released. Write counts and stages, never values. */
static inline void egret_log(const char *text) {
    egret_host_log(text, (uint32_t)egret_length(text));
    egret_host_log("\n", 1);
}

/* Logs why, and ends the run. */
static inline _Noreturn void egret_fail(const char *why) {
    egret_log(why);
    __builtin_trap();
}

/* ---- Batches in ---------------------------------------------------------------------------------------- */

/* The next batch of an input (by its position in the program's JSON, from 0), of 1 row at least; NULL after
 * the last one. It is the guest's until egret_free. An input is read once. */
static inline egret_batch *egret_next(uint32_t input) { return egret_host_next_batch(input); }

/* The column at a position, which must have this type. */
static inline const egret_column *egret_column_of(const egret_batch *batch, uint32_t position, egret_type type) {
    if (position >= batch->column_count) egret_fail("the input has fewer columns than are read");
    const egret_column *column = &batch->columns[position];
    if (column->type != (uint32_t)type) egret_fail("a column of the input is of another type");
    return column;
}

static inline bool egret_bit(const void *bits, uint32_t row) { return ((const uint8_t *)bits)[row / 8] >> row % 8 & 1; }

/* Whether a row holds a value. What the functions below answer for a null row means nothing. */
static inline bool egret_holds(const egret_column *column, uint32_t row) {
    return !column->validity || egret_bit(column->validity, row);
}

static inline bool egret_boolean(const egret_column *column, uint32_t row) { return egret_bit(column->data, row); }
/* Also for EGRET_DATE32. */
static inline int32_t egret_int32(const egret_column *column, uint32_t row) { return ((const int32_t *)column->data)[row]; }
/* Also for EGRET_TIMESTAMP. */
static inline int64_t egret_int64(const egret_column *column, uint32_t row) { return ((const int64_t *)column->data)[row]; }
static inline double egret_float64(const egret_column *column, uint32_t row) { return ((const double *)column->data)[row]; }

/* Text, not ended by a zero byte; valid UTF-8, and there as long as its batch. */
typedef struct {
    const char *text;
    uint32_t bytes;
} egret_text;

static inline egret_text egret_utf8(const egret_column *column, uint32_t row) {
    int32_t start = column->offsets[row], end = column->offsets[row + 1];
    return (egret_text){(const char *)column->data + start, (uint32_t)(end - start)};
}

/* ---- Batches out --------------------------------------------------------------------------------------- */

/* A column that grows row by row. */
typedef struct {
    egret_type type;
    uint32_t rows, null_count;
    uint8_t *validity;
    int32_t *offsets;
    uint8_t *data;
    uint32_t data_bytes;
    uint32_t validity_room, offsets_room, data_room; /* bytes */
} egret_builder;

/* Makes a column without rows. */
void egret_build(egret_builder *column, egret_type type);
/* Takes all rows out; the memory serves the next batch. */
void egret_clear(egret_builder *column);
/* One or the other: a column without rows, with the memory that it had if it was built before. For a `static` one. */
static inline void egret_build_again(egret_builder *column, egret_type type) {
    if (column->type == type) egret_clear(column);
    else egret_build(column, type);
}
void egret_push_null(egret_builder *column);
void egret_push_boolean(egret_builder *column, bool value);
/* Also for EGRET_DATE32. */
void egret_push_int32(egret_builder *column, int32_t value);
/* Also for EGRET_TIMESTAMP. */
void egret_push_int64(egret_builder *column, int64_t value);
void egret_push_float64(egret_builder *column, double value);
/* The bytes are copied, and must be UTF-8: the run ends otherwise, when they are emitted. */
void egret_push_utf8(egret_builder *column, const char *text, size_t bytes);

/* Writes the columns, which must be those of the program's `output`, and answers 0. The host copies them before
 * this returns. A batch without rows writes nothing. */
int32_t egret_emit(const egret_builder *columns, uint32_t count);
/* What a function answers: a batch of this one column, which must stay as it is until the function returned. */
const egret_batch *egret_answer(const egret_builder *column);

/* ---- In one file of the guest --------------------------------------------------------------------------- */

#ifdef EGRET_IMPLEMENTATION

EGRET_EXPORT("egret_abi_version") int32_t egret_version(void);
int32_t egret_version(void) { return EGRET_ABI_VERSION; }

/* In front of each block. Blocks come in sizes of which there are four between powers of two, so that at most a
 * fifth is wasted; free ones are listed by size. */
typedef struct egret_block {
    struct egret_block *next;
    uint32_t bytes;     /* of all of it */
    uint32_t unused[2]; /* keeps what follows at a multiple of 16 */
} egret_block;

extern uint8_t __heap_base;
static egret_block *egret_free_blocks[128];
static uintptr_t egret_heap_at, egret_heap_end;

static egret_block **egret_list_of(uint32_t *bytes) {
    uint32_t shift = *bytes < 64 ? 4 : 29 - (uint32_t)__builtin_clz(*bytes);
    uint32_t quarters = (*bytes + (1u << shift) - 1) >> shift;
    *bytes = quarters << shift;
    return &egret_free_blocks[4 * shift + quarters - 4];
}

static egret_block *egret_grow(uint32_t bytes) {
    if (!egret_heap_at) {
        egret_heap_at = ((uintptr_t)&__heap_base + 15) & ~(uintptr_t)15;
        egret_heap_end = __builtin_wasm_memory_size(0) << 16;
    }
    if (egret_heap_end - egret_heap_at < bytes) {
        size_t pages = (bytes - (egret_heap_end - egret_heap_at) + 0xffff) >> 16;
        if (__builtin_wasm_memory_grow(0, pages) == (size_t)-1) egret_fail("there is no memory left");
        egret_heap_end += pages << 16;
    }
    egret_block *block = (egret_block *)egret_heap_at;
    egret_heap_at += bytes;
    block->bytes = bytes;
    return block;
}

void *egret_alloc(size_t bytes) {
    if (bytes > (size_t)1 << 30) egret_fail("there is no memory left");
    uint32_t whole = (uint32_t)bytes + sizeof(egret_block);
    egret_block **list = egret_list_of(&whole), *block = *list;
    if (block) *list = block->next;
    else block = egret_grow(whole);
    return block + 1;
}

void egret_free(void *memory) {
    if (!memory) return;
    egret_block *block = (egret_block *)memory - 1, **list = egret_list_of(&block->bytes);
    block->next = *list;
    *list = block;
}

void *egret_resize(void *memory, size_t bytes) {
    if (!memory) return egret_alloc(bytes);
    size_t room = ((egret_block *)memory - 1)->bytes - sizeof(egret_block);
    if (bytes <= room) return memory;
    void *larger = egret_alloc(bytes);
    __builtin_memcpy(larger, memory, room);
    egret_free(memory);
    return larger;
}

/* The host asks for each batch's block here; it asks for multiples of 8. */
EGRET_EXPORT("alloc") void *egret_alloc_for_host(uint32_t bytes, uint32_t align);
void *egret_alloc_for_host(uint32_t bytes, uint32_t align) { return align <= 16 ? egret_alloc(bytes) : NULL; }

/* Room for `bytes` in a buffer that grows by doubling. */
static void *egret_room(void *buffer, uint32_t *room, size_t bytes) {
    if (bytes <= *room) return buffer;
    size_t larger = *room ? *room : 256;
    while (larger < bytes) larger *= 2;
    *room = (uint32_t)larger;
    return egret_resize(buffer, larger);
}

void egret_build(egret_builder *column, egret_type type) {
    *column = (egret_builder){.type = type};
    egret_clear(column);
}

void egret_clear(egret_builder *column) {
    column->rows = column->null_count = column->data_bytes = 0;
    if (column->type != EGRET_UTF8) return;
    column->offsets = egret_room(column->offsets, &column->offsets_room, sizeof(int32_t));
    column->offsets[0] = 0;
}

static void egret_push_bit(uint8_t *bits, uint32_t row, bool bit) {
    if (row % 8 == 0) bits[row / 8] = 0;
    bits[row / 8] |= (uint8_t)(bit << row % 8);
}

/* Adds a row of some bytes, and says whether it holds a value. */
static void egret_push(egret_builder *column, const void *bytes, size_t length, bool valid) {
    column->data = egret_room(column->data, &column->data_room, (size_t)column->data_bytes + length + 1);
    __builtin_memcpy(column->data + column->data_bytes, bytes, length);
    column->data_bytes += (uint32_t)length;
    column->validity = egret_room(column->validity, &column->validity_room, column->rows / 8 + 1);
    egret_push_bit(column->validity, column->rows, valid);
    column->null_count += !valid;
    column->rows++;
    if (column->type != EGRET_UTF8) return;
    column->offsets = egret_room(column->offsets, &column->offsets_room, ((size_t)column->rows + 1) * sizeof(int32_t));
    column->offsets[column->rows] = (int32_t)column->data_bytes;
}

static void egret_push_flag(egret_builder *column, bool value, bool valid) {
    uint32_t row = column->rows;
    egret_push(column, "", row % 8 == 0, valid);
    egret_push_bit(column->data, row, value);
}

static void egret_expect(const egret_builder *column, egret_type type, egret_type other) {
    if (column->type != type && column->type != other) egret_fail("a column of the output is of another type");
}

void egret_push_null(egret_builder *column) {
    static const uint8_t zeros[8];
    switch (column->type) {
    case EGRET_BOOLEAN: egret_push_flag(column, false, false); break;
    case EGRET_UTF8: egret_push(column, zeros, 0, false); break;
    case EGRET_INT32:
    case EGRET_DATE32: egret_push(column, zeros, 4, false); break;
    default: egret_push(column, zeros, 8, false); break;
    }
}

void egret_push_boolean(egret_builder *column, bool value) {
    egret_expect(column, EGRET_BOOLEAN, EGRET_BOOLEAN);
    egret_push_flag(column, value, true);
}

void egret_push_int32(egret_builder *column, int32_t value) {
    egret_expect(column, EGRET_INT32, EGRET_DATE32);
    egret_push(column, &value, sizeof value, true);
}

void egret_push_int64(egret_builder *column, int64_t value) {
    egret_expect(column, EGRET_INT64, EGRET_TIMESTAMP);
    egret_push(column, &value, sizeof value, true);
}

void egret_push_float64(egret_builder *column, double value) {
    egret_expect(column, EGRET_FLOAT64, EGRET_FLOAT64);
    egret_push(column, &value, sizeof value, true);
}

void egret_push_utf8(egret_builder *column, const char *text, size_t bytes) {
    egret_expect(column, EGRET_UTF8, EGRET_UTF8);
    egret_push(column, text, bytes, true);
}

static egret_column egret_described(const egret_builder *from) {
    return (egret_column){
        .type = from->type,
        .null_count = from->null_count,
        .validity = from->null_count ? from->validity : NULL,
        .offsets = from->offsets,
        .data = from->data,
        .data_bytes = from->data_bytes,
    };
}

const egret_batch *egret_answer(const egret_builder *column) {
    static egret_column described;
    static egret_batch batch;
    described = egret_described(column);
    batch = (egret_batch){.rows = column->rows, .column_count = 1, .columns = &described};
    return &batch;
}

int32_t egret_emit(const egret_builder *builders, uint32_t count) {
    egret_column *columns = egret_alloc(count * sizeof(egret_column));
    egret_batch batch = {.rows = count ? builders[0].rows : 0, .column_count = count, .columns = columns};
    for (uint32_t at = 0; at < count; at++) {
        if (builders[at].rows != batch.rows) egret_fail("the columns of a batch have different numbers of rows");
        columns[at] = egret_described(&builders[at]);
    }
    int32_t answer = (int32_t)egret_host_emit(&batch);
    egret_free(columns);
    return answer;
}

#endif

#endif
