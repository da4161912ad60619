"""Joins the tables of a store with another engine, once, and prints what came of it as a line of JSON."""

import argparse
import json
import resource
import time

BUCKETS = """
    SELECT count(*) FROM flow_times f JOIN span_buckets s ON f.place = s.place AND f.bucket = s.bucket
    WHERE f.earliest_ns <= s.latest_ns AND s.earliest_ns <= f.latest_ns"""
INTERVAL = """
    SELECT count(*) FROM flow_times f JOIN span_times s ON f.place = s.place
    WHERE f.earliest_ns <= s.latest_ns AND s.earliest_ns <= f.latest_ns"""
ASOF = """
    SELECT count(*) FROM flow_times f ASOF JOIN span_times s ON f.place = s.place AND f.latest_ns >= s.earliest_ns
    WHERE f.earliest_ns <= s.latest_ns"""

NAMES = {
    "duckdb-loaded": "DuckDB, the same SQL, loaded",
    "duckdb-files": "DuckDB, the same SQL, from the same files",
    "duckdb-interval": "DuckDB, interval join, loaded",
    "duckdb-asof": "DuckDB, ASOF, loaded",
    "pandas": "pandas merge_asof, loaded",
}
COLUMNS = {
    "flow_times": "flow, place, bucket, earliest_ns, latest_ns",
    "span_times": "span, place, earliest_ns, latest_ns",
    "span_buckets": "span, place, bucket, earliest_ns, latest_ns",
}


def duckdb_join(options, query, loaded):
    import duckdb

    engine = duckdb.connect()
    engine.execute("SET enable_progress_bar = false")
    engine.execute(f"SET threads = {options.threads}")
    engine.execute(f"SET memory_limit = '{options.memory}MiB'")
    for table, columns in COLUMNS.items():
        if table not in query:
            continue
        kind = "TABLE" if loaded else "VIEW"
        files = f"{options.folder}/aligned/{table}/*.parquet"
        engine.execute(f"CREATE {kind} {table} AS SELECT {columns} FROM '{files}'")
    return timed(lambda: engine.execute(query).fetchone()[0])


def pandas_join(options):
    import pandas
    import pyarrow.parquet

    def read(table, columns):
        folder = f"{options.folder}/aligned/{table}"
        return pyarrow.parquet.read_table(folder, columns=columns).to_pandas()

    flows = read("flow_times", ["flow", "place", "earliest_ns", "latest_ns"]).dropna(subset="place")
    flows["place"] = flows["place"].astype("uint32")
    spans = read("span_times", ["span", "place", "earliest_ns", "latest_ns"])

    def join():
        left = flows.sort_values("latest_ns")
        right = spans.sort_values("earliest_ns")
        found = pandas.merge_asof(
            left, right, left_on="latest_ns", right_on="earliest_ns", by="place", suffixes=("", "_span")
        )
        return int((found["earliest_ns"] <= found["latest_ns_span"]).sum())

    return timed(join)


def timed(join):
    begun = time.monotonic()
    pairs = join()
    return time.monotonic() - begun, pairs


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("who", choices=NAMES)
    arguments.add_argument("--folder", required=True)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--memory", type=int, default=1024)
    options = arguments.parse_args()
    outcome = {"who": NAMES[options.who], "seconds": [], "pairs": 0, "peak_kib": 0, "missing": None}
    try:
        if options.who == "pandas":
            seconds, pairs = pandas_join(options)
        else:
            query = {"duckdb-interval": INTERVAL, "duckdb-asof": ASOF}.get(options.who, BUCKETS)
            seconds, pairs = duckdb_join(options, query, options.who != "duckdb-files")
        outcome |= {"seconds": [seconds], "pairs": pairs}
    except ImportError as error:
        outcome["missing"] = f"needs the python package {error.name}"
    except Exception as error:  # An engine may refuse for want of memory: that is an outcome too.
        outcome["missing"] = str(error).splitlines()[0]
    outcome["peak_kib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps(outcome))


main()
