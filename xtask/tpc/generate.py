"""Writes the data and the queries of TPC-H or TPC-DS: generate.py tpch|tpcds SCALE FOLDER.

FOLDER then holds a CSV file for each table, queries/NN.sql, and load.sql, which psql runs in that folder (it takes
the tables from schema.sql there). Both come from DuckDB, which carries the generators and the queries of both.
"""

import os
import sys

import duckdb


def main(benchmark, scale, folder):
    generator = {"tpch": "dbgen", "tpcds": "dsdgen"}[benchmark]
    # On disk, so that a large scale does not have to fit into memory.
    database = os.path.join(folder, "generated.duckdb")
    connection = duckdb.connect(database)
    connection.execute(f"LOAD {benchmark}")
    connection.execute("SET preserve_insertion_order = true")
    connection.execute(f"CALL {generator}(sf = {float(scale)})")
    load = ["\\i schema.sql"]
    tables = connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY estimated_size, 1").fetchall()
    for (table,) in tables:
        file = os.path.join(folder, table + ".csv")
        connection.execute(f"COPY {table} TO '{file}' (FORMAT csv, HEADER false)")
        load.append(f"\\copy {table} FROM '{table}.csv' WITH (FORMAT csv)")
    with open(os.path.join(folder, "load.sql"), "w", encoding="utf-8") as file:
        file.write("\n".join(load) + "\n")
    queries = os.path.join(folder, "queries")
    os.makedirs(queries)
    for number, text in connection.execute(f"SELECT query_nr, query FROM {benchmark}_queries()").fetchall():
        with open(os.path.join(queries, f"{number:02}.sql"), "w", encoding="utf-8") as file:
            file.write(text.strip() + "\n")
    connection.close()
    os.remove(database)


main(*sys.argv[1:])
