"""Exports read into DuckDB and pandas: nothing loses its type on the way, in either form, plain or compressed."""

import decimal
import gzip
import json
import os
import pathlib
import sys
import urllib.request

import duckdb
import pandas

URL, KEY, RUN = (os.environ[name] for name in ("MISAR_URL", "MISAR_KEY", "MISAR_RUN"))
folder = pathlib.Path(sys.argv[1])


def call(path, body=None, **headers):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json", **headers}
    with urllib.request.urlopen(urllib.request.Request(URL + path, data, headers)) as answer:
        return answer.headers, answer.read()


# What types are lost by: a zero in front, a text that looks like a number or a formula, a quote, a line end, an
# amount that no double has, currencies with and without decimals, an address outside of ASCII, what is absent.
ORDERS = {
    "00042": ("USD", "0.1", 10),
    "1e5": ("JPY", "500", 500),
    "=1+1": ("EUR", "1.5", 150),
    "-7": ("EUR", "2.5", 250),
    "'quoted'": ("EUR", "3.5", 350),
    'say "no", please': ("KWD", "12345678901.234", 12345678901234),
    f"{RUN}-plain": ("EUR", "90071992547409.93", 9007199254740993),
}


def meant(cell, source):
    """A text of CSV without the mark that keeps spreadsheets from running it; NDJSON has none."""
    return cell.removeprefix("'") if "csv" in source else cell


for order, (currency, amount, _) in ORDERS.items():
    text = json.dumps({"email": "zoë@example.com", "orderId": order, "currency": currency, "messageId": f"{RUN}-mail"})
    body = f'{text[:-1]},"revenue":{amount}}}'
    request = urllib.request.Request(
        f"{URL}/v1/track/purchase", body.encode(),
        {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        seq = json.load(answer)["seq"]
call(f"/v1/events?limit=1&minSeq={seq}")  # what follows is read from a view that holds them

for kind in ("events", "orders", "contacts"):
    for form in ("ndjson", "csv"):
        _, plain = call(f"/v1/export/{kind}?format={form}")
        headers, packed = call(f"/v1/export/{kind}?format={form}", None, **{"Accept-Encoding": "gzip"})
        assert headers["Content-Encoding"] == "gzip", headers
        assert gzip.decompress(packed) == plain or kind == "contacts"  # a score falls with time
        (folder / f"{kind}.{form}").write_bytes(plain)

database = duckdb.connect()
TEXTS = ["seq", "orderId", "email", "currency", "creditedMessageId"]
EXACT = {"gross": "DECIMAL(38,3)", "grossMinor": "BIGINT"}
types = {**{name: "VARCHAR" for name in TEXTS}, **EXACT, "timestamp": "TIMESTAMPTZ", "verified": "BOOLEAN"}
columns = "{" + ", ".join(f"'{name}': '{kind}'" for name, kind in types.items()) + "}"
for source in (
    f"read_json('{folder}/orders.ndjson', format='newline_delimited', columns={columns})",
    f"read_csv('{folder}/orders.csv', types={columns}, header=true, all_varchar=false)",
):
    rows = database.sql(f"SELECT orderId, currency, gross, grossMinor, verified, timestamp, creditedMessageId FROM {source}").fetchall()
    found = {meant(row[0], source): row[1:] for row in rows}
    for order, (currency, amount, minor) in ORDERS.items():
        row = found[order]
        assert row[:4] == (currency, decimal.Decimal(amount), minor, True), (source, order, row)
        assert row[4].tzinfo is not None and row[5] == f"{RUN}-mail", (source, order, row)

# By what DuckDB guesses alone: minor units stay whole numbers, and times are times.
guessed = database.sql(f"DESCRIBE SELECT * FROM '{folder}/orders.ndjson'").fetchall()
guessed = {name: kind for name, kind, *_ in guessed}
assert guessed["grossMinor"] == "BIGINT" and guessed["verified"] == "BOOLEAN", guessed
assert guessed["timestamp"].startswith("TIMESTAMP") and guessed["seq"] == "VARCHAR", guessed

text_columns = {name: "string" for name in TEXTS}
from_csv = pandas.read_csv(
    folder / "orders.csv", dtype={**text_columns, "grossMinor": "Int64"}, parse_dates=["timestamp"], keep_default_na=False,
    na_values=[""])
from_json = pandas.read_json(
    folder / "orders.ndjson", lines=True, dtype={**text_columns, "grossMinor": "Int64"}, precise_float=True)
from_json["timestamp"] = pandas.to_datetime(from_json["timestamp"], utc=True)
from_csv["orderId"] = from_csv["orderId"].map(lambda cell: meant(cell, "csv"))
for table in (from_csv, from_json):
    table = table.set_index("orderId")
    assert str(table["timestamp"].dtype).endswith("UTC]"), table.dtypes
    for order, (currency, _, minor) in ORDERS.items():
        row = table.loc[order]
        assert (row["currency"], int(row["grossMinor"]), bool(row["verified"])) == (currency, minor, True), row

events = database.sql(f"SELECT type, properties FROM read_json('{folder}/events.ndjson', format='newline_delimited', "
                      "columns={'type': 'VARCHAR', 'properties': 'JSON'})").fetchall()
assert any(kind == "purchase" and json.loads(properties)["orderId"] == "00042" for kind, properties in events)
contacts = pandas.read_csv(folder / "contacts.csv", dtype={"contactId": "string"}, parse_dates=["firstSeen", "lastSeen"])
assert str(contacts["lastSeen"].dtype).endswith("UTC]"), contacts.dtypes
assert "zoë@example.com" in set(contacts["email"])
print("exports: into DuckDB and pandas with their types, from NDJSON and CSV")
