/* Points in WGS-84 counted by grid cell in GCJ-02, the coordinates of maps in China.
 *
 * Input 0: longitude and latitude (float64, degrees, WGS-84). Rows with a null, or off the globe, are left out.
 *
 * Output, one row per cell with points, from west to east and then from south to north:
 *     cell_lon, cell_lat  float64, degrees in GCJ-02, the cell's south-west corner
 *     points              int64
 *     shift_metres        float64, mean distance between the points in the two systems
 */
#define EGRET_IMPLEMENTATION
#include "egret.h"

double sin(double radians);
double cos(double radians);

static const double PI = 3.14159265358979323846;
/* Cells in a degree: 0.01 degrees are about a kilometre. */
static const double CELLS_PER_DEGREE = 100;
/* Krasovsky's ellipsoid of 1940, which the offset is defined on: half axis in metres, square of eccentricity. */
static const double AXIS = 6378245.0, ECCENTRICITY_2 = 0.00669342162296594323;

typedef struct {
    double lon, lat;
} point;

/* The offset's waves: three that both axes have, two with weights of their own. */
static double waves(double x, double along, double weight_12, double weight_30) {
    double short_waves = 20 * sin(6 * PI * x) + 20 * sin(2 * PI * x);
    double long_waves = 20 * sin(PI * along) + 40 * sin(PI * along / 3);
    return (short_waves + long_waves + weight_12 * sin(PI * along / 12) + weight_30 * sin(PI * along / 30)) * 2 / 3;
}

/* GCJ-02 is WGS-84 with an offset that is defined inside a box around China, and nothing outside of it. */
static point gcj02(point at) {
    if (at.lon < 72.004 || at.lon > 137.8347 || at.lat < 0.8293 || at.lat > 55.8271) return at;
    double x = at.lon - 105, y = at.lat - 35, root = __builtin_sqrt(__builtin_fabs(x));
    double east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + waves(x, x, 150, 300);
    double north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + waves(x, y, 160, 320);
    double latitude = at.lat * PI / 180, sine = sin(latitude);
    double curve = 1 - ECCENTRICITY_2 * sine * sine;
    double metres_north = AXIS * (1 - ECCENTRICITY_2) / (curve * __builtin_sqrt(curve)) * PI / 180;
    double metres_east = AXIS / __builtin_sqrt(curve) * cos(latitude) * PI / 180;
    return (point){at.lon + east / metres_east, at.lat + north / metres_north};
}

/* On a sphere and over a few hundred metres: right to a thousandth. */
static double metres_between(point a, point b) {
    double north = (b.lat - a.lat) * PI / 180, east = (b.lon - a.lon) * PI / 180 * cos(a.lat * PI / 180);
    return 6371008.8 * __builtin_sqrt(north * north + east * east);
}

typedef struct {
    int32_t lon, lat; /* numbers of the cell, from 0 degrees */
    int64_t points;
    double metres;
} cell;

/* Cells in the order of the output. Points come sorted, so that new cells come at the end or near it. */
static cell *cells;
static uint32_t cells_count, cells_room;

/* The cell with these numbers, made if it is new. */
static cell *cell_of(int32_t lon, int32_t lat) {
    uint32_t from = 0, to = cells_count;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        const cell *at = &cells[middle];
        if (at->lon < lon || (at->lon == lon && at->lat < lat)) from = middle + 1;
        else to = middle;
    }
    if (from < cells_count && cells[from].lon == lon && cells[from].lat == lat) return &cells[from];
    if (cells_count == cells_room) {
        cells_room = cells_room ? 2 * cells_room : 1024;
        cells = egret_resize(cells, cells_room * sizeof(cell));
    }
    for (uint32_t at = cells_count; at > from; at--) cells[at] = cells[at - 1];
    cells_count++;
    cells[from] = (cell){.lon = lon, .lat = lat};
    return &cells[from];
}

static void take(const egret_batch *batch) {
    const egret_column *lon = egret_column_of(batch, 0, EGRET_FLOAT64);
    const egret_column *lat = egret_column_of(batch, 1, EGRET_FLOAT64);
    for (uint32_t row = 0; row < batch->rows; row++) {
        if (!egret_holds(lon, row) || !egret_holds(lat, row)) continue;
        point wgs84 = {egret_float64(lon, row), egret_float64(lat, row)};
        if (!(wgs84.lon >= -180 && wgs84.lon <= 180 && wgs84.lat >= -90 && wgs84.lat <= 90)) continue;
        point moved = gcj02(wgs84);
        cell *in = cell_of((int32_t)__builtin_floor(moved.lon * CELLS_PER_DEGREE),
                           (int32_t)__builtin_floor(moved.lat * CELLS_PER_DEGREE));
        in->points++;
        in->metres += metres_between(wgs84, moved);
    }
}

EGRET_RUN {
    egret_batch *batch;
    while ((batch = egret_next(0))) {
        take(batch);
        egret_free(batch);
    }
    egret_builder out[4];
    egret_build(&out[0], EGRET_FLOAT64);
    egret_build(&out[1], EGRET_FLOAT64);
    egret_build(&out[2], EGRET_INT64);
    egret_build(&out[3], EGRET_FLOAT64);
    for (uint32_t at = 0; at < cells_count; at++) {
        egret_push_float64(&out[0], cells[at].lon / CELLS_PER_DEGREE);
        egret_push_float64(&out[1], cells[at].lat / CELLS_PER_DEGREE);
        egret_push_int64(&out[2], cells[at].points);
        egret_push_float64(&out[3], cells[at].metres / (double)cells[at].points);
    }
    return egret_emit(out, 4);
}
