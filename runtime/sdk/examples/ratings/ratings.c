/* Functions that SQL calls: a probability for each row, and a mean for each group.
 *
 *     SELECT age_band, avg(ratings.probability(income, debt_ratio)) AS p, ratings.geometric_mean(income) AS middle
 *     FROM applicants GROUP BY age_band
 */
#define EGRET_IMPLEMENTATION
#include "egret.h"

double exp(double);
double log(double);

EGRET_MANIFEST("manifest.json")

/* A logistic model: richer applicants fail less often, indebted ones more. Null where an argument is. */
EGRET_FUNCTION(probability) {
    static egret_builder out;
    const egret_column *incomes = egret_column_of(batch, 0, EGRET_INT64);
    const egret_column *ratios = egret_column_of(batch, 1, EGRET_FLOAT64);
    egret_build_again(&out, EGRET_FLOAT64);
    for (uint32_t row = 0; row < batch->rows; row++) {
        if (!egret_holds(incomes, row) || !egret_holds(ratios, row)) {
            egret_push_null(&out);
            continue;
        }
        double score = 3.0 * egret_float64(ratios, row) - (double)egret_int64(incomes, row) / 100000.0 - 1.0;
        egret_push_float64(&out, 1.0 / (1.0 + exp(-score)));
    }
    egret_free(batch);
    return egret_answer(&out);
}

/* Of each group: the sum of logarithms, and of how many amounts. */
static double *sums;
static uint32_t *counts, groups;

static void grow(uint32_t group) {
    if (group < groups) return;
    uint32_t more = (group + 1) * 2;
    sums = egret_resize(sums, more * sizeof *sums);
    counts = egret_resize(counts, more * sizeof *counts);
    for (; groups < more; groups++) {
        sums[groups] = 0;
        counts[groups] = 0;
    }
}

/* Amounts of 0 and below have no logarithm, and are left out. */
EGRET_UPDATE(geometric_mean) {
    const egret_column *numbers = egret_column_of(batch, 0, EGRET_INT32);
    const egret_column *amounts = egret_column_of(batch, 1, EGRET_INT64);
    for (uint32_t row = 0; row < batch->rows; row++) {
        uint32_t group = (uint32_t)egret_int32(numbers, row);
        grow(group);
        if (!egret_holds(amounts, row) || egret_int64(amounts, row) <= 0) continue;
        sums[group] += log((double)egret_int64(amounts, row));
        counts[group]++;
    }
    egret_free(batch);
    return 0;
}

EGRET_FINISH(geometric_mean) {
    static egret_builder out;
    const egret_column *numbers = egret_column_of(batch, 0, EGRET_INT32);
    egret_build_again(&out, EGRET_FLOAT64);
    for (uint32_t row = 0; row < batch->rows; row++) {
        uint32_t group = (uint32_t)egret_int32(numbers, row);
        grow(group);
        if (counts[group]) egret_push_float64(&out, exp(sums[group] / counts[group]));
        else egret_push_null(&out);
    }
    egret_free(batch);
    return egret_answer(&out);
}
