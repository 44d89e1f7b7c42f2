/* Writes what it reads, batch by batch: every type in and out, with nulls, and the seed.
 *
 * Input 0: boolean, int64, float64, utf8, date32, timestamp. Output: the same, and the int64 once more as int32.
 */
#define EGRET_IMPLEMENTATION
#include "egret.h"

static const egret_type KINDS[] = {
    EGRET_BOOLEAN, EGRET_INT64, EGRET_FLOAT64, EGRET_UTF8, EGRET_DATE32, EGRET_TIMESTAMP, EGRET_INT32,
};
#define COLUMNS (sizeof KINDS / sizeof *KINDS)

static bool seeded;

EGRET_SEED {
    for (int at = 0; at < 32; at++) seeded |= seed[at] != 0;
}

static void copy(egret_builder *to, const egret_column *from, uint32_t row) {
    if (!egret_holds(from, row)) return egret_push_null(to);
    switch (to->type) {
    case EGRET_BOOLEAN: return egret_push_boolean(to, egret_boolean(from, row));
    case EGRET_INT32: return egret_push_int32(to, (int32_t)egret_int64(from, row));
    case EGRET_DATE32: return egret_push_int32(to, egret_int32(from, row));
    case EGRET_INT64:
    case EGRET_TIMESTAMP: return egret_push_int64(to, egret_int64(from, row));
    case EGRET_FLOAT64: return egret_push_float64(to, egret_float64(from, row));
    case EGRET_UTF8: {
        egret_text text = egret_utf8(from, row);
        return egret_push_utf8(to, text.text, text.bytes);
    }
    }
}

EGRET_RUN {
    egret_builder out[COLUMNS];
    for (uint32_t at = 0; at < COLUMNS; at++) egret_build(&out[at], KINDS[at]);
    egret_batch *batch;
    while ((batch = egret_next(0))) {
        for (uint32_t at = 0; at < COLUMNS; at++) {
            egret_clear(&out[at]);
            uint32_t from = KINDS[at] == EGRET_INT32 ? 1 : at;
            const egret_column *column = egret_column_of(batch, from, KINDS[from]);
            for (uint32_t row = 0; row < batch->rows; row++) copy(&out[at], column, row);
        }
        egret_free(batch);
        if (egret_emit(out, COLUMNS)) return 1;
    }
    return seeded ? 0 : 1;
}
