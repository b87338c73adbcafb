#!/usr/bin/env python3
"""The four questions of `just bench-segments` in other engines, on one thread.

    scripts/bench-segments.py EVENTS.csv

EVENTS.csv holds contact, name, milliseconds since 1970, minor units. DuckDB is installed into .tools/bench-segments with
pip where it can be had. Prints a line `FIGURE name value` for each figure, in seconds of processor time; what is not
here is said on standard error.
"""
import importlib
import pathlib
import sqlite3
import subprocess
import sys
import time

DAY = 24 * 60 * 60 * 1000
UNTIL = 1_790_000_000_000
ROUNDS = 3
TOOLS = pathlib.Path(__file__).resolve().parent.parent / ".tools" / "bench-segments"

QUESTIONS = {
    "trial": f"""SELECT count(*) FROM (SELECT contact FROM events WHERE name = 'trial_started'
        AND time > {UNTIL - 7 * DAY} GROUP BY contact) t
        WHERE NOT EXISTS (SELECT 1 FROM events p WHERE p.contact = t.contact AND p.name = 'purchase')""",
    "viewed": f"""SELECT count(*) FROM (SELECT contact FROM events WHERE name = 'page_viewed'
        AND time > {UNTIL - 30 * DAY} GROUP BY contact HAVING count(*) >= 3) t
        WHERE NOT EXISTS (SELECT 1 FROM events p WHERE p.contact = t.contact AND p.name = 'purchase'
        AND p.time > {UNTIL - 30 * DAY})""",
    "spent": f"""SELECT count(*) FROM (SELECT contact FROM events WHERE name = 'purchase'
        AND time > {UNTIL - 90 * DAY} GROUP BY contact HAVING sum(minor) >= 10000) t""",
    "asleep": f"""SELECT count(*) FROM (SELECT contact FROM events GROUP BY contact) t
        WHERE NOT EXISTS (SELECT 1 FROM events p WHERE p.contact = t.contact AND p.name = 'opened'
        AND p.time > {UNTIL - 90 * DAY})""",
}


def figure(name, value):
    print(f"FIGURE {name} {value}", flush=True)


def ask(engine, run):
    for name, sql in QUESTIONS.items():
        best = None
        for _ in range(ROUNDS):
            before = time.process_time()
            count = run(sql)
            spent = time.process_time() - before
            best = spent if best is None else min(best, spent)
        figure(f"{engine}-{name}-cpu", best)
        figure(f"{engine}-{name}-count", count)


def duckdb_of(path):
    TOOLS.mkdir(parents=True, exist_ok=True)
    sys.path.insert(0, str(TOOLS))
    try:
        import duckdb
    except ImportError:
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(TOOLS), "duckdb"]
        if subprocess.run(install, stdout=subprocess.DEVNULL).returncode != 0:
            print("bench-segments: DuckDB: not here", file=sys.stderr)
            return
        importlib.invalidate_caches()
        import duckdb
    base = duckdb.connect()
    base.execute("SET threads = 1")
    base.execute(
        "CREATE TABLE events AS SELECT * FROM read_csv(?, header = false, columns = "
        "{'contact': 'INTEGER', 'name': 'VARCHAR', 'time': 'BIGINT', 'minor': 'BIGINT'})",
        [path],
    )
    ask("duckdb", lambda sql: base.execute(sql).fetchone()[0])


def sqlite_of(path):
    base = sqlite3.connect(":memory:")
    base.execute("CREATE TABLE events (contact INTEGER, name TEXT, time INTEGER, minor INTEGER)")
    with open(path) as lines:
        rows = (line.rstrip("\n").split(",") for line in lines)
        base.executemany("INSERT INTO events VALUES (?, ?, ?, ?)", rows)
    base.execute("CREATE INDEX by_name ON events (name, time, contact, minor)")
    base.execute("CREATE INDEX by_contact ON events (contact, name, time)")
    base.execute("ANALYZE")
    ask("sqlite", lambda sql: base.execute(sql).fetchone()[0])


def main():
    (path,) = sys.argv[1:]
    for engine in (duckdb_of, sqlite_of):
        engine(path)


main()
