"""Writes the data, the queries and DuckDB's answers of TPC-H and TPC-DS into a folder: `tpc.py FOLDER`, with the packages of `tpc.txt`.

Data and texts come out of DuckDB's extensions (MIT), which make them by the rules of the Transaction Processing Performance
Council. `h` is scale factor 1, `ds` is 0.1: Parquet for each table, and `queries.json` with number, text, and rows as texts.
"""

import json
import pathlib
import sys

import duckdb

SUITES = {
    "h": ("tpch", "CALL dbgen(sf = 1)", "tpch_queries()"),
    "ds": ("tpcds", "CALL dsdgen(sf = 0.1)", "tpcds_queries()"),
}


def shown(value):
    return None if value is None else str(value)


def write(folder, extension, generate, queries):
    package = pathlib.Path(__import__(f"duckdb_extension_{extension}").__file__).parent
    [file] = package.glob("extensions/*/*.duckdb_extension")
    con = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    con.execute(f"LOAD '{file}'")
    con.execute(generate)
    for (table,) in con.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall():
        con.execute(f"COPY {table} TO '{folder / table}.parquet' (FORMAT parquet, COMPRESSION zstd)")
    found = []
    for number, text in con.execute(f"SELECT query_nr, query FROM {queries} ORDER BY 1").fetchall():
        rows = con.execute(text).fetchall()
        found.append({"number": number, "sql": text.strip().rstrip(";"),
                      "rows": [[shown(value) for value in row] for row in rows]})
    # Last, and at once: its presence says that the rest is whole.
    part = folder / "queries.part"
    part.write_text(json.dumps(found))
    part.rename(folder / "queries.json")


def main():
    out = pathlib.Path(sys.argv[1])
    for name, (extension, generate, queries) in SUITES.items():
        folder = out / name
        if (folder / "queries.json").exists():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        write(folder, extension, generate, queries)


main()
